"""The desk, in whatever order things happen: edits, requests, cancels, and what the engine does by itself."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from midfill_server.context import Window
from midfill_server.engines.backend import BackendError, Chunk, Order
from midfill_server.keystroke.complete import Completer
from midfill_server.keystroke.flight import Ask
from midfill_server.trim import trim

LINE = "alpha + beta + gamma"
"""What the engine wants the line to be, wherever the cursor is in it."""

T = TypeVar("T")


@dataclass(eq=False)
class Generation:
    """One stream of the engine. It says what it is told to, until it is closed."""

    order: Order
    said: asyncio.Queue[Chunk | BackendError] = field(default_factory=asyncio.Queue)
    n_written: int = 0
    n_closed: int = 0
    finish: str = ""

    @property
    def live(self) -> bool:
        return not (self.n_closed or self.finish)

    @property
    def written(self) -> str:
        return self.whole[: self.n_written]

    @property
    def whole(self) -> str:
        typed = self.order.prefix
        return LINE[len(typed) :] + "\n" if LINE.startswith(typed) else "other\n"

    async def stream(self) -> AsyncGenerator[Chunk]:
        try:
            while True:
                thing = await self.said.get()
                if isinstance(thing, BackendError):
                    raise thing
                yield thing
                if thing.finish:
                    return
        finally:
            self.n_closed += 1


class Desks(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.generations: list[Generation] = []
        self.requests: list[tuple[str, asyncio.Task[str], list[str], Window]] = []
        self.typed = {"file:///a": "", "file:///b": ""}
        self.completer = Completer(self.stream)

    def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        self.generations.append(Generation(order))
        return self.generations[-1].stream()

    def run(self, act: Callable[[], T]) -> T:
        """Do it in the loop, and let everything happen that follows from it."""

        async def settled() -> T:
            outcome = act()
            for _ in range(12):  # more turns than any chain of tasks here is long
                await asyncio.sleep(0)
            return outcome

        return self.loop.run_until_complete(settled())

    def window(self, uri: str) -> Window:
        return Window(self.typed[uri], "\n", language="plaintext")

    def live(self, uri: str) -> list[Generation]:
        return [it for it in self.generations if it.order.uri == uri and it.live]

    documents = st.sampled_from(["file:///a", "file:///b"])

    @rule(uri=documents)
    def types_along(self, uri: str) -> None:
        typed = self.typed[uri]
        self.typed[uri] += LINE[len(typed) : len(typed) + 1] if LINE.startswith(typed) else "x"
        self.run(lambda: self.completer.changed(uri, [self.window(uri)]))

    @rule(uri=documents)
    def types_something_else(self, uri: str) -> None:
        self.typed[uri] += "?"
        self.run(lambda: self.completer.changed(uri, [self.window(uri)]))

    @rule(uri=documents)
    def deletes(self, uri: str) -> None:
        self.typed[uri] = self.typed[uri][:-1]
        self.run(lambda: self.completer.changed(uri, [self.window(uri)]))

    @rule(uri=documents, back=st.sampled_from([0, 0, 0, 1, 3]))
    def asks(self, uri: str, back: int) -> None:
        """At the end of what was typed, or where the cursor has moved to."""
        shown: list[str] = []
        typed = self.typed[uri][: len(self.typed[uri]) - back]
        window = replace(self.window(uri), prefix=typed, suffix=self.typed[uri][len(typed) :] + "\n")
        ask = Ask(uri, window, debounce=0, max_tokens=64)
        task = self.run(lambda: self.loop.create_task(self.completer.complete(ask, shown.append)))
        self.requests.append((uri, task, shown, window))

    @precondition(lambda self: any(not task.done() for _, task, _, _ in self.requests))
    @rule()
    def cancels(self) -> None:
        uri, task = next((uri, task) for uri, task, _, _ in self.requests if not task.done())
        self.run(task.cancel)
        assert not self.live(uri)  # nobody has adopted it, so the engine stops

    @rule(uri=documents, n=st.integers(1, 30))
    def the_engine_writes(self, uri: str, n: int) -> None:
        for generation in self.live(uri):
            start, generation.n_written = generation.n_written, generation.n_written + n
            self.run(partial(generation.said.put_nowait, Chunk(generation.whole[start : start + n])))

    @rule(uri=documents, finish=st.sampled_from(["stop", "length", "cancelled"]))
    def the_engine_ends(self, uri: str, finish: str) -> None:
        for generation in self.live(uri):
            rest = generation.whole[generation.n_written :] if finish == "stop" else ""
            generation.finish = finish
            self.run(partial(generation.said.put_nowait, Chunk(rest, finish)))

    @rule(uri=documents)
    def the_engine_fails(self, uri: str) -> None:
        for generation in self.live(uri):
            generation.finish = "failed"
            self.run(partial(generation.said.put_nowait, BackendError("It is broken.")))

    @rule(uri=documents)
    def closes_the_document(self, uri: str) -> None:
        self.typed[uri] = ""
        self.run(lambda: self.completer.changed(uri, ()))

    @rule()
    def changes_the_settings(self) -> None:
        self.run(self.completer.forget)

    @invariant()
    def one_generation_and_one_request_for_each_document(self) -> None:
        for uri in self.typed:
            assert len(self.live(uri)) <= 1
            assert sum(not task.done() for name, task, _, _ in self.requests if name == uri) <= 1

    @invariant()
    def the_generation_is_what_the_request_waits_for(self) -> None:
        for uri, task, _, window in self.requests:
            for it in [] if task.done() else self.live(uri):
                assert window.prefix.startswith(it.order.prefix)
                since = window.prefix.removeprefix(it.order.prefix)
                assert since.startswith(it.written) or it.written.startswith(since)

    @invariant()
    def what_is_shown_only_grows_and_an_answer_is_the_whole_item(self) -> None:
        for uri, task, shown, window in self.requests:
            for before, after in pairwise(shown):
                assert after.startswith(before)
            if task.done() and not task.cancelled() and task.exception() is None:
                answer = task.result()
                typed = window.prefix
                rest = trim(LINE[len(typed) :] + "\n" if LINE.startswith(typed) else "other\n", window)
                cut = [it for it in self.generations if it.order.uri == uri and it.finish == "length"]
                cut_here = [
                    it for it in cut if answer and (it.order.prefix + it.written).rstrip().endswith(answer)
                ]
                assert answer in ("", rest) or cut_here
                assert not answer or answer.startswith(shown[-1] if shown else "")

    def teardown(self) -> None:
        self.run(self.completer.forget)
        for _, task, _, _ in self.requests:
            assert task.done()
        begun = [it for it in self.generations if it.n_written or it.n_closed]
        assert all(it.n_closed == 1 for it in begun)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


TestDesks = Desks.TestCase
TestDesks.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


class Interrupting:
    """Writes a line's beginning each time, and is then ended by the engine."""

    def __init__(self, text: str) -> None:
        self.text, self.n = text, 0

    async def stream(self, _: Order) -> AsyncGenerator[Chunk]:
        self.n += 1
        if self.text:
            yield Chunk(self.text)
            await asyncio.sleep(0)  # it is read, and shown if it may be
        yield Chunk("", "cancelled")


