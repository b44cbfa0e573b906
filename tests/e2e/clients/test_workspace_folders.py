"""Folders that an editor adds to its workspace, or takes away, count from then on."""

from pathlib import Path
from typing import Any

from midfill_server.tools.lsp_client import Editor

from ...scripted_engine import ScriptedEngine
from ..conftest import end_of, environment

UTIL = "def margin_ratio(price_list, cost_list):\n    return [p / c for p, c in zip(price_list, cost_list)]\n"
MAIN = "from util import margin_ratio\n\n\ndef report(price_list):\n    ratio = margin_ratio("


async def test_a_folder_that_is_added_is_read_and_one_that_is_removed_is_not(
    engine: ScriptedEngine, tmp_path: Path
) -> None:
    (tmp_path / "util.py").write_text(UTIL)
    uri, folder = (tmp_path / "main.py").as_uri(), {"uri": tmp_path.as_uri(), "name": "b"}

    async def told(editor: Editor) -> str:
        """What the engine is told of other files, at a place where nobody has asked yet."""
        before = len(engine.calls)
        for n in range(2):
            text = "\n" * (20 * (before + n)) + MAIN
            editor.open(uri, text)
            await editor.complete(uri, *end_of(text)).text()
            editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        return "".join(str(call.body.get("context")) for call in engine.calls[before:])

    def change(**event: Any) -> None:
        folders = {"added": [], "removed": []} | event
        editor.notify("workspace/didChangeWorkspaceFolders", {"event": folders})

    async with Editor(environment=environment(engine.folder)) as editor:
        capabilities = (await editor.initialize())["capabilities"]
        assert capabilities["workspace"]["workspaceFolders"] == {
            "supported": True,
            "changeNotifications": True,
        }
        assert "cost_list" not in await told(editor)
        change(added=[folder])
        assert "cost_list" in await told(editor)
        change(removed=[folder])
        assert "cost_list" not in await told(editor)
