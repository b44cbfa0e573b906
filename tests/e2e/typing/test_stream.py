"""Text that grows, positions that are hard, and everything that agrees or disagrees while it is written."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from midfill_model.fim import FIM_BEGIN, FIM_END, FIM_HOLE
from midfill_server.tools.lsp_client import AnswerError, Editor

from ...scripted_engine import ScriptedEngine
from ..conftest import FIRST, ITEM, PROGRAM, TOKENS, end_of, environment, mid_stream

URI = "file:///a.py"


async def test_partial_results_grow_and_the_last_is_the_answer(
    engine: ScriptedEngine, editor: Editor
) -> None:
    growing = await mid_stream(engine, editor)
    growing.text.go()
    assert await growing.answer == ITEM
    texts = growing.request.partials
    assert texts[-2:] == [FIRST, ITEM]
    assert all(later.startswith(earlier) and later != earlier for earlier, later in pairwise(texts))


async def test_the_answer_is_empty_when_partial_results_were_sent(editor: Editor) -> None:
    editor.open(URI, PROGRAM)
    pending = editor.complete(URI, *end_of(PROGRAM), grow=lambda _: None)
    assert await editor.result(pending.id) == {"items": []}
    assert pending.partials[-1] == ITEM


async def test_cancelling_mid_stream_frees_the_engine(engine: ScriptedEngine, editor: Editor) -> None:
    growing = await mid_stream(engine, editor)
    growing.request.cancel()
    assert await refused(growing.answer) == -32800
    await hung_up(engine)


async def test_an_edit_that_disagrees_makes_the_request_stale(engine: ScriptedEngine, editor: Editor) -> None:
    """Neovim never cancels: it types on, and would show a late answer at the old place."""
    growing = await mid_stream(engine, editor)
    editor.insert(URI, 0, 0, "# other\n")
    assert await refused(growing.answer) == -32800
    await hung_up(engine)


async def test_typing_along_keeps_the_generation(engine: ScriptedEngine, editor: Editor) -> None:
    growing = await mid_stream(engine, editor)
    line, column = end_of(PROGRAM)
    for n, key in enumerate("self"):
        editor.insert(URI, line, column + n, key)
        newer = editor.complete(URI, line, column + n + 1, explicit=False, grow=lambda _: None)
    assert await refused(growing.answer) == -32800
    growing.text.go()
    assert await newer.text() == ITEM.removeprefix("self")
    assert len(engine.calls) == 1


async def test_closing_the_file_frees_the_engine(engine: ScriptedEngine, editor: Editor) -> None:
    growing = await mid_stream(engine, editor)
    editor.notify("textDocument/didClose", {"textDocument": {"uri": URI}})
    assert await refused(growing.answer) == -32800
    await hung_up(engine)


async def refused(answer: asyncio.Future[str]) -> int:
    """The error code of a request that gets no text."""
    with pytest.raises(AnswerError) as error:
        await answer
    return error.value.code


async def hung_up(engine: ScriptedEngine) -> None:
    """The engine saw the client go, and nothing but what was sent by then was written."""
    call = await engine.asked()
    await engine.until(lambda: call.finish)
    assert (call.finish, call.hung_up, call.sent) == ("cancelled", True, FIRST + "\n        other")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_crlf_and_astral_characters(engine: ScriptedEngine, encoding: str) -> None:
    """The same place in each encoding gets the same text; its line ends are the editor's to translate."""
    text = 'smile = "😀 é"\r\ndef greet(name):\r\n    print("😀", '
    column = {"utf-8": 4, "utf-16": 2, "utf-32": 1}[encoding] + len('    print("", ')
    said = 'name, "é😀")'
    engine.says(*said, "\n", after='    print("😀", ')
    async with Editor(environment=environment(engine.folder)) as editor:
        answer = await editor.initialize(
            None, {"general": {"positionEncodings": [encoding]}, "textDocument": {"inlineCompletion": {}}}
        )
        assert answer["capabilities"]["positionEncoding"] == encoding
        editor.open("file:///crlf.py", text)
        assert await editor.complete("file:///crlf.py", 2, column).text() == said
        editor.open("file:///lf.py", text.replace("\r\n", "\n"))
        assert await editor.complete("file:///lf.py", 2, column).text() == said


