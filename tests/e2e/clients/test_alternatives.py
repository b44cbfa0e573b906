"""Alternatives for an explicit request, on the wire: the first item at once, the others with the end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from midfill_server.tools.lsp_client import AnswerError, Editor

from ...scripted_engine import PATIENCE, ScriptedEngine
from ..conftest import ITEM, PROGRAM, TOKENS, end_of, environment
from .test_requests import COPILOT, INLINE, ask

URI = "file:///a.py"
WAYS = (
    "self.balance -= amount\n",
    "raise NotImplementedError\n",
    "if amount > self.balance:\n            return\n",
)
TEXTS = [
    "self.balance -= amount",
    "raise NotImplementedError",
    "if amount > self.balance:\n            return",
]


@pytest.fixture
def engine(engine: ScriptedEngine) -> ScriptedEngine:
    engine.offers(*WAYS, after=PROGRAM)
    return engine


@pytest.fixture
async def opened(engine: ScriptedEngine) -> AsyncIterator[Editor]:
    async with asyncio.timeout(10 * PATIENCE), Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize({"statistics": False})
        editor.open(URI, PROGRAM, "python")
        yield editor


async def items(editor: Editor, text: str = PROGRAM, kind: int = 1) -> list[str]:
    params = ask(URI, text) | {"context": {"triggerKind": kind}}
    return [item["insertText"] for item in (await editor.request(INLINE, params))["items"]]


async def test_an_explicit_request_is_answered_with_three(engine: ScriptedEngine, opened: Editor) -> None:
    answer = await opened.request(INLINE, ask(URI, PROGRAM))
    assert [item["insertText"] for item in answer["items"]] == [ITEM, TEXTS[0], TEXTS[1]]
    line, character = end_of(PROGRAM)
    here = {"line": line, "character": character}
    assert all(item["range"] == {"start": here, "end": here} for item in answer["items"])
    offers = {item["command"]["arguments"][0] for item in answer["items"]}
    assert len(offers) == 3, "each is accepted as what it is"
    (first,), (several,) = engine.calls, engine.several
    assert several.body["n"] == 4 and several.body["slot"] == first.body["slot"]
    assert several.body["temperature"] == 0


async def test_an_automatic_one_with_one_and_asks_for_no_others(
    engine: ScriptedEngine, opened: Editor
) -> None:
    assert await items(opened, kind=2) == [ITEM]
    assert engine.several == []


async def test_how_many_can_be_set(engine: ScriptedEngine, opened: Editor) -> None:
    for n, others in ((1, []), (2, TEXTS[:1]), (5, TEXTS)):
        settings = {"midfill": {"alternatives": n}}
        opened.notify("workspace/didChangeConfiguration", {"settings": settings})
        assert await items(opened) == [ITEM, *others]
    assert [call.body["n"] for call in engine.several] == [3, 6]


async def test_the_first_is_on_screen_before_the_others_are_asked_for(
    engine: ScriptedEngine, opened: Editor
) -> None:
    """It grows as ever; then comes one partial result with all, which replaces it, and an empty answer."""
    offer = engine.offers(*WAYS, after=PROGRAM, steps=0)
    partials: list[list[str]] = []

    def grow(items: list[dict[str, Any]]) -> None:
        partials.append([item["insertText"] for item in items])

    opened._partials["token"] = grow
    answer = asyncio.ensure_future(opened.request(INLINE, ask(URI, PROGRAM, token="token")))
    await engine.until(lambda: engine.several)
    await engine.until(lambda: partials and partials[-1] == [ITEM])
    assert not answer.done()
    offer.go()
    assert await answer == {"items": []}
    assert partials[-2:] == [[ITEM], [ITEM, *TEXTS[:2]]]


async def test_what_is_known_is_on_screen_at_once(engine: ScriptedEngine, opened: Editor) -> None:
    assert await items(opened, kind=2) == [ITEM]
    engine.offers(*WAYS, after=PROGRAM, steps=0)
    shown = asyncio.Event()
    pending = opened.complete(URI, *end_of(PROGRAM), grow=lambda text: shown.set() if text == ITEM else None)
    await shown.wait()
    assert len(engine.calls) == 1
    pending.cancel()
    with pytest.raises(AnswerError):
        await pending.text()


async def test_a_cancel_hangs_up_on_the_engine(engine: ScriptedEngine, opened: Editor) -> None:
    engine.offers(*WAYS, after=PROGRAM, steps=1)
    pending = opened.complete(URI, *end_of(PROGRAM))
    await engine.until(lambda: engine.several and engine.several[0].sent)
    pending.cancel()
    with pytest.raises(AnswerError) as refused:
        await pending.text()
    assert refused.value.code == -32800
    await engine.until(lambda: engine.several[0].finish == "cancelled")
    assert engine.several[0].hung_up


async def test_a_key_ends_it(engine: ScriptedEngine, opened: Editor) -> None:
    engine.offers(*WAYS, after=PROGRAM, steps=1)
    pending = opened.complete(URI, *end_of(PROGRAM))
    await engine.until(lambda: engine.several and engine.several[0].sent)
    opened.insert(URI, *end_of(PROGRAM), "s")
    with pytest.raises(AnswerError):
        await pending.text()
    await engine.until(lambda: engine.several[0].hung_up)
    assert await items(opened, PROGRAM + "s", kind=2) == [ITEM[1:]]


async def test_the_engine_stops_once_each_is_an_item(engine: ScriptedEngine, opened: Editor) -> None:
    """The texts go on and on; the items end where one begins to repeat what stands there."""
    endless = [way + "\n\nclass Other:\n" for way in WAYS]
    engine.offers(*endless, *endless[:1], after=PROGRAM, steps=4)
    assert await items(opened) == [ITEM, *TEXTS[:2]]
    await engine.until(lambda: engine.several[0].finish == "cancelled")
    assert engine.several[0].hung_up


async def test_none_is_empty_none_comes_twice_and_each_is_filtered(
    engine: ScriptedEngine, opened: Editor
) -> None:
    """An empty one, one in other blanks, the first again, one with a delimiter, one that fits nowhere."""
    first = ITEM + "\n"
    ways = ("\n\n", first, "return  amount\n", "return amount<｜fim▁end｜>x\n", "return amount\n", ")))((\n")
    engine.offers(*ways, after=PROGRAM)
    opened.notify("workspace/didChangeConfiguration", {"settings": {"midfill": {"alternatives": 5}}})
    assert await items(opened) == [ITEM, "return  amount"]


async def test_they_are_asked_for_once_at_a_place(engine: ScriptedEngine, opened: Editor) -> None:
    both = [await items(opened), await items(opened)]
    assert both == [[ITEM, *TEXTS[:2]]] * 2
    engine.offers(after=PROGRAM)
    opened.insert(URI, *end_of(PROGRAM), "s")
    assert await items(opened, PROGRAM + "s") == [ITEM[1:]], "none there, which is known, too"
    assert await items(opened, PROGRAM + "s") == [ITEM[1:]]
    assert len(engine.several) == 2 and len(engine.calls) == 1


async def test_typing_along_one_of_them_keeps_it(engine: ScriptedEngine, opened: Editor) -> None:
    await items(opened)
    opened.insert(URI, *end_of(PROGRAM), "ra")
    assert await items(opened, PROGRAM + "ra", kind=2) == [TEXTS[1][2:]]
    assert len(engine.calls) == 1


async def test_who_types_another_is_shown_its_rest_though_nothing_comes_by_itself(
    engine: ScriptedEngine, opened: Editor
) -> None:
    opened.notify("workspace/didChangeConfiguration", {"settings": {"midfill": {"trigger": "manual"}}})
    assert await items(opened, kind=2) == []
    assert await items(opened) == [ITEM, *TEXTS[:2]]
    assert await items(opened, kind=2) == [ITEM], "VS Code asks again by itself"
    opened.insert(URI, *end_of(PROGRAM), "ra")
    assert await items(opened, PROGRAM + "ra", kind=2) == [TEXTS[1][2:]]
    opened.insert(URI, *end_of(PROGRAM + "ra"), "x")
    assert await items(opened, PROGRAM + "rax", kind=2) == []


async def test_others_come_where_the_first_fits_nowhere(engine: ScriptedEngine, opened: Editor) -> None:
    engine.says(")))((\n", after=PROGRAM)
    assert await items(opened) == TEXTS
    assert (await opened.request("midfill/why"))["requests"][-1].endswith(": that is all")


async def test_what_the_engine_ended_is_asked_for_no_others(engine: ScriptedEngine, opened: Editor) -> None:
    engine.says("self", finish="cancelled", after=PROGRAM)
    assert await items(opened) == []
    assert engine.several == []


@pytest.mark.parametrize("status", [400, 500])
async def test_an_engine_that_refuses_gives_one_and_nobody_hears_of_it(
    engine: ScriptedEngine, opened: Editor, status: int
) -> None:
    engine.offers(after=PROGRAM, status=status)
    assert await items(opened) == [ITEM]
    assert (await opened.request("midfill/status"))["state"] == "ready"
    assert await items(opened) == [ITEM]
    assert len(engine.several) == 2, "it may give some the next time"


async def test_the_selected_entry_begins_each(engine: ScriptedEngine, opened: Editor) -> None:
    engine.says("balance -= amount\n", after=PROGRAM + "self.")
    engine.offers("owner = other\n", "history.append(amount)\n", after=PROGRAM + "self.")
    here = ask(URI, PROGRAM)["position"]
    entry = {"range": {"start": here, "end": here}, "text": "self."}
    params = ask(URI, PROGRAM) | {"context": {"triggerKind": 1, "selectedCompletionInfo": entry}}
    found = (await opened.request(INLINE, params))["items"]
    wanted = ["self.balance -= amount", "self.owner = other", "self.history.append(amount)"]
    assert [item["insertText"] for item in found] == wanted


async def test_copilots_clients_cycle(engine: ScriptedEngine) -> None:
    async with asyncio.timeout(PATIENCE), Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize(COPILOT, {"workspace": {"workspaceFolders": True}})
        editor.open(URI, PROGRAM)
        line, character = end_of(PROGRAM)
        doc = {"doc": {"uri": URI, "position": {"line": line, "character": character}, "version": 1}}
        (one,) = (await editor.request("getCompletions", doc))["completions"]
        several = (await editor.request("getCompletionsCycling", doc))["completions"]
        assert [it["text"] for it in several] == [one["text"], *TEXTS[:2]] == [ITEM, *TEXTS[:2]]
        assert len({it["uuid"] for it in several}) == 3
        assert await editor.request("notifyAccepted", {"uuid": several[1]["uuid"]}) == "OK"
        assert (await editor.request("midfill/status"))["counts"]["accepted"] == 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ScriptedEngine]:
    with ScriptedEngine(tmp_path, tcp=True) as server:
        server.says(*TOKENS, after=PROGRAM)
        yield server


@pytest.mark.parametrize("dialect", ["suffix", "rendered"])
async def test_another_server_is_asked_to_sample(
    server: ScriptedEngine, own_folder: Path, dialect: str
) -> None:
    """This one refuses to; its first item counts all the same."""
    async with Editor(
        environment=environment(own_folder) | {"MIDFILL_TEST_KEY": str(server.token)}
    ) as editor:
        options = {
            "url": server.url + "/v1",
            "apiKeyEnv": "MIDFILL_TEST_KEY",
            "dialect": dialect,
            "model": "m",
        }
        await editor.initialize(options)
        editor.open(URI, PROGRAM)
        assert await items(editor) == [ITEM]
        assert (await editor.request("midfill/status"))["state"] == "ready"
    (call,) = server.several
    assert call.body["n"] == 4 and 0 < call.body["temperature"] <= 1
    assert server.calls[0].body["temperature"] == 0
