"""Cells of a notebook are read in their order, whichever way an editor tells of them."""

import asyncio
import base64
import os
import re
from pathlib import Path
from typing import Any

import pytest

from midfill_server.tools.lsp_client import Editor

from ...scripted_engine import PATIENCE, ScriptedEngine
from ..conftest import end_of, environment

UTIL = "def margin_ratio(price_list, cost_list):\n    return [p - k for p, k in zip(price_list, cost_list)]"
ASKING = "ratio = margin_ratio(prices, "
NOTEBOOK = "file:///home/me/n.ipynb"


def cell(n: int, kind: int = 2) -> dict[str, Any]:
    return {"kind": kind, "document": f"cell:{n}", "metadata": {"tags": [n]}}


def item(n: int, text: str, language: str = "python") -> dict[str, Any]:
    return {"uri": f"cell:{n}", "languageId": language, "version": 1, "text": text}


def opened(editor: Editor, *texts: str, languages: dict[int, str] | None = None) -> None:
    """A notebook of such cells, cell:0 and so on."""
    told = [item(n, text, (languages or {}).get(n, "python")) for n, text in enumerate(texts)]
    cells = [cell(n, 1 if it["languageId"] == "markdown" else 2) for n, it in enumerate(told)]
    notebook = {"uri": NOTEBOOK, "notebookType": "jupyter-notebook", "version": 1, "cells": cells}
    editor.notify(
        "notebookDocument/didOpen",
        {"notebookDocument": notebook | {"metadata": {"kernel": None}}, "cellTextDocuments": told},
    )


async def prompt(engine: ScriptedEngine, editor: Editor, uri: str, text: str) -> str:
    """What the engine is asked to continue at the end of a cell."""
    before = len(engine.calls)
    await editor.complete(uri, *end_of(text)).text()
    assert len(engine.calls) == before + 1
    return str(engine.calls[-1].body["prompt"])


async def test_the_cells_above_are_read_before_a_cell(engine: ScriptedEngine, editor: Editor) -> None:
    capabilities: dict[str, Any] = {
        "textDocument": {"inlineCompletion": {}},
        "notebookDocument": {"synchronization": {}},
    }
    async with Editor(environment=environment(engine.folder)) as editor:
        told = (await editor.initialize(capabilities=capabilities))["capabilities"]
        assert told["notebookDocumentSync"]["notebookSelector"] == [
            {"notebook": "*", "cells": [{"language": "*"}]}
        ]
        opened(editor, UTIL, "x = 1\n", ASKING, "y = 2")
        assert await prompt(engine, editor, "cell:2", ASKING) == f"{UTIL}\n\nx = 1\n\n{ASKING}"


async def test_cells_that_come_go_and_change_are_followed(engine: ScriptedEngine, editor: Editor) -> None:
    opened(editor, "a = 1", ASKING)

    def change(**cells: Any) -> None:
        params = {"notebookDocument": {"uri": NOTEBOOK, "version": 2}, "change": {"cells": cells}}
        editor.notify("notebookDocument/didChange", params)

    added = {"array": {"start": 1, "deleteCount": 0, "cells": [cell(2)]}, "didOpen": [item(2, "b = 2")]}
    change(structure=added)
    assert await prompt(engine, editor, "cell:1", ASKING) == f"a = 1\n\nb = 2\n\n{ASKING}"
    start = {"line": 0, "character": 0}
    changes = [{"range": {"start": start, "end": {"line": 0, "character": 1}}, "text": "long"}]
    change(textContent=[{"document": {"uri": "cell:0", "version": 2}, "changes": changes}])
    assert await prompt(engine, editor, "cell:1", ASKING) == f"long = 1\n\nb = 2\n\n{ASKING}"
    moved = {"array": {"start": 0, "deleteCount": 2, "cells": [cell(2), cell(0)]}}
    change(structure=moved, data=[cell(0)])
    assert await prompt(engine, editor, "cell:1", ASKING) == f"b = 2\n\nlong = 1\n\n{ASKING}"
    gone = {"array": {"start": 0, "deleteCount": 1}, "didClose": [{"uri": "cell:2"}]}
    change(structure=gone)
    assert await prompt(engine, editor, "cell:1", ASKING) == f"long = 1\n\n{ASKING}"
    editor.notify(
        "notebookDocument/didClose",
        {"notebookDocument": {"uri": NOTEBOOK}, "cellTextDocuments": [{"uri": "cell:0"}, {"uri": "cell:1"}]},
    )
    editor.open("cell:1", ASKING + "1, ", "python")
    assert await prompt(engine, editor, "cell:1", ASKING + "1, ") == ASKING + "1, "


