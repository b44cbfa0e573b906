"""Where nothing is wanted the server is silent, and asks no engine; who asks with a key is answered there."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from midfill_server.tools.lsp_client import AnswerError, Editor

from ...scripted_engine import ScriptedEngine
from ..conftest import FIRST, ITEM, PROGRAM, end_of, environment

URI = "file:///a.py"
COMMENT, STRING = "x = 1\n# the sum ", 'x = 1\ny = "the sum '
Start = Callable[..., AbstractAsyncContextManager[Editor]]


@pytest.fixture
def start(engine: ScriptedEngine) -> Start:
    """An editor with these settings; `root`: its workspace."""

    @asynccontextmanager
    async def start(root: Path | None = None, **options: Any) -> AsyncIterator[Editor]:
        async with Editor(environment=environment(engine.folder)) as editor:
            await editor.initialize(options, root=root)
            yield editor

    return start


def says(note: str, status: dict[str, Any]) -> bool:
    return bool(status["message"] == note)


async def at_end(editor: Editor, text: str, uri: str = URI, language: str = "python") -> tuple[str, str]:
    """What is answered at the end of a text: while one types, and to who asks with a key."""
    editor.open(uri, text, language)
    by_itself = await editor.complete(uri, *end_of(text), explicit=False).text()
    return by_itself, await editor.complete(uri, *end_of(text)).text()


async def test_in_a_comment_and_in_a_string(engine: ScriptedEngine, start: Start) -> None:
    engine.says("of it all", "\n", after=COMMENT)
    engine.says("of it all", '"\n', after=STRING)
    async with start(inComments="off", inStrings="off") as editor:
        assert await at_end(editor, COMMENT) == ("", "of it all")
        silent, answered = (await editor.request("midfill/why"))["requests"]
        assert silent == "a.py:2:11 refused: not wanted here: in a comment" and "asked" in answered
        assert await at_end(editor, STRING) == ("", 'of it all"')
        assert len(engine.calls) == 2
        assert await at_end(editor, "# the sum of it all\n" + PROGRAM) == (ITEM, ITEM)


async def test_words_are_the_rest_of_the_line(engine: ScriptedEngine, start: Start) -> None:
    text = 'def f(x):\n    """Tells '
    engine.says("of", " it\n", "    or", ' not."""', "\n", after=text)
    async with start(inStrings="words") as editor:
        editor.open("file:///by_itself.py", text, "python")
        line, column = end_of(text)
        by_itself = editor.complete("file:///by_itself.py", line, column, explicit=False)
        assert await by_itself.text() == 'of it"""'
        editor.insert("file:///by_itself.py", line, column, "of")
        typed_on = editor.complete("file:///by_itself.py", line, column + 2, explicit=False)
        assert await typed_on.text() == ' it"""'
        editor.open("file:///asked.py", text, "python")
        asked = editor.complete("file:///asked.py", line, column)
        assert await asked.text() == 'of it\n    or not."""'
        assert [call.body.get("stop") for call in engine.calls] == [["\n"], None]


async def test_who_asks_is_shown_more_than_the_line_that_came_by_itself(
    engine: ScriptedEngine, start: Start
) -> None:
    text = 'def f(x):\n    """Tells '
    engine.says("of", " it\n", "    or", ' not."""', "\n", after=text)
    async with start(inStrings="words") as editor:
        assert await at_end(editor, text) == ('of it"""', 'of it\n    or not."""')
        assert [call.body.get("stop") for call in engine.calls] == [["\n"], None]


async def test_a_known_text_of_several_lines_is_cut_there(engine: ScriptedEngine, start: Start) -> None:
    engine.says("# the sum", "\n        ", "self", ".balance = 0", "\n", after=PROGRAM)
    async with start(inComments="words") as editor:
        editor.open(URI, PROGRAM, "python")
        line, column = end_of(PROGRAM)
        whole = await editor.complete(URI, line, column, explicit=False).text()
        assert whole == "# the sum\n        self.balance = 0"
        editor.insert(URI, line, column, "# ")
        grown: list[str] = []
        asked = editor.complete(URI, line, column + 2, explicit=False, grow=grown.append)
        assert await asked.text() == "the sum"
        assert grown in ([], ["the sum"])
        assert len(engine.calls) == 1


