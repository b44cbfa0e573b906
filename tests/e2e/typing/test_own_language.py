"""The prompt names the file, so that the model knows its language; where nothing is known is silence."""

from pathlib import Path

import pytest

from midfill_server.tools.lsp_client import Editor

from ...scripted_engine import ScriptedEngine
from ..conftest import end_of, environment


@pytest.mark.parametrize("name", ["new.go", "Untitled-1.py", "test.js", "main.rs"])
async def test_an_empty_file_whose_name_says_nothing_is_silent(
    engine: ScriptedEngine, tmp_path: Path, name: str
) -> None:
    uri = (tmp_path / name).as_uri()
    engine.says("import os", after="")
    async with Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize(root=tmp_path)
        for text in ("", "\n\n"):
            editor.open(uri, text)
            assert await editor.complete(uri, 0, 0).text() == ""
            editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    assert engine.calls == []


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("cart.go", "", "// cart.go\n"),
        ("Dockerfile", "", "# Dockerfile\n"),
        ("new.css", ".a {\n", "/* new.css */\n"),
        ("main.py", "import os\n", "# main.py\n"),
    ],
)
async def test_the_prompt_names_the_file(
    engine: ScriptedEngine, tmp_path: Path, name: str, text: str, title: str
) -> None:
    uri = (tmp_path / name).as_uri()
    async with Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize(root=tmp_path)
        editor.open(uri, text)
        await editor.complete(uri, *end_of(text)).text()
    assert [call.body["context"] for call in engine.calls] == [[title]]


async def test_what_other_files_say_is_known_to_the_filters(engine: ScriptedEngine, tmp_path: Path) -> None:
    (tmp_path / "util.py").write_text("clean = shutil.rmtree(old)\n")
    text = "from util import clean\n\nfor path in paths:\n    "
    engine.says("shutil.rmtree(path)", after=text)
    uri, shown = (tmp_path / "main.py").as_uri(), []
    async with Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize(root=tmp_path)
        editor.open(uri, text)
        for n in range(3):  # the first one may come before it is known how much of other files is wanted
            shown.append(await editor.complete(uri, *end_of("\n" * n + text)).text())
            editor.insert(uri, 0, 0, "\n")
    assert "rmtree" in str(engine.calls[-1].body["context"])
    assert shown[-1] == "shutil.rmtree(path)"
