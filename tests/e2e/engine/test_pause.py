"""`midfill pause` and `resume` in real windows, and an engine that leaves with the last of them."""

import asyncio
import os
import subprocess
from pathlib import Path

from midfill_server.tools.lsp_client import Editor

from ...known_model import SAID
from ...scripted_engine import PATIENCE, ScriptedEngine
from ..conftest import CLI, ITEM, PROGRAM, Engine, end_of, ends, environment

URI = "file:///a.py"


def midfill(command: str, folder: Path) -> str:
    own = environment(folder)
    return subprocess.run([*CLI, command], env=own, capture_output=True, text=True, check=True).stdout


async def complete(editor: Editor, uri: str = URI) -> str:
    editor.open(uri, PROGRAM)
    async with asyncio.timeout(PATIENCE):
        return await editor.complete(uri, *end_of(PROGRAM)).text()


async def test_a_pause_silences_all_windows_and_the_engine_gives_its_memory_back(
    own_folder: Path, model: str
) -> None:
    async with (
        Editor(environment=environment(own_folder)) as one,
        Editor(environment=environment(own_folder)) as two,
    ):
        for window in (one, two):
            await window.initialize({"model": model})
            assert await complete(window) == SAID
        assert (await Engine(own_folder).health()).windows == 2
        assert "its model has left the memory" in await asyncio.to_thread(midfill, "pause", own_folder)
        assert "Midfill is paused in all windows" in await asyncio.to_thread(midfill, "status", own_folder)
        for window in (one, two):
            assert await complete(window, "file:///b.py") == ""
            await window.notified("midfill/statusChanged", lambda it: it["paused"])
        assert "goes on" in await asyncio.to_thread(midfill, "resume", own_folder)
        async with asyncio.timeout(PATIENCE):  # it notices by itself
            while one.notifications[-1]["params"].get("paused"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        assert await complete(one, "file:///c.py") == SAID
        assert not [it for it in one.notifications + two.notifications if "window/show" in it["method"]]


async def test_while_it_is_paused_nothing_is_started(own_folder: Path, model: str) -> None:
    assert "is paused in all windows" in await asyncio.to_thread(midfill, "pause", own_folder)
    assert "was paused already" in await asyncio.to_thread(midfill, "pause", own_folder)
    async with Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": model})
        assert await complete(editor) == ""
        await editor.notified("midfill/statusChanged", lambda it: it["paused"])
    assert Engine(own_folder).pid is None
    program = own_folder / "a.py"
    program.write_text(PROGRAM)
    done = await asyncio.to_thread(
        subprocess.run,
        [*CLI, "complete", f"{program}:1:1", "--model", model],
        env=environment(own_folder),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "`midfill resume` goes on" in done.stderr
    assert "goes on" in await asyncio.to_thread(midfill, "resume", own_folder)


async def test_an_engine_leaves_when_its_last_window_was_killed(own_folder: Path, model: str) -> None:
    """No orphan: neither the front, whose editor is gone, nor the engine."""
    options = {"model": model, "engineOptions": ["--leave-after", "0.5"]}
    editor = Editor(environment=environment(own_folder))
    await editor.__aenter__()
    await editor.initialize(options)
    assert await complete(editor) == SAID
    pid = Engine(own_folder).pid
    editor.process.kill()
    await editor.process.wait()
    assert pid is not None and await asyncio.to_thread(ends, pid)


async def test_a_server_behind_a_url_is_not_asked_either(tmp_path: Path, own_folder: Path) -> None:
    with ScriptedEngine(tmp_path, tcp=True) as engine:
        engine.says(ITEM, after=PROGRAM)
        os.environ["THE_KEY"] = engine.token or ""
        async with Editor(environment=environment(own_folder)) as editor:
            await editor.initialize({"url": engine.url, "apiKeyEnv": "THE_KEY"})
            assert await complete(editor) == ITEM
            await asyncio.to_thread(midfill, "pause", own_folder)
            assert await complete(editor, "file:///b.py") == ""
            assert len(engine.calls) == 1