@pytest.mark.parametrize(
    "text", ["", "\n", FIM_BEGIN, f"{FIM_BEGIN}{FIM_HOLE}{FIM_END}" * 20, "\ud83d", "\r\r\n"]
)
async def test_odd_texts_are_answered(engine: ScriptedEngine, editor: Editor, text: str) -> None:
    engine.says(f"a{FIM_END}", FIM_HOLE, f"{FIM_BEGIN}b")
    editor.open("file:///odd.py", text)
    for line, column in ((0, 0), (0, 10_000), (10_000, 0)):
        final = await editor.complete("file:///odd.py", line, column).text()
        assert not any(mark in final for mark in (FIM_BEGIN, FIM_HOLE, FIM_END))


@pytest.mark.parametrize(
    ("text", "why"),
    [("MZ\0\1\2\n", "binary"), ("x = 1\n" * 850_000, "too large"), ("x" * 5_000_000, "too large")],
)
async def test_unsuitable_files_get_nothing_and_one_note(editor: Editor, text: str, why: str) -> None:
    editor.open("file:///odd.bin", text)
    for _ in range(3):
        assert await editor.complete("file:///odd.bin", 0, 1).text() == ""
    notes = [
        it["params"]["message"] for it in editor.notifications if it["method"] == "midfill/statusChanged"
    ]
    assert [why in note for note in notes].count(True) == 1
    editor.insert("file:///odd.bin", 0, 0, "y")
    assert await editor.complete("file:///odd.bin", 0, 1).text() == ""


async def test_an_unknown_document_gets_nothing_and_one_note(editor: Editor) -> None:
    for _ in range(3):
        assert await editor.complete("file:///nowhere.py", 0, 0).text() == ""
    notes = [it for it in editor.notifications if "nowhere.py" in str(it["params"].get("message"))]
    assert len(notes) == 1


async def test_an_item_must_fit_the_editors_own_menu(engine: ScriptedEngine, editor: Editor) -> None:
    engine.says("2)", "\n", after=PROGRAM + "range(")
    editor.open("file:///menu.py", PROGRAM)
    line, column = end_of(PROGRAM)
    here = {"line": line, "character": column}

    async def with_menu(entry: str) -> Any:
        info = {"range": {"start": here, "end": here}, "text": entry}
        params = {
            "textDocument": {"uri": "file:///menu.py"},
            "position": here,
            "context": {"triggerKind": 1, "selectedCompletionInfo": info},
        }
        return [
            it["insertText"]
            for it in (await editor.request("textDocument/inlineCompletion", params))["items"]
        ]

    assert await with_menu("se") == [FIRST]
    assert await with_menu("range(") == ["range(2)"]


async def test_ghost_text_stays_away_from_an_entry_that_replaces_what_was_typed(
    engine: ScriptedEngine, editor: Editor
) -> None:
    engine.says("nt()")
    editor.open("file:///menu.py", PROGRAM + "pri")
    line, column = end_of(PROGRAM + "pri")
    start, here = {"line": line, "character": column - 3}, {"line": line, "character": column}
    params = {
        "textDocument": {"uri": "file:///menu.py"},
        "position": here,
        "context": {
            "triggerKind": 1,
            "selectedCompletionInfo": {"range": {"start": start, "end": here}, "text": "Print"},
        },
    }
    assert (await editor.request("textDocument/inlineCompletion", params))["items"] == []


async def test_wrong_settings_are_one_message_and_the_defaults(engine: ScriptedEngine) -> None:
    async with Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize({"debounceMs": "soon", "maxTokens": -1, "colour": "red"})
        editor.open("file:///set.py", PROGRAM)
        assert await editor.complete("file:///set.py", *end_of(PROGRAM)).text() == ITEM
        messages = [it["params"]["message"] for it in editor.notifications if "window/show" in it["method"]]
        (message,) = messages
        assert all(key in message for key in ("debounceMs", "maxTokens", "colour"))


async def test_settings_can_change_and_switch_everything_off(engine: ScriptedEngine, editor: Editor) -> None:
    editor.open("file:///off.py", PROGRAM)
    editor.notify("workspace/didChangeConfiguration", {"settings": {"midfill": {"enabled": False}}})
    assert await editor.complete("file:///off.py", *end_of(PROGRAM)).text() == ""
    await editor.notified("midfill/statusChanged", lambda it: it["state"] == "off")
    editor.notify("workspace/didChangeConfiguration", {"settings": {"enabled": True, "maxTokens": 5}})
    assert await editor.complete("file:///off.py", *end_of(PROGRAM)).text() == FIRST