async def test_prose_is_comment_to_code_and_foreign_code_is_nothing(
    engine: ScriptedEngine, editor: Editor
) -> None:
    languages = {0: "markdown", 1: "javascript", 4: "markdown"}
    magic = "%matplotlib inline\n!pip install x\nprices = []"
    opened(
        editor,
        "# Prices\n\nof all",
        "let a = 1;",
        magic,
        "%%bash\nls\n",
        "by hand",
        ASKING,
        languages=languages,
    )
    assert await prompt(engine, editor, "cell:5", ASKING) == (
        "# # Prices\n# of all\n\n# %matplotlib inline\n# !pip install x\nprices = []\n\n# %%bash\n# ls\n\n"
        f"# by hand\n\n{ASKING}"
    )
    assert await prompt(engine, editor, "cell:4", "by hand") == "# Prices\n\nof all\n\nby hand"


@pytest.mark.parametrize(
    "place", ["/home/me/n.ipynb", "Untitled-1.ipynb", "//ssh-remote%2Bh/home/me/n.ipynb"]
)
async def test_cells_that_are_told_one_by_one_are_a_notebook_too(
    engine: ScriptedEngine, editor: Editor, place: str
) -> None:
    """As VS Code opens them, handles in base 7, here in another order."""
    code = base64.b64encode(b"file").decode().replace("=", "%3D")
    handles = ["W1", "W0", "X10", "W3"]
    uris = [f"vscode-notebook-cell:{place}#{handle}s{code}" for handle in handles]
    for uri, text in zip(uris, ("b = 2", "a = 1", ASKING, "c = 3"), strict=True):
        editor.open(uri, text, "python")
    editor.open(f"vscode-notebook-cell:/other.ipynb#W0s{code}", "z = 0", "python")
    assert await prompt(engine, editor, uris[2], ASKING) == f"a = 1\n\nb = 2\n\nc = 3\n\n{ASKING}"
    assert await prompt(engine, editor, uris[3], "c = 3") == "a = 1\n\nb = 2\n\nc = 3"


async def test_files_that_differ_behind_a_number_sign_are_no_notebook(
    engine: ScriptedEngine, editor: Editor
) -> None:
    editor.open("file:///a#1.py", "a = 1", "python")
    editor.open("file:///a#2.py", ASKING, "python")
    assert await prompt(engine, editor, "file:///a#2.py", ASKING) == ASKING


async def context(engine: ScriptedEngine, editor: Editor, uri: str, text: str, until: str) -> str:
    """What the engine is told of other documents at the end of this one, once it is told of `until`."""
    told, n = "", 0
    async with asyncio.timeout(PATIENCE):
        while until not in told:
            moved, n = "\n" * (20 * n) + text, n + 1
            editor.change(uri, {"text": moved})
            await editor.complete(uri, *end_of(moved)).text()
            told = "".join(engine.calls[-1].body.get("context") or ())
    return told


async def test_the_cells_below_and_the_files_beside_are_context(
    engine: ScriptedEngine, editor: Editor, tmp_path: Path
) -> None:
    (tmp_path / "util.py").write_text(UTIL + "\n")
    code = "ZmlsZQ%3D%3D"
    uris = [f"vscode-notebook-cell:{tmp_path}/n.ipynb#W{n}s{code}" for n in range(2)]
    asking = "from util import margin_ratio\n\nratio = margin_ratio(first_price, "
    async with Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize(root=tmp_path)
        editor.open(uris[0], "", "python")
        editor.open(uris[1], "def first_price(shop_name):\n    return 1\n", "python")
        told = await context(engine, editor, uris[0], asking, until="def margin_ratio")
    assert "def margin_ratio(price_list, cost_list)" in told and "# util.py" in told
    assert "def first_price(shop_name)" in told and "# n.ipynb.py, elsewhere in this file" in told


