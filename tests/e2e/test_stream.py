"""Text that grows, positions that are hard, and everything that agrees or disagrees while it is written."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from midfill_model.fim import FIM_BEGIN, FIM_END, FIM_HOLE
from midfill_server.tools.lsp_client import AnswerError, Editor

from .conftest import MODEL, PROGRAM, Engine, end_of, environment, mid_stream


async def test_partial_results_grow_and_the_last_is_the_answer(editor: Editor) -> None:
    for n in range(10):  # until the model has something longer to say
        uri, text = f"file:///grow{n}.py", PROGRAM + f"# step {n}\n        "
        editor.open(uri, text)
        pending = editor.complete(uri, *end_of(text), grow=lambda _: None)
        final = await pending.text()
        growing = pending.partials
        assert growing[-1:] in ([], [final])
        assert len(set(growing)) == len(growing)
        if len(growing) >= 3:
            break
    assert len(growing) >= 3
    assert all(later.startswith(earlier) for earlier, later in pairwise(growing[:-1]))


async def test_the_answer_is_empty_when_partial_results_were_sent(editor: Editor) -> None:
    editor.open("file:///empty.py", PROGRAM)
    pending = editor.complete("file:///empty.py", *end_of(PROGRAM), grow=lambda _: None)
    assert await editor.result(pending.id) == {"items": []}
    assert pending.partials


async def test_cancelling_mid_stream_frees_the_engine(editor: Editor, engine: Engine) -> None:
    _, pending, answer = await mid_stream(editor, "cancel")
    pending.cancel()
    with pytest.raises(AnswerError) as refused:
        await answer
    assert refused.value.code == -32800
    await engine.idle()


async def test_an_edit_that_disagrees_makes_the_request_stale(editor: Editor, engine: Engine) -> None:
    """Neovim never cancels: it types on, and would show a late answer at the old place."""
    uri, _, answer = await mid_stream(editor, "stale")
    editor.insert(uri, 0, 0, "# other\n")
    with pytest.raises(AnswerError) as refused:
        await answer
    assert refused.value.code == -32800
    await engine.idle()


async def test_typing_along_keeps_the_generation(editor: Editor, engine: Engine) -> None:
    uri, pending, answer = await mid_stream(editor, "along")
    before = await engine.generations()
    text = PROGRAM + f"# {uri[len('file:///along') : -3]}\n        "
    line, column = end_of(text)
    first = pending.partials[-1][0]
    editor.insert(uri, line, column, first)
    rest = await editor.complete(uri, line, column + 1, explicit=False).text()
    with pytest.raises(AnswerError):
        await answer
    assert await engine.generations() == before
    assert rest and (first + rest).startswith(pending.partials[-1])


async def test_closing_the_file_frees_the_engine(editor: Editor, engine: Engine) -> None:
    uri, _, answer = await mid_stream(editor, "close")
    editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    with pytest.raises(AnswerError):
        await answer
    await engine.idle()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_crlf_and_astral_characters(shared_folder: Path, encoding: str) -> None:
    """The same place in each encoding gets the same text; its line ends are the editor's to translate."""
    text = 'smile = "😀 é"\r\ndef greet(name):\r\n    print("😀", '
    column = {"utf-8": 4, "utf-16": 2, "utf-32": 1}[encoding] + len('    print("", ')
    async with Editor(environment=environment(shared_folder)) as editor:
        answer = await editor.initialize(
            {"model": MODEL},
            {"general": {"positionEncodings": [encoding]}, "textDocument": {"inlineCompletion": {}}},
        )
        assert answer["capabilities"]["positionEncoding"] == encoding
        editor.open("file:///crlf.py", text)
        wide = await editor.complete("file:///crlf.py", 2, column).text()
        editor.open("file:///lf.py", text.replace("\r\n", "\n"))
        assert await editor.complete("file:///lf.py", 2, column).text() == wide
        assert "\r" not in wide


