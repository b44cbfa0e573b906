"""Faults, made for real: each is at most one message, nothing is lost, and it is over when its cause is."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_model.seam import LOG
from midfill_server.tools.lsp_client import Editor

from ...full_disk import fill, small_disk
from ...known_model import SAID
from ...scripted_engine import PATIENCE, ScriptedEngine
from ..conftest import CLI, PROGRAM, Engine, end_of, environment, mid_stream
from .test_engine_life import URI, complete

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and links")


def messages(editor: Editor) -> list[str]:
    return [it["params"]["message"] for it in editor.notifications if "window/show" in it["method"]]


async def test_an_engine_that_is_killed_while_it_loads_is_replaced(own_folder: Path, model: str) -> None:
    async with Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": model})
        editor.open(URI, PROGRAM)
        asked = editor.complete(URI, *end_of(PROGRAM))
        async with asyncio.timeout(PATIENCE):
            while (pid := Engine(own_folder).pid) is None:  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.001)
            os.kill(pid, signal.SIGKILL)
            if not await asked.text():  # it was known to load: that is told, and not tried again at once
                assert "stopped while loading" in messages(editor)[0]
                await editor.request("midfill/restart", None)
                assert await complete(editor, PROGRAM + "# 0\n        ") == SAID
        assert len(messages(editor)) <= 1


@pytest.mark.parametrize("umask", [0o277, 0o777])
def test_files_are_ours_to_use_whatever_the_umask_takes(own_folder: Path, model: str, umask: int) -> None:
    """Of root every file can be read, so the rights themselves are looked at."""
    (own_folder / "a.py").write_text(PROGRAM)
    line, column = end_of(PROGRAM)
    place = f"{own_folder / 'a.py'}:{line + 1}:{column + 1}"
    for command in (["complete", place, "--set", f"model={model}"], ["pause"]):
        done = subprocess.run(
            [*CLI, *command],
            env=environment(own_folder),
            capture_output=True,
            text=True,
            umask=umask,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    made = [it for it in own_folder.rglob("*") if not it.is_symlink() and it.name != "a.py"]
    assert {"engine.lock", LOG, seam.CARD, "paused"} <= {it.name for it in made}
    rights = {it: it.stat().st_mode & 0o777 for it in made}
    assert [it for it in made if rights[it] & 0o077 or rights[it] & 0o600 != 0o600] == [], rights


async def test_a_machine_that_sleeps_in_the_middle_of_a_request_answers_it_when_it_wakes(
    own_folder: Path, model: str
) -> None:
    """Front and engine stop while it loads, and when it has loaded, and go on in either order."""
    async with Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": model})
        editor.open(URI, PROGRAM)
        asked = editor.complete(URI, *end_of(PROGRAM))
        async with asyncio.timeout(PATIENCE):
            while (pid := Engine(own_folder).pid) is None:  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.001)
        both = [editor.process.pid, pid]
        for order in (both, both[::-1]):
            for process in both:
                os.kill(process, signal.SIGSTOP)
            await asyncio.sleep(0.3)  # asleep
            for process in order:
                os.kill(process, signal.SIGCONT)
            assert await asked.text() == SAID
            editor.change(URI, {"text": f"# more\n{PROGRAM}"})
            asked = editor.complete(URI, *end_of(f"# more\n{PROGRAM}"))
        assert await asked.text() == SAID
        assert (Engine(own_folder).pid, messages(editor)) == (pid, [])


async def test_a_front_that_is_killed_frees_the_engine_and_leaves_it_to_others(
    engine: ScriptedEngine,
) -> None:
    async with Editor(environment=environment(engine.folder)) as other:
        await other.initialize()
        killed = Editor(environment=environment(engine.folder))
        async with killed:
            await killed.initialize()
            growing = await mid_stream(engine, killed)
            killed.process.kill()
            await killed.process.wait()
            growing.answer.cancel()
            await engine.until(lambda: engine.calls[-1].hung_up)
        engine.says(SAID, after="# another\n")
        assert await complete(other, "# another\n") == SAID


async def test_places_that_cannot_be_written_cost_no_text(own_folder: Path, model: str) -> None:
    """A full disk for the log, and files where the folders for state and cache should be."""
    (own_folder / seam.LOG).symlink_to("/dev/full")
    (own_folder / "file").write_text("")
    odd = {"MIDFILL_STATE_DIR": str(own_folder / "file"), "MIDFILL_CACHE_DIR": str(own_folder / "file")}
    async with Editor(environment=environment(own_folder) | odd) as editor:
        await editor.initialize({"model": model})
        assert await complete(editor) == SAID
        assert messages(editor) == []


async def test_full_disks_for_state_and_cache_cost_no_text(
    own_folder: Path, model: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path):
        folders = {f"MIDFILL_{name}_DIR": str(tmp_path) for name in ("STATE", "CACHE")}
        fill(tmp_path)
        async with Editor(environment=environment(own_folder) | folders) as editor:
            await editor.initialize({"model": model})
            assert await complete(editor) == SAID
            assert messages(editor) == []


async def test_a_card_that_somebody_else_wrote_gets_no_code(own_folder: Path, model: str) -> None:
    """Not even of this machine: who listens at its address does not hold the lock."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        heard: list[bytes] = []

        def listen() -> None:
            with suppress(OSError):
                while True:
                    heard.append(stranger.accept()[0].recv(1 << 16))

        threading.Thread(target=listen, daemon=True).start()
        (own_folder / seam.CARD).write_text(f'{{"pid": 1, "url": "http://127.0.0.1:{port}"}}')
        async with Editor(environment=environment(own_folder)) as editor:
            await editor.initialize({"model": model})
            assert await complete(editor) == SAID
        stranger.shutdown(socket.SHUT_RDWR)
    assert not any(b"POST" in it for it in heard)


async def test_weights_that_are_spoilt_are_one_message_until_they_are_mended(
    own_folder: Path, tmp_path: Path, model: str
) -> None:
    spoilt = shutil.copytree(model, tmp_path / "spoilt")
    weights = spoilt / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    async with Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": str(spoilt)})
        for _ in range(2):
            assert await complete(editor) == ""
        await editor.notified("midfill/statusChanged", lambda it: it["state"] == "failed")
        (message,) = messages(editor)
        assert str(spoilt) in message and "Traceback" not in message
        shutil.copytree(model, spoilt, dirs_exist_ok=True)
        await editor.request("midfill/restart", None)
        assert await complete(editor) == SAID
        assert messages(editor) == [message]
