"""A restart is for all windows, and mends what failed; focus starts what does not run."""

import asyncio
import os
import signal
from pathlib import Path

from midfill_server.tools.lsp_client import Editor

from ...known_model import SAID
from ...scripted_engine import PATIENCE
from ..conftest import PROGRAM, Engine, end_of, environment


async def complete(editor: Editor, text: str = PROGRAM) -> str:
    editor.open("file:///a.py", text)
    async with asyncio.timeout(PATIENCE):
        return await editor.complete("file:///a.py", *end_of(text)).text()


async def test_a_restart_ends_with_a_new_engine_for_all_windows(own_folder: Path, model: str) -> None:
    engine = Engine(own_folder)
    async with (
        Editor(environment=environment(own_folder)) as one,
        Editor(environment=environment(own_folder)) as two,
    ):
        for editor in (one, two):
            await editor.initialize({"model": model})
            assert await complete(editor) == SAID
        first = engine.pid
        assert (await one.request("midfill/restart"))["state"] in ("starting", "loading", "ready")
        assert engine.pid not in (None, first)
        for editor in (one, two):
            assert await complete(editor, PROGRAM + "# 1\n        ") == SAID


async def test_a_restart_that_fails_says_why_and_can_be_mended(
    own_folder: Path, tmp_path: Path, model: str
) -> None:
    async with Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": model})
        assert await complete(editor) == SAID
        settings = {"midfill": {"model": str(tmp_path / "none")}}
        editor.notify("workspace/didChangeConfiguration", {"settings": settings})
        await editor.request("midfill/restart")
        failed = await editor.notified("midfill/statusChanged", lambda it: it["state"] == "failed")
        assert str(tmp_path / "none") in failed["message"]
        editor.notify("workspace/didChangeConfiguration", {"settings": {"midfill": {"model": model}}})
        assert (await editor.request("midfill/restart"))["state"] in ("starting", "loading", "ready")
        assert await complete(editor) == SAID


async def test_focus_wakes_the_engine(own_folder: Path, model: str) -> None:
    engine = Engine(own_folder)
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": model})
        editor.notify("textDocument/didFocus", {"textDocument": {"uri": "file:///a.py"}})
        await editor.notified("midfill/statusChanged", lambda it: it["state"] == "ready")
        assert engine.pid is not None


async def test_a_restart_replaces_an_engine_that_was_killed(own_folder: Path, model: str) -> None:
    engine = Engine(own_folder)
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(own_folder)) as editor:
        await editor.initialize({"model": model})
        assert await complete(editor) == SAID
        first = engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert (await editor.request("midfill/restart"))["state"] in ("starting", "loading", "ready")
        assert engine.pid not in (None, first)