@pytest.mark.parametrize(
    ("announced", "menu"),
    [({}, True), ({"inlineCompletion": {}}, False), ({"inlineCompletion": None}, False)],
)
async def test_the_menu_is_only_for_editors_without_ghost_text(
    engine: ScriptedEngine, announced: dict[str, Any], menu: bool
) -> None:
    engine.says("nt > 0", ":\n", after=PROGRAM + "if amou")
    async with Editor(environment=environment(engine.folder)) as editor:
        answer = await editor.initialize(None, {"textDocument": announced})
        assert ("completionProvider" in answer["capabilities"]) is menu
        assert "inlineCompletionProvider" in answer["capabilities"]
        assert answer["capabilities"]["positionEncoding"] == "utf-16"
        if menu:
            editor.open("file:///menu.py", PROGRAM)
            line, column = end_of(PROGRAM)
            here = {"line": line, "character": column}
            params = {"textDocument": {"uri": "file:///menu.py"}, "position": here}
            found = await editor.request("textDocument/completion", params)
            (item,) = found["items"]
            assert found["isIncomplete"] is True
            assert (item["kind"], item["textEdit"]["range"]) == (1, {"start": here, "end": here})
            assert item["textEdit"]["newText"] == ITEM
            editor.insert("file:///menu.py", line, column, "if amou")
            params["position"] = {"line": line, "character": column + len("if amou")}
            (item,) = (await editor.request("textDocument/completion", params))["items"]
            assert (item["label"], item["filterText"]) == ("amount > 0:", "amount > 0:")


async def test_every_request_of_many_documents_is_answered_once(
    engine: ScriptedEngine, editor: Editor
) -> None:
    text = engine.says("return amount\n", after="\n        ", steps=0)
    pending = []
    for n in range(4):
        editor.open(f"file:///many{n}.py", PROGRAM + f"# {n}\n        ")
        pending += [editor.complete(f"file:///many{n}.py", 14, 8, explicit=k % 2 == 0) for k in range(3)]
    older = [it.text() for n, it in enumerate(pending) if n % 3 < 2]
    for refusal in await asyncio.gather(*older, return_exceptions=True):
        assert isinstance(refusal, AnswerError) and refusal.code == -32800
    text.go()
    assert [await it.text() for it in pending[2::3]] == ["return amount"] * 4


@pytest.mark.parametrize(("key", "closers"), [("(", ")"), ("[", "]"), ('"', '"'), ("{\n    ", "\n}")])
async def test_a_key_that_inserts_its_closer_too_keeps_the_generation(
    engine: ScriptedEngine, editor: Editor, key: str, closers: str
) -> None:
    """VS Code types `(` as one change `()`, and leaves the cursor between the two."""
    text = engine.says(key, "arg", "\n", after="x = f", steps=1)
    uri = "file:///a.unknown"
    editor.open(uri, "x = f\n", "unknown")
    older = editor.complete(uri, 0, 5, explicit=False)
    await engine.asked()
    editor.insert(uri, 0, 5, key + closers)
    line, column = end_of("x = f" + key)
    newer = editor.complete(uri, line, column, explicit=False)
    assert await refused(asyncio.ensure_future(older.text())) == -32800
    text.go()
    assert await newer.text() == "arg"
    assert len(engine.calls) == 1


async def test_a_generation_that_the_engine_ends_is_asked_for_again(
    engine: ScriptedEngine, editor: Editor
) -> None:
    """Nothing of it is shown, and nothing remembered."""
    ended = engine.says("self", ".bal", after=PROGRAM, finish="cancelled", steps=2)
    editor.open(URI, PROGRAM, "python")
    answer = asyncio.ensure_future(editor.complete(URI, *end_of(PROGRAM), explicit=False).text())
    call = await engine.asked()
    await engine.until(lambda: call.sent)
    engine.says(*TOKENS, after=PROGRAM)
    ended.go()
    assert await answer == ITEM
    assert len(engine.calls) == 2


async def test_what_is_on_screen_goes_when_the_engine_ends_it(engine: ScriptedEngine, editor: Editor) -> None:
    ended = engine.says("self", ".bal", after=PROGRAM, finish="cancelled", steps=2)
    editor.open(URI, PROGRAM)
    shown = asyncio.Event()
    pending = editor.complete(URI, *end_of(PROGRAM), explicit=False, grow=lambda _: shown.set())
    answer = asyncio.ensure_future(pending.text())
    await shown.wait()
    ended.go()
    assert await answer == ""
    assert pending.partials[-1] == ""
    assert len(engine.calls) == 1
