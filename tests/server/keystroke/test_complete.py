"""What the completer owes its stream: it is closed once, and closing is never cut short.

A second cancel would reach the HTTP client in the middle of its clean-up. The connection then stays in its
pool, and after a hundred of them every completion waits for ever: `midfill replay` found it.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from itertools import pairwise

import pytest

from midfill_server.context import Window
from midfill_server.engines.backend import Chunk, Order
from midfill_server.keystroke.complete import GIVEN_UP_AFTER, Completer
from midfill_server.keystroke.flight import Ask, now

HERE = Window("def f():\n    ", "\n")


class Engine:
    """Streams `text`, then waits; closing takes a moment, as closing a connection does."""

    def __init__(self, text: str) -> None:
        self.text, self.closing, self.closed, self.cut_short = text, 0, 0, 0

    async def stream(self, _: Order) -> AsyncGenerator[Chunk]:
        try:
            yield Chunk(self.text)
            await asyncio.sleep(60)
        finally:
            self.closing += 1
            try:
                await asyncio.sleep(0.02)
                self.closed += 1
            except asyncio.CancelledError:
                self.cut_short += 1
                raise


def ask(window: Window = HERE) -> Ask:
    return Ask("file:///a.py", window, debounce=0, max_tokens=64)


async def test_closing_is_not_cut_short_by_a_second_reason_to_close() -> None:
    """The edit closes the flight, and so does the request that the edit cancels."""
    engine, writing = Engine("return x"), asyncio.Event()
    completer = Completer(engine.stream)
    request = asyncio.create_task(completer.complete(ask(), lambda _: writing.set()))
    await writing.wait()
    completer.changed("file:///a.py", [Window("def f():\n    y", "\n")])
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    completer.forget()
    await asyncio.sleep(0.1)
    assert (engine.closed, engine.cut_short) == (1, 0)


async def test_closing_is_not_cut_short_once_the_item_is_final() -> None:
    engine = Engine("return x\nprint()\n")
    completer = Completer(engine.stream)
    request = asyncio.create_task(completer.complete(ask(), lambda _: None))
    while not engine.closing:  # noqa: ASYNC110  the stream itself sets no event
        await asyncio.sleep(0)
    completer.changed("file:///a.py", [Window("def f():\n    y", "\n")])
    await asyncio.gather(request, return_exceptions=True)
    await asyncio.sleep(0.1)
    assert (engine.closed, engine.cut_short) == (1, 0)


async def test_the_item_does_not_wait_for_the_stream_to_close() -> None:
    engine = Engine("return x\nprint()\n")
    completer = Completer(engine.stream)
    assert await completer.complete(ask(), lambda _: None) == "return x"
    assert engine.closed == 0
    await asyncio.sleep(0.1)
    assert engine.closed == 1


async def test_typing_what_the_menu_has_selected_keeps_the_flight() -> None:
    """It was asked for with the whole entry in its prefix, so it is ahead of the user."""
    engine, writing = Engine("(a)"), asyncio.Event()
    completer = Completer(engine.stream)
    chosen = replace(ask(Window("x = range", "\n")), chosen=len("nge"))
    request = asyncio.create_task(completer.complete(chosen, lambda _: writing.set()))
    await writing.wait()
    completer.changed("file:///a.py", [Window("x = ran", "\n")])
    await asyncio.gather(request, return_exceptions=True)
    assert engine.closing == 0
    completer.changed("file:///a.py", [Window("x = ra", "\n")])  # shorter than what was typed then


async def test_a_bracket_that_the_editor_closes_keeps_the_generation() -> None:
    engine, grown, uri = Engine("(a, b)"), asyncio.Queue[str](), "file:///a.py"
    completer = Completer(engine.stream)
    older = asyncio.create_task(completer.complete(ask(Window("x = f", "\n")), grown.put_nowait))
    assert await grown.get() == "(a, b)"
    inside = Window("x = f(", ")\n")
    completer.changed(uri, [inside])
    newer = asyncio.create_task(completer.complete(ask(inside), grown.put_nowait))
    assert await grown.get() == "a, b"
    assert older.cancelled() and engine.closing == 0
    newer.cancel()
    await asyncio.gather(newer, return_exceptions=True)
    await asyncio.sleep(0.1)
    assert engine.closed == 1


class Deaf(Engine):
    """Says `first`, and no more, to the first `n` requests; to later ones all."""

    def __init__(self, n: int, first: str = "") -> None:
        super().__init__("return x + 1\n")
        self.n, self.first, self.asked = n, first, list[float]()

    async def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        self.asked.append(now())
        rest = self.text.removeprefix(order.prefix.removeprefix(HERE.prefix))
        if len(self.asked) > self.n:
            yield Chunk(rest, "stop")
            return
        yield Chunk(self.first)
        await asyncio.Event().wait()


async def type_slowly(completer: Completer, line: str, pause: float) -> str:
    """Ask behind each character of the line, until there is an answer: the last one is waited for."""
    for n in range(len(line)):
        window = Window(HERE.prefix + line[:n], "\n")
        completer.changed("file:///a.py", [window])
        request = asyncio.create_task(completer.complete(ask(window), lambda _: None))
        await asyncio.sleep(pause)
        if request.done():
            return await request
    raise AssertionError("no answer")


@pytest.mark.parametrize("first", ["", "return"])
async def test_a_request_that_is_never_answered_is_given_up_by_a_later_key(first: str) -> None:
    """Whatever is typed agrees with it, but nobody writes it any more: a laptop slept, a line was cut."""
    engine = Deaf(1, first)
    assert await type_slowly(Completer(engine.stream), "return x", GIVEN_UP_AFTER / 4) == "rn x + 1"
    assert engine.asked == [0, GIVEN_UP_AFTER]


async def test_one_that_is_slow_is_given_more_time_each_time() -> None:
    """Some servers load their model for the first request, and give up loading when that is given up."""
    engine = Deaf(3)
    assert await type_slowly(Completer(engine.stream), "return x", GIVEN_UP_AFTER) == "x + 1"
    assert [b - a for a, b in pairwise(engine.asked)] == [n * GIVEN_UP_AFTER for n in (1, 2, 4)]
