"""Ghost text ends where the model stops being sure; the rest comes as one types on, and is not asked for."""

import asyncio
import math
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from midfill_server.context import Window
from midfill_server.engines.backend import Chunk, Order
from midfill_server.keystroke.complete import Completer
from midfill_server.keystroke.flight import Ask
from midfill_server.keystroke.story import Story
from midfill_server.keystroke.written import Written

URI = "file:///a"
TOKENS = (("total", 0.9), (" +", 0.9), (" tax", 0.3), (" *", 0.95), (" rate", 0.95), ("\n", 1.0))
"""Sure of `total +`; not of `tax`; given `tax`, of the rest."""


class Engine:
    """Writes TOKENS, up to `held` of them until `go` is set."""

    def __init__(self, held: int = len(TOKENS)) -> None:
        self.orders: list[Order] = []
        self.tokens: tuple[tuple[str, float], ...] = TOKENS
        self.held, self.go, self.closed = held, asyncio.Event(), asyncio.Event()

    async def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        self.orders.append(order)
        try:
            for n, (text, probability) in enumerate(self.tokens):
                if n == self.held:
                    await self.go.wait()
                yield Chunk(text, tokens=((len(text), math.log(probability)),))
            yield Chunk("", "stop")
        finally:
            self.closed.set()


def ask(typed: str = "", confidence: float = 0.5) -> Ask:
    return Ask(URI, Window("x = " + typed, "\n"), debounce=0, max_tokens=64, confidence=confidence)


def type_on(completer: Completer, typed: str) -> None:
    completer.changed(URI, [Window("x = " + typed, "\n")])


async def shown(completer: Completer, wanted: Ask) -> str:
    async with asyncio.timeout(5):
        return await completer.complete(wanted, lambda _: None)


async def test_it_ends_where_the_model_is_unsure() -> None:
    assert await shown(Completer(Engine().stream), ask()) == "total"


async def test_an_explicit_request_shows_all() -> None:
    assert await shown(Completer(Engine().stream), ask(confidence=0.0)) == "total + tax * rate"


async def test_the_answer_does_not_wait_for_what_is_not_shown() -> None:
    engine = Engine(held=3)
    completer = Completer(engine.stream)
    assert await shown(completer, ask()) == "total"
    assert not engine.closed.is_set()
    engine.go.set()
    await engine.closed.wait()
    assert await shown(completer, ask(confidence=0.0)) == "total + tax * rate"
    assert len(engine.orders) == 1


async def test_typed_past_the_cut_the_rest_is_there_at_once() -> None:
    engine = Engine()
    completer = Completer(engine.stream)
    await shown(completer, ask())
    await engine.closed.wait()
    for typed, rest in {
        "tot": "al",
        "total +": "",
        "total + t": "ax * rate",
        "total + tax": " * rate",
    }.items():
        type_on(completer, typed)
        assert await shown(completer, ask(typed)) == rest, typed
    assert len(engine.orders) == 1


async def test_the_rest_comes_from_the_generation_that_goes_on() -> None:
    """It is adopted by the request behind the cut, although the one that began it was answered."""
    engine = Engine(held=3)
    completer = Completer(engine.stream)
    await shown(completer, ask())
    type_on(completer, "total + tax")
    request = asyncio.create_task(shown(completer, ask("total + tax")))
    await asyncio.sleep(0)
    engine.go.set()
    assert await request == " * rate"
    assert len(engine.orders) == 1


async def test_typing_something_else_behind_the_cut_ends_it() -> None:
    engine = Engine(held=3)
    completer = Completer(engine.stream)
    await shown(completer, ask())
    type_on(completer, "total - ")
    await asyncio.wait_for(engine.closed.wait(), 5)
    assert len(engine.orders) == 1


@pytest.mark.parametrize("beyond", [1.0, 0.2])
async def test_behind_the_whole_item_the_engine_is_asked_what_follows(beyond: float) -> None:
    """It wrote a little beyond the item, and whether it was sure of that says nothing of what follows."""
    engine = Engine()
    engine.tokens = (("total", 0.9), (" + tax", 0.9), ("\n", beyond), ("\n", beyond))
    completer = Completer(engine.stream)
    assert await shown(completer, ask()) == "total + tax"
    engine.tokens = (("  # in euros", 0.9), ("\n", 1.0))
    type_on(completer, "total + tax")
    assert await shown(completer, ask("total + tax")) == "  # in euros"
    assert len(engine.orders) == 2


async def test_the_line_of_why_tells_how_sure_it_was_of_a_whole_text_too() -> None:
    engine, story = Engine(), Story()
    engine.tokens = (("total", 0.9), (" +", 0.9), (" tax", 0.5), ("\n", 1.0))
    completer = Completer(engine.stream)
    assert await completer.complete(ask(), lambda _: None, story) == "total"
    assert story.ending == "the model was not sure enough of more (0.41)"


async def test_key_after_key_the_rest_stays_up_to_its_last_character() -> None:
    engine = Engine()
    completer = Completer(engine.stream)
    await shown(completer, ask())
    await engine.closed.wait()
    for n in range(1, len("total")):
        type_on(completer, "total"[:n])
        assert await shown(completer, ask("total"[:n])) == "total"[n:]
    assert len(engine.orders) == 1


def test_what_was_added_to_mend_it_is_shown_to_the_end() -> None:
    window = Window("x = ", "\n", language="python")
    written = Written(window)
    for text in ("total", "(tax", "\n", "\n"):
        written = written.then(text, ((len(text), 0.0),))
    written = written.ended(cut=False)
    for typed, rest in {"": "total(tax)", "total(ta": "x)", "total(tax": ")"}.items():
        shown = written.shown_at(replace(window, prefix="x = " + typed), 0.5)
        assert shown is not None and shown.text == rest
