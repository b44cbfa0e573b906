"""Alternatives over an engine whose chunks a test gives: what is taken of them, and until when."""

import asyncio
from collections.abc import AsyncGenerator

from hypothesis import given, settings
from hypothesis import strategies as st

from midfill_server.context import Window
from midfill_server.engines.backend import BackendError, Chunk, Order
from midfill_server.keystroke.alternatives import Alternatives
from midfill_server.keystroke.complete import Completer
from midfill_server.keystroke.flight import Ask
from midfill_server.trim import trim

HERE = Window("def f(a):\n    ", "\n")
ASK = Ask("file:///a.py", HERE, debounce=0, max_tokens=64)


class Engine:
    """Says `first` to who asks for one text, else `chunks`; then it goes on for ever, or fails."""

    def __init__(self, first: str, *chunks: Chunk, ends: bool = True, fails: bool = False) -> None:
        self.first, self.chunks, self.ends, self.fails = first, chunks, ends, fails
        self.n_asked = 0
        self.closed = False

    async def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        if order.n == 1:
            yield Chunk(self.first, "stop")
            return
        self.n_asked += 1
        try:
            for chunk in self.chunks:
                yield chunk
            if self.fails:
                raise BackendError("It is gone")
            if not self.ends:
                await asyncio.sleep(3600)
        finally:
            self.closed = True

    async def items(
        self, n: int = 3, seconds: float = 3600.0, completer: Completer | None = None
    ) -> list[str]:
        completer = completer or Completer(self.stream)
        return await Alternatives(completer, self.stream, seconds).complete(ASK, n, lambda _: None)


def choice(number: int, text: str, finish: str | None = "stop") -> Chunk:
    return Chunk(text, finish, choice=number)


async def test_a_slow_engine_is_not_waited_for_for_ever() -> None:
    """What is whole by then counts; what is not may be asked for again."""
    engine = Engine("return a", choice(0, "return a"), choice(1, "pass"), choice(2, "rai", None), ends=False)
    completer = Completer(engine.stream)
    for n in (1, 2):
        assert await engine.items(seconds=0.05, completer=completer) == ["return a", "pass"]
        assert engine.closed and engine.n_asked == n


async def test_one_that_breaks_off_gives_what_it_gave() -> None:
    engine = Engine("return a", choice(1, "pass"), choice(2, "rai", None), fails=True)
    assert await engine.items() == ["return a", "pass"]


async def test_one_that_ignores_the_number_gives_one() -> None:
    engine = Engine("return a", choice(0, "ret", None), choice(0, "urn a"))
    assert await engine.items() == ["return a"]


async def test_choices_beyond_those_asked_for_are_passed_over() -> None:
    engine = Engine("return a", choice(-1, "x = 1"), choice(99, "x = 2"), choice(3, "pass"))
    assert await engine.items() == ["return a", "pass"]


async def test_it_hangs_up_once_all_are_items() -> None:
    """One ends, the others have gone beyond what is shown."""
    beyond = [choice(n, f"x{n} = a\n\ndef g", None) for n in range(1, 4)]
    engine = Engine("return a", choice(0, "pass"), *beyond, ends=False)
    assert await engine.items(n=3) == ["return a", "pass", "x1 = a"]
    assert engine.closed


async def test_a_cancel_closes_the_stream_and_frees_the_desk() -> None:
    engine = Engine("return a", choice(0, "ret", None), ends=False)
    completer = Completer(engine.stream)
    request = asyncio.create_task(engine.items(completer=completer))
    while not engine.n_asked:  # noqa: ASYNC110  the stream itself sets no event
        await asyncio.sleep(0)
    completer.changed(ASK.uri, [Window(HERE.prefix + "r", HERE.suffix)])
    await asyncio.gather(request, return_exceptions=True)
    assert request.cancelled() and engine.closed


async def test_a_newer_request_supersedes_it() -> None:
    engine = Engine("return a", choice(0, "ret", None), ends=False)
    completer = Completer(engine.stream)
    older = asyncio.create_task(engine.items(completer=completer))
    while not engine.n_asked:  # noqa: ASYNC110  the stream itself sets no event
        await asyncio.sleep(0)
    assert await completer.complete(ASK, lambda _: None) == "return a"
    await asyncio.gather(older, return_exceptions=True)
    assert older.cancelled() and engine.closed


TEXTS = st.sampled_from(
    ["return a", "return  a", "pass\n", "", "  ", "\n\n", "x = [a", ")", "a\n\n\ndef g():", "<｜fim▁end｜>"]
)


@settings(deadline=None, max_examples=60)
@given(
    first=TEXTS,
    chunks=st.lists(
        st.tuples(st.integers(0, 5), TEXTS, st.sampled_from([None, "stop", "length"])), max_size=8
    ),
    n=st.integers(2, 5),
)
def test_whatever_comes_all_differ_and_each_is_an_item(
    first: str, chunks: list[tuple[int, str, str | None]], n: int
) -> None:
    engine = Engine(first, *(choice(*chunk) for chunk in chunks))
    items = asyncio.run(engine.items(n))
    assert len(items) <= n
    assert all(item.strip() for item in items)
    assert len({"".join(item.split()) for item in items}) == len(items)
    assert all(trim(item, HERE) == item for item in items)
    if alone := trim(first, HERE):
        assert items[0] == alone