@pytest.mark.parametrize(
    "text", ["", "\n", FIM_BEGIN, f"{FIM_BEGIN}{FIM_HOLE}{FIM_END}" * 20, "\ud83d", "\r\r\n"]
)
async def test_odd_texts_are_answered(editor: Editor, text: str) -> None:
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


async def test_an_item_must_fit_the_editors_own_menu(editor: Editor) -> None:
    editor.open("file:///menu.py", PROGRAM)
    line, column = end_of(PROGRAM)
    text = await editor.complete("file:///menu.py", line, column).text()
    here = {"line": line, "character": column}

    async def with_menu(entry: str) -> Any:
        info = {"range": {"start": here, "end": here}, "text": entry}
        params = {
            "textDocument": {"uri": "file:///menu.py"},
            "position": here,
            "context": {"triggerKind": 1, "selectedCompletionInfo": info},
        }
        return (await editor.request("textDocument/inlineCompletion", params))["items"]

    assert [it["insertText"] for it in await with_menu(text[:2])] == [text]
    (other,) = await with_menu("range(")
    assert other["insertText"].startswith("range(")
    assert len(other["insertText"]) > len("range(")


async def test_ghost_text_stays_away_from_an_entry_that_replaces_what_was_typed(editor: Editor) -> None:
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


async def test_wrong_settings_are_one_message_and_the_defaults(shared_folder: Path) -> None:
    async with Editor(environment=environment(shared_folder)) as editor:
        await editor.initialize({"model": MODEL, "debounceMs": "soon", "maxTokens": -1, "colour": "red"})
        editor.open("file:///set.py", PROGRAM)
        assert await editor.complete("file:///set.py", *end_of(PROGRAM)).text()
        messages = [it["params"]["message"] for it in editor.notifications if "window/show" in it["method"]]
        (message,) = messages
        assert all(key in message for key in ("debounceMs", "maxTokens", "colour"))


async def test_settings_can_change_and_switch_everything_off(editor: Editor) -> None:
    editor.open("file:///off.py", PROGRAM)
    editor.notify("workspace/didChangeConfiguration", {"settings": {"midfill": {"enabled": False}}})
    assert await editor.complete("file:///off.py", *end_of(PROGRAM)).text() == ""
    await editor.notified("midfill/statusChanged", lambda it: it["state"] == "off")
    editor.notify("workspace/didChangeConfiguration", {"settings": {"model": MODEL, "maxTokens": 4}})
    assert await editor.complete("file:///off.py", *end_of(PROGRAM)).text()


@pytest.mark.parametrize(
    ("announced", "menu"),
    [({}, True), ({"inlineCompletion": {}}, False), ({"inlineCompletion": None}, False)],
)
async def test_the_menu_is_only_for_editors_without_ghost_text(
    shared_folder: Path, announced: dict[str, Any], menu: bool
) -> None:
    async with Editor(environment=environment(shared_folder)) as editor:
        answer = await editor.initialize({"model": MODEL}, {"textDocument": announced})
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
            assert item["textEdit"]["newText"].strip()
            editor.insert("file:///menu.py", line, column, "if amou")
            params["position"] = {"line": line, "character": column + len("if amou")}
            (item,) = (await editor.request("textDocument/completion", params))["items"]
            assert (
                item["label"] == item["filterText"] == "amou" + item["textEdit"]["newText"].partition("\n")[0]
            )


async def test_every_request_of_many_documents_is_answered_once(editor: Editor) -> None:
    pending = []
    for n in range(4):
        editor.open(f"file:///many{n}.py", PROGRAM + f"# {n}\n        ")
        pending += [editor.complete(f"file:///many{n}.py", 14, 8, explicit=k % 2 == 0) for k in range(3)]
    answers = await asyncio.gather(*(it.text() for it in pending), return_exceptions=True)
    for n in range(4):
        *older, newest = answers[3 * n : 3 * n + 3]
        assert isinstance(newest, str)
        assert all(isinstance(it, AnswerError) and it.code == -32800 for it in older)
