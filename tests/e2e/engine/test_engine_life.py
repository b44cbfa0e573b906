"""One engine for all servers: started on demand, healed, and never silently missing."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from midfill_model.seam import LOG, MARK
from midfill_server.engines.http.connection import CONNECT_SECONDS
from midfill_server.tools.lsp_client import Editor

from ...known_model import SAID
from ...scripted_engine import PATIENCE, ScriptedEngine
from ..conftest import CLI, ITEM, PROGRAM, Engine, end_of, environment

URI = "file:///a.py"


def running_engines(folder: Path) -> int:
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return listed.count(f"--runtime-dir {folder}")


async def complete(editor: Editor, text: str = PROGRAM) -> str:
    editor.open(URI, text)
    async with asyncio.timeout(PATIENCE):
        return await editor.complete(URI, *end_of(text)).text()


async def test_two_servers_that_start_at_once_share_one_engine(own_folder: Path, model: str) -> None:
    """So do six, as an editor restores its windows: one process is started, the others wait for it."""
    async with AsyncExitStack() as stack:
        windows = [
            await stack.enter_async_context(Editor(environment=environment(own_folder))) for _ in range(6)
        ]
        await asyncio.gather(*(window.initialize({"model": model}) for window in windows))
        assert set(await asyncio.gather(*(complete(window) for window in windows))) == {SAID}
        assert running_engines(own_folder) == 1
    assert (own_folder / LOG).read_text().count(f"{MARK}starts\n") == 1


async def test_the_state_is_told_while_the_engine_starts(own_folder: Path, model: str) -> None:
    async with Editor(environment=environment(own_folder)) as editor:
        capabilities = {"textDocument": {"inlineCompletion": {}}, "window": {"workDoneProgress": True}}
        await editor.initialize({"model": model}, capabilities)
        assert await complete(editor) == SAID
        ready = await editor.notified("midfill/statusChanged", lambda it: it["state"] == "ready")
        assert ready["model"]
        states = [
            it["params"]["state"] for it in editor.notifications if it["method"] == "midfill/statusChanged"
        ]
        assert states[0] == "starting"
        await editor.notified("$/progress", lambda it: it["value"]["kind"] == "end")  # it follows the state
        bars = [it["params"]["value"]["kind"] for it in editor.notifications if it["method"] == "$/progress"]
        assert (bars[0], bars[-1], bars.count("begin")) == ("begin", "end", 1)


async def test_a_killed_engine_comes_back(own_folder: Path, model: str) -> None:
    engine = Engine(own_folder)
    async with Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": model})
        assert await complete(editor) == SAID
        first = engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)  # leaves its socket and engine.json behind
        assert await complete(editor, PROGRAM + "# 0\n        ") == SAID
        assert engine.pid not in (None, first)


@pytest.mark.parametrize("gone", ["engine.json", "engine.sock", "engine.lock", "all of it", "the folder"])
async def test_what_vanishes_under_a_living_engine_comes_back(
    own_folder: Path, model: str, gone: str
) -> None:
    """For the window that is open and for a new one; and one engine is left."""
    async with Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": model})
        assert await complete(editor) == SAID
        for name in os.listdir(own_folder):
            if gone in (name, "all of it", "the folder") and (own_folder / name).is_file():
                os.remove(own_folder / name)
        if gone == "the folder":
            shutil.rmtree(own_folder)
        assert await complete(editor, PROGRAM + "# 0\n        ") == SAID
        async with Editor(environment=environment(own_folder)) as other:
            await other.initialize({"model": model})
            assert await complete(other) == SAID
        async with asyncio.timeout(PATIENCE):
            while running_engines(own_folder) > 1:  # noqa: ASYNC110 - the old one is ending
                await asyncio.sleep(0.05)
        told = [it for it in editor.notifications + other.notifications if "window/show" in it["method"]]
        assert told == []


async def test_an_engine_that_is_frozen_while_it_loads_is_waited_for(own_folder: Path, model: str) -> None:
    """For longer than its health may take to be answered."""
    async with Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": model})
        editor.open(URI, PROGRAM)
        asked = editor.complete(URI, *end_of(PROGRAM))
        async with asyncio.timeout(PATIENCE):
            while (pid := Engine(own_folder).pid) is None:  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.001)
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(CONNECT_SECONDS + 1)  # how long it is frozen, not a wait for something
            finally:
                os.kill(pid, signal.SIGCONT)
            assert await asked.text() == SAID
        assert Engine(own_folder).pid == pid
        assert not [it for it in editor.notifications if "window/show" in it["method"]]


async def test_a_stale_socket_is_no_obstacle(own_folder: Path, model: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(own_folder / "engine.sock"))
    path = own_folder / "engine.sock"
    (own_folder / "engine.json").write_text(f'{{"pid": 1, "url": "http://localhost", "socket": "{path}"}}')
    async with Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": model})
        assert await complete(editor) == SAID


@pytest.mark.parametrize("rubbish", ["{", '{"pid": 1}'])
async def test_an_unreadable_record_is_no_obstacle(own_folder: Path, rubbish: str, model: str) -> None:
    (own_folder / "engine.json").write_text(rubbish)
    async with Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": model})
        assert await complete(editor) == SAID


async def failing(editor: Editor, options: dict[str, object]) -> str:
    """The one message of a server whose engine cannot work, after three requests."""
    await editor.initialize(options)
    for _ in range(3):
        assert await complete(editor) == ""
    await editor.notified("midfill/statusChanged", lambda it: it["state"] == "failed")
    (message,) = [it["params"]["message"] for it in editor.notifications if "window/show" in it["method"]]
    assert "Traceback" not in message
    return str(message)


async def test_a_runtime_folder_that_cannot_be_used_is_one_message(tmp_path: Path, model: str) -> None:
    (tmp_path / "file").write_text("")
    async with Editor(environment=environment(tmp_path / "file" / "folder")) as editor:
        assert "MIDFILL_RUNTIME_DIR" in await failing(editor, {"model": model})


async def test_a_missing_model_is_one_message_and_can_be_mended(
    own_folder: Path, tmp_path: Path, model: str
) -> None:
    async with Editor(environment=environment(own_folder)) as editor:
        assert str(tmp_path / "no-model") in await failing(editor, {"model": str(tmp_path / "no-model")})
        editor.notify("workspace/didChangeConfiguration", {"settings": {"model": model}})
        assert await complete(editor) == SAID


async def test_another_model_than_the_one_that_runs_is_one_message(
    engine: ScriptedEngine, tmp_path: Path
) -> None:
    async with Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize({"model": str(tmp_path / "other")})
        assert await complete(editor) == ITEM
        told = await editor.notified("window/showMessage")
    assert "scripted" in told["message"] and "other" in told["message"]


async def test_a_server_of_ones_own_that_does_not_answer_is_one_message(own_folder: Path) -> None:
    async with Editor(environment=environment(own_folder)) as editor:
        options: dict[str, object] = {"url": "http://127.0.0.1:9/v1", "model": "x"}
        assert "http://127.0.0.1:9 (nobody listens there" in await failing(editor, options)
    assert Engine(own_folder).pid is None


def test_stop_and_status_without_an_engine(own_folder: Path) -> None:
    for command in (["stop"], ["status"]):
        done = subprocess.run([*CLI, *command], env=environment(own_folder), capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert "No engine is running" in done.stdout
