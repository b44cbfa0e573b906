"""What the completer owes its stream: it is closed once, and closing is never cut short.

A second cancel would reach the HTTP client in the middle of its clean-up. The connection then stays in its
pool, and after a hundred of them every completion waits for ever: `midfill replay` found it.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

from midfill_server.context import Window
from midfill_server.engines.backend import Chunk, Order
from midfill_server.keystroke.complete import Completer
from midfill_server.keystroke.flight import Ask

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