async def answered(engine: Interrupting, language: str) -> tuple[str, list[str], str | None]:
    shown: list[str] = []
    completer = Completer(engine.stream)
    window = Window("x = ", "\n", language=language)
    text = await completer.complete(Ask("file:///a", window, debounce=0, max_tokens=64), shown.append)
    known = completer.recent.find("file:///a", window, 0)
    return text, shown, known.text if known else None


async def test_what_the_engine_ended_is_no_answer_and_not_remembered() -> None:
    """Python shows whole lines only, so nothing is on screen, and the engine is asked once more."""
    engine = Interrupting("return self.balan")
    assert await answered(engine, "python") == ("", [], None)
    assert engine.n == 2


async def test_what_is_on_screen_goes_when_the_engine_ends_it() -> None:
    engine = Interrupting("value.of")
    assert await answered(engine, "") == ("", ["value.of"], None)
    assert engine.n == 1


async def test_an_engine_that_ends_at_once_is_followed_by_the_next() -> None:
    """Restarted from another window, say: the second engine answers."""
    asked = 0

    async def stream(_: Order) -> AsyncGenerator[Chunk]:
        nonlocal asked
        asked += 1
        yield Chunk("", "cancelled") if asked == 1 else Chunk("1\n", "stop")

    completer = Completer(stream)
    ask = Ask("file:///a", Window("x = ", "\n"), debounce=0, max_tokens=64)
    assert await completer.complete(ask, lambda _: None) == "1"
    assert asked == 2


async def test_the_pace_hears_of_a_closed_flight_once(monkeypatch: pytest.MonkeyPatch) -> None:
    noted: list[float] = []

    async def stream(_: Order) -> AsyncGenerator[Chunk]:
        yield Chunk("value")
        await asyncio.Event().wait()

    completer = Completer(stream)
    monkeypatch.setattr(completer._pace, "answer", noted.append)
    growing = asyncio.Event()
    ask = Ask("file:///a", Window("x = ", "\n"), debounce=0, max_tokens=64)
    request = asyncio.create_task(completer.complete(ask, lambda _: growing.set()))
    await growing.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await asyncio.sleep(0)
    assert len(noted) == 1