REMOTE = "vscode-remote://ssh-remote%2Bh/home/me/shop"


@pytest.mark.parametrize(
    ("other", "here"),
    [
        ("untitled:Untitled-1", "untitled:Untitled-2"),
        (f"{REMOTE}/util.py", f"{REMOTE}/main.py"),
        ("vscode-vfs://github/me/shop/util.py", "vscode-vfs://github/me/shop/main.py"),
        ("inmemory://model/util", "inmemory://model/main"),
        ("untitled:Untitled-1", "file:///home/me/main.py"),
        ("ssh://me@host/shop/util.py", "ssh://me@host/shop/main.py"),
        ("vscode-notebook-cell:Untitled-1.ipynb#W0sdW50aXRsZWQ%3D", "untitled:Untitled-1"),
    ],
)
async def test_open_documents_that_are_no_files_are_context(
    engine: ScriptedEngine, editor: Editor, other: str, here: str
) -> None:
    editor.open(other, UTIL + "\n", "python")
    editor.open(here, "", "python")
    told = await context(engine, editor, here, ASKING, until="def margin_ratio(price_list, cost_list)")
    assert "me@" not in told and "ssh-remote" not in told


@pytest.mark.parametrize(
    "old", ["git:/home/me/main.py?%7B%22ref%22%3A%22~%22%7D", "gitlens://f00/home/me/main.py"]
)
async def test_an_old_revision_of_the_same_file_is_none(
    engine: ScriptedEngine, editor: Editor, old: str
) -> None:
    editor.open(old, UTIL + "\n", "python")
    editor.open("untitled:new", "prices = first_price()\n", "python")
    editor.open("file:///home/me/main.py", "", "python")
    told = await context(engine, editor, "file:///home/me/main.py", ASKING, until="first_price")
    assert "margin_ratio" not in told


async def test_names_that_are_no_text_are_no_obstacle(engine: ScriptedEngine, tmp_path: Path) -> None:
    """Of the file that is written in, of one beside it, and of the folder they are in."""
    folder = Path(str(tmp_path) + "/" + b"caf\xe9".decode("utf-8", "surrogateescape"))
    os.mkdir(folder)
    name = b"util_\xfc.py".decode("utf-8", "surrogateescape")
    (folder / name).write_text(UTIL + "\n")
    uri = (folder / name.replace("util", "main")).as_uri()
    async with Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize(root=folder)
        editor.open(uri, "", "python")
        told = await context(engine, editor, uri, ASKING, until="def margin_ratio(price_list, cost_list)")
    assert UTIL.split("\n")[0] in told and "# util_" in told
    assert not re.search("[\ud800-\udfff]", told), "half of a surrogate pair is no text for an engine"


async def test_folders_with_the_same_file_are_told_apart(engine: ScriptedEngine, tmp_path: Path) -> None:
    for shop in ("left", "right"):
        (tmp_path / shop).mkdir()
        (tmp_path / shop / "util.py").write_text(f"def margin_ratio_{shop}(prices):\n    return 1\n")
    uri = (tmp_path / "left" / "main.py").as_uri()
    async with Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize(root=tmp_path / "left")
        added = [{"uri": (tmp_path / "right").as_uri()}]
        editor.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": added}})
        editor.open(
            (tmp_path / "right" / "util.py").as_uri(), "def margin_ratio_right(prices): ...\n", "python"
        )
        editor.open(uri, "", "python")
        asking = "ratio = margin_ratio_left(margin_ratio_right("
        told = await context(engine, editor, uri, asking, until="left/util.py")
    assert "# left/util.py\ndef margin_ratio_left(" in told
    assert "# right/util.py\ndef margin_ratio_right(" in told