async def test_an_earlier_request_gets_no_text_either(engine: ScriptedEngine, start: Start) -> None:
    """It was asked in code; what the user has typed since agrees with it, and leads into a comment."""
    engine.says("#", " the sum", "\n", after=PROGRAM, steps=1)
    async with start(inComments="off") as editor:
        editor.open(URI, PROGRAM, "python")
        line, column = end_of(PROGRAM)
        first = editor.complete(URI, line, column, explicit=False)
        call = await engine.asked()
        editor.insert(URI, line, column, "#")
        assert await editor.complete(URI, line, column + 1, explicit=False).text() == ""
        with pytest.raises(AnswerError, match="-32800"):
            await first.text()
        await engine.until(lambda: call.finish == "cancelled")


async def test_languages_can_change(engine: ScriptedEngine, start: Start) -> None:
    async with start() as editor:
        assert await at_end(editor, PROGRAM, "file:///a.md", "markdown") == ("", ITEM)
        assert await at_end(editor, PROGRAM, "file:///a.py", "python") == (ITEM, ITEM)
        languages = {"markdown": True, "python": False}
        editor.notify("workspace/didChangeConfiguration", {"settings": {"languages": languages}})
        assert await at_end(editor, PROGRAM, "file:///b.md", "markdown") == (ITEM, ITEM)
        assert await at_end(editor, PROGRAM, "file:///b.py", "python") == ("", ITEM)


async def test_an_excluded_file_gets_nothing_at_all_and_who_asks_is_told(
    engine: ScriptedEngine, start: Start, tmp_path: Path
) -> None:
    async with start(root=tmp_path, exclude=["/generated/", "*.tmp.py"]) as editor:
        for name in ("generated/a.py", "src/b.tmp.py"):
            uri = (tmp_path / name).as_uri()
            assert await at_end(editor, PROGRAM, uri) == ("", "")
            note = f"No completion in {uri}: the setting `exclude` names it"
            await editor.notified("midfill/statusChanged", functools.partial(says, note))
        assert engine.calls == []
        assert await at_end(editor, PROGRAM, (tmp_path / "src/generated/c.py").as_uri()) == (ITEM, ITEM)


async def test_an_excluded_file_is_not_sent_along_with_another_one(
    engine: ScriptedEngine, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "util.py").write_text("def margin_ratio(price_list, cost_list):\n    return price_list\n")
    main = "from util import margin_ratio\n\n\ndef report(price_list):\n    ratio = margin_ratio("

    async def told(name: str) -> str:
        """The second request of a file has its context in any case."""
        uri = (tmp_path / name).as_uri()
        for n in range(2):
            await at_end(editor, "\n" * 20 * n + main, uri)
        return str(engine.calls[-1].body.get("context"))

    async with start(root=tmp_path) as editor:
        assert "cost_list" in await told("one.py")
        editor.notify("workspace/didChangeConfiguration", {"settings": {"exclude": ["/util.py"]}})
        assert "cost_list" not in await told("two.py")


async def test_a_secret_is_silent_and_stays_on_this_machine(
    engine: ScriptedEngine, start: Start, own_folder: Path
) -> None:
    async with start() as editor:
        assert await at_end(editor, PROGRAM, "file:///work/.env", "dotenv") == ("", ITEM)
    with ScriptedEngine(own_folder, tcp=True) as server:
        server.says(FIRST, "\n", after=PROGRAM)
        async with Editor(environment={"MIDFILL_TEST_KEY": str(server.token)}) as editor:
            await editor.initialize({"url": server.url + "/v1", "apiKeyEnv": "MIDFILL_TEST_KEY"})
            assert await at_end(editor, PROGRAM, "file:///work/.env", "dotenv") == ("", "")
            assert server.calls == []
            await editor.notified("midfill/statusChanged", lambda it: "looks like a secret" in it["message"])
            assert await at_end(editor, PROGRAM) == (FIRST, FIRST)


async def test_manual_answers_who_asks_and_who_types_on_what_came(
    engine: ScriptedEngine, start: Start
) -> None:
    async with start(trigger="manual") as editor:
        assert (await editor.request("midfill/status"))["trigger"] == "manual"
        editor.open(URI, PROGRAM, "python")
        line, column = end_of(PROGRAM)
        assert await editor.complete(URI, line, column, explicit=False).text() == ""
        assert engine.calls == []
        assert await editor.complete(URI, line, column).text() == ITEM
        assert await editor.complete(URI, line, column, explicit=False).text() == ITEM
        editor.insert(URI, line, column, "self")
        assert await editor.complete(URI, line, column + 4, explicit=False).text() == ITEM[4:]
        editor.insert(URI, line, column + 4, "ish")
        assert await editor.complete(URI, line, column + 7, explicit=False).text() == ""
        assert len(engine.calls) == 1


