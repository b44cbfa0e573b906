"""Clients that say what LSP does not know, or more than it allows, are served like any other."""

from typing import Any

import pytest

from midfill_server.tools.lsp_client import Editor

from ...scripted_engine import ScriptedEngine
from ..conftest import ITEM, PROGRAM, end_of, environment

URI = "file:///a.py"
INLINE, MENU = "textDocument/inlineCompletion", "textDocument/completion"
END = dict(zip(("line", "character"), end_of(PROGRAM), strict=True))
AT_END: dict[str, Any] = {"textDocument": {"uri": URI}, "position": END}
HUGE = [2**31 - 1, 2**31, 2**32 - 1, 2**53 - 1, 2**64 - 1, 1.7e308]
UNKNOWN = [0, 3, 99, -1, "1", "Invoked", None, [], {}, 1.5]
CONTEXTS: list[Any] = [
    *({"context": {"triggerKind": kind}} for kind in UNKNOWN),
    {"context": {}},
    {"context": None},
    {"context": "automatic"},
    {},
]


def texts(answer: Any) -> list[str]:
    return [item["insertText"] for item in answer["items"]]


async def test_a_trigger_that_is_not_known_is_automatic(editor: Editor) -> None:
    editor.open(URI, PROGRAM)
    for context in CONTEXTS:
        assert texts(await editor.request(INLINE, AT_END | context)) == [ITEM], context
    editor.notify("workspace/didChangeConfiguration", {"settings": {"trigger": "manual"}})
    for context in CONTEXTS:
        assert texts(await editor.request(INLINE, AT_END | context)) == [], context


async def test_a_selection_that_is_none_is_none(editor: Editor) -> None:
    editor.open(URI, PROGRAM)
    for selected in (None, {}, "self", {"text": "self"}, {"text": "s", "range": None}):
        context = {"triggerKind": 1, "selectedCompletionInfo": selected}
        assert texts(await editor.request(INLINE, AT_END | {"context": context})) == [ITEM], selected


async def test_menus_come_whoever_asks_for_them(engine: ScriptedEngine) -> None:
    async with Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize(capabilities={"textDocument": {"completion": {"contextSupport": True}}})
        editor.open(URI, PROGRAM)
        for context in CONTEXTS:
            (item,) = (await editor.request(MENU, AT_END | context))["items"]
            assert item["textEdit"]["newText"] == ITEM, context


async def test_a_position_behind_the_end_is_the_end(editor: Editor) -> None:
    editor.open(URI, PROGRAM)
    for huge in HUGE:
        for there in ({"line": huge, "character": 0}, {"line": END["line"], "character": huge}):
            asked = AT_END | {"position": there, "context": {"triggerKind": 1}}
            assert texts(await editor.request(INLINE, asked)) == [ITEM], there


async def test_an_edit_behind_the_end_ends_there(editor: Editor) -> None:
    for huge in HUGE:
        for place in ("line", "character"):
            editor.open(URI, "x = 1")
            whole = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0} | {place: huge}}
            editor.change(URI, {"range": whole, "rangeLength": huge, "text": PROGRAM})
            assert texts(await editor.request(INLINE, AT_END)) == [ITEM], whole


async def test_a_version_that_is_none_costs_no_edit(editor: Editor) -> None:
    for version in ({}, {"version": None}, {"version": 2**40}, {"version": "7"}):
        editor.notify("textDocument/didOpen", {"textDocument": {"uri": URI, "text": "x = 1\n"} | version})
        change = {"range": None, "text": PROGRAM}
        changed = {"textDocument": {"uri": URI} | version, "contentChanges": [change]}
        editor.notify("textDocument/didChange", changed)
        assert texts(await editor.request(INLINE, AT_END)) == [ITEM], version


LATER: list[dict[str, Any]] = [
    {"textDocument": {"inlineCompletion": {}, "completion": {"completionItemKind": {"valueSet": [99]}}}},
    {"textDocument": {"inlineCompletion": {}, "semanticTokens": {"formats": ["absolute"]}}},
    {"textDocument": {"inlineCompletion": {}, "hover": {"contentFormat": ["asciidoc"]}}},
    {"textDocument": {"inlineCompletion": {}}, "workspace": {"workspaceEdit": {"failureHandling": "retry"}}},
    {"textDocument": {"inlineCompletion": {}}, "workspace": False, "window": True, "general": None},
    {"textDocument": {"inlineCompletion": {}}, "general": {"positionEncodings": ["utf-7", "utf-16"]}},
]


@pytest.mark.parametrize("capabilities", LATER)
async def test_capabilities_that_are_not_known_cost_nothing(
    engine: ScriptedEngine, capabilities: dict[str, Any]
) -> None:
    async with Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize(capabilities=capabilities)
        editor.open(URI, PROGRAM)
        assert texts(await editor.request(INLINE, AT_END)) == [ITEM]


@pytest.mark.parametrize(
    "rest",
    [
        {"capabilities": None},
        {"trace": "compact", "clientInfo": {"version": "1"}, "locale": 5},
        {"workspaceFolders": [{"uri": "file:///b"}, None, "file:///c"]},
        {"workspaceFolders": "file:///b", "processId": "7"},
    ],
)
async def test_what_initialize_says_beside_that_may_be_anything(editor: Editor, rest: Any) -> None:
    async with Editor() as other:
        params = {"processId": None, "rootUri": None, "capabilities": {}} | rest
        assert "capabilities" in await other.request("initialize", params)
