"""Fetching ahead, and waiting: what a completer asks of an engine, and when."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from midfill_server.context import Window
from midfill_server.engines.backend import Chunk, Order
from midfill_server.keystroke.ahead import READING_SECONDS
from midfill_server.keystroke.complete import Completer
from midfill_server.keystroke.flight import Ask, now
from midfill_server.keystroke.story import Story

URI = "file:///a.py"
HERE = Window("def f():\n    ", "\n")
ITEM = "return x"
AFTER = HERE.prefix + ITEM


class Engine:
    """Answers `ITEM` at first and `after` behind it, at once or when `open` is set."""

    def __init__(self, after: str = " + 1", finish: str = "stop") -> None:
        self.orders: list[Order] = []
        self.after, self.finish = after, finish
        self.open = asyncio.Event()
        self.open.set()
        self.dropped = 0

    async def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        self.orders.append(order)
        try:
            if order.background:
                await self.open.wait()
            if order.background and self.finish == "cancelled":
                yield Chunk("", "cancelled")
            else:
                yield Chunk(self.after if order.prefix == AFTER else ITEM, "stop")
        except (asyncio.CancelledError, GeneratorExit):
            self.dropped += 1
            raise

    async def asked(self, n: int) -> None:
        """Wait for the n-th order."""
        async with asyncio.timeout(5):
            while len(self.orders) < n:  # noqa: ASYNC110  the stream itself sets no event
                await asyncio.sleep(0.001)


def ask(prefix: str = HERE.prefix, prefetch: bool = True) -> Ask:
    return Ask(URI, Window(prefix, HERE.suffix), debounce=0, max_tokens=64, prefetch=prefetch)


async def text(completer: Completer, wanted: Ask) -> str:
    return await completer.complete(wanted, lambda _: None)


async def test_what_follows_a_shown_item_is_known_when_it_is_accepted() -> None:
    engine = Engine()
    completer = Completer(engine.stream)
    assert await text(completer, ask()) == ITEM
    await engine.asked(2)
    assert [(it.prefix, it.background) for it in engine.orders] == [(HERE.prefix, False), (AFTER, True)]
    await asyncio.sleep(0.01)
    completer.changed(URI, [Window(AFTER, HERE.suffix)])
    assert await text(completer, replace(ask(AFTER), prefetch=False)) == " + 1"
    assert len(engine.orders) == 2


async def test_nothing_is_fetched_ahead_unless_it_is_wanted() -> None:
    engine = Engine()
    completer = Completer(engine.stream)
    assert await text(completer, ask(prefetch=False)) == ITEM
    await asyncio.sleep(2 * READING_SECONDS)
    assert len(engine.orders) == 1


async def test_typing_along_keeps_it_and_asks_no_second_time() -> None:
    engine = Engine()
    completer = Completer(engine.stream)
    engine.open.clear()
    await text(completer, ask())
    await engine.asked(2)
    for n in range(1, len(ITEM)):
        completer.changed(URI, [Window(AFTER[: -len(ITEM) + n], HERE.suffix)])
        assert await text(completer, ask(AFTER[: -len(ITEM) + n])) == ITEM[n:]
    engine.open.set()
    completer.changed(URI, [Window(AFTER, HERE.suffix)])
    assert await text(completer, replace(ask(AFTER), prefetch=False)) == " + 1"
    assert (len(engine.orders), engine.dropped) == (2, 0)


async def test_an_accepted_item_takes_over_what_is_under_way() -> None:
    engine = Engine()
    completer = Completer(engine.stream)
    engine.open.clear()
    await text(completer, ask())
    await engine.asked(2)
    completer.changed(URI, [Window(AFTER, HERE.suffix)])
    request = asyncio.create_task(text(completer, replace(ask(AFTER), prefetch=False)))
    await asyncio.sleep(0.01)
    assert not request.done()
    engine.open.set()
    assert await request == " + 1"
    assert len(engine.orders) == 2


@pytest.mark.parametrize("where", ["elsewhere", "another document", "gone"])
async def test_any_other_way_drops_it(where: str) -> None:
    engine = Engine()
    completer = Completer(engine.stream)
    engine.open.clear()
    await text(completer, ask())
    await engine.asked(2)
    if where == "another document":
        await text(completer, replace(ask("import os\n", prefetch=False), uri="file:///b.py"))
    else:
        completer.changed(URI, [Window(HERE.prefix + "if", HERE.suffix)] if where == "elsewhere" else ())
    await asyncio.sleep(0.01)
    assert engine.dropped == 1


async def test_what_the_engine_dropped_is_asked_for_again() -> None:
    engine = Engine(finish="cancelled")
    completer = Completer(engine.stream)
    engine.open.clear()
    await text(completer, ask())
    await engine.asked(2)
    completer.changed(URI, [Window(AFTER, HERE.suffix)])
    request = asyncio.create_task(text(completer, replace(ask(AFTER), prefetch=False)))
    await asyncio.sleep(0.01)
    engine.open.set()
    assert await request == " + 1"
    assert [it.background for it in engine.orders] == [False, True, False]


async def test_nothing_follows_nothing() -> None:
    engine = Engine(after="")
    completer = Completer(engine.stream)
    assert await text(completer, ask(AFTER)) == ""
    await asyncio.sleep(2 * READING_SECONDS)
    assert len(engine.orders) == 1


async def test_the_item_has_to_stand_for_a_moment() -> None:
    engine = Engine()
    completer = Completer(engine.stream)
    asked = now()
    await text(completer, ask())
    await engine.asked(2)
    assert now() - asked == pytest.approx(READING_SECONDS, abs=0.002)


async def test_an_idle_engine_is_asked_at_once_and_a_busy_one_after_the_pause() -> None:
    completer, pause = Completer(Engine().stream), 0.2
    slow = Ask(URI, HERE, debounce=pause, max_tokens=64)
    asked = now()
    await text(completer, slow)  # nothing is known of this engine yet
    assert now() - asked == pytest.approx(pause)
    for n in range(3):  # somebody types, more slowly than this engine answers
        await asyncio.sleep(0.05)
        completer.changed(URI, [Window(f"a{n}", "")])
    asked = now()
    await text(completer, replace(slow, window=Window("a2", "")))
    assert now() == asked


async def test_the_story_of_an_answer_has_its_times() -> None:
    completer, told = Completer(Engine().stream), [Story(), Story()]
    for story in told:
        await completer.complete(ask(prefetch=False), lambda _: None, story)
    first, second = ([kind for kind, _ in story.latencies()] for story in told)
    assert first in (["whole"], ["first", "whole"])
    assert second == ["known"]