async def test_a_request_while_the_answer_is_on_its_way_does_not_end_it(
    engine: ScriptedEngine, start: Start
) -> None:
    """Neovim asks by itself, too, a moment after the user has."""
    text = engine.says(FIRST, "\n", after=PROGRAM, steps=0)
    async with start(trigger="manual") as editor:
        editor.open(URI, PROGRAM, "python")
        asked = editor.complete(URI, *end_of(PROGRAM))
        await engine.asked()
        again = editor.complete(URI, *end_of(PROGRAM), explicit=False)
        with pytest.raises(AnswerError, match="-32800"):
            await asked.text()
        text.go()
        assert await again.text() == FIRST
        assert len(engine.calls) == 1


@pytest.mark.parametrize("as_command", [False, True])
async def test_a_snooze_and_its_end(editor: Editor, as_command: bool) -> None:
    async def ask(method: str, *arguments: Any) -> Any:
        if as_command:
            params = {"command": method, "arguments": list(arguments)}
            return await editor.request("workspace/executeCommand", params)
        return await editor.request(method, {"minutes": arguments[0]} if arguments else None)

    editor.open(URI, PROGRAM, "python")
    assert (await ask("midfill/status"))["snoozedUntil"] is None
    until = (await ask("midfill/snooze", 30))["snoozedUntil"]
    assert 1700 < until - time.time() <= 1800
    await editor.notified("midfill/statusChanged", lambda it: it["snoozedUntil"] == until)
    assert await editor.complete(URI, *end_of(PROGRAM), explicit=False).text() == ""
    assert await editor.complete(URI, *end_of(PROGRAM)).text() == ITEM
    other = PROGRAM + "self.balance = "
    assert await at_end(editor, other) == ("", "")
    assert (await ask("midfill/resume"))["snoozedUntil"] is None
    assert (await at_end(editor, PROGRAM, "file:///other.py"))[0] == ITEM


async def test_a_snooze_ends_by_itself_and_another_one_replaces_it(editor: Editor) -> None:
    await editor.request("midfill/snooze", {"minutes": 60})
    until = (await editor.request("midfill/snooze", {"minutes": 0.002}))["snoozedUntil"]

    def told() -> list[float | None]:
        changes = (it for it in editor.notifications if it["method"] == "midfill/statusChanged")
        return [it["params"]["snoozedUntil"] for it in changes]

    async with asyncio.timeout(60):
        while told()[-2:] != [until, None]:  # noqa: ASYNC110 - the list is filled by another task
            await asyncio.sleep(0.01)
    assert (await at_end(editor, PROGRAM))[0] == ITEM


@pytest.mark.parametrize("minutes", [0, -1, "30", None, True, 1441, [30]])
async def test_a_snooze_of_no_length_is_refused(editor: Editor, minutes: Any) -> None:
    with pytest.raises(AnswerError, match=r"needs a number of minutes.*-32602"):
        await editor.request("midfill/snooze", {"minutes": minutes})
    assert (await editor.request("midfill/status"))["snoozedUntil"] is None


async def test_wrong_settings_are_one_message_and_the_defaults(start: Start) -> None:
    wrong = {"languages": {"python": "off"}, "exclude": ["a\\"], "inComments": "some", "trigger": "never"}
    async with start(**wrong) as editor:
        shown = await editor.notified("window/showMessage")
        assert all(f"midfill.{key} " in shown["message"] for key in wrong)
        assert await at_end(editor, PROGRAM) == (ITEM, ITEM)
        assert [it["method"] for it in editor.notifications].count("window/showMessage") == 1


async def test_a_snooze_ends_what_was_asked_for_before(engine: ScriptedEngine, editor: Editor) -> None:
    assert await at_end(editor, PROGRAM) == (ITEM, ITEM)
    await editor.request("midfill/snooze", {"minutes": 30})
    assert await editor.complete(URI, *end_of(PROGRAM), explicit=False).text() == ""


async def test_what_was_just_deleted_is_not_offered_again(engine: ScriptedEngine, editor: Editor) -> None:
    before, item = "def f(a):\n    ", "return a"
    engine.says("return", " a", "\n", after=before)
    editor.open(URI, before + item, "python")
    for end in range(len(item), 0, -1):  # backspace, eight times
        here = {"line": 1, "character": 4 + end - 1}
        there = {"line": 1, "character": 4 + end}
        editor.change(URI, {"range": {"start": here, "end": there}, "text": ""})
    assert await editor.complete(URI, 1, 4, explicit=False).text() == ""
    assert "just deleted" in (await editor.request("midfill/why"))["requests"][-1]
    assert await editor.complete(URI, 1, 4, explicit=True).text() == item
    editor.insert(URI, 1, 4, "r")  # it is wanted after all
    assert await editor.complete(URI, 1, 5, explicit=False).text() == item[1:]
