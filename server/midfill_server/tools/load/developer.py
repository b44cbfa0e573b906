"""One of many who type at once: the real way from a key to an item, in a window of its own."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter

from midfill_model import seam
from midfill_server.context.window import window_at
from midfill_server.engines.backend import BackendError, Chunk, Order
from midfill_server.engines.choice import Choice
from midfill_server.keystroke.complete import Completer
from midfill_server.keystroke.flight import Ask
from midfill_server.keystroke.story import Story
from midfill_server.settings import Settings
from midfill_server.tools.evaluation.replay.run import EDITOR_WAIT, Part
from midfill_server.tools.evaluation.replay.typist import keys, pause
from midfill_server.trim.gate import bar

LATEST_START = 3.0  # seconds; they do not begin with the same key


@dataclass(slots=True)
class Figures:
    """What came of it; times in seconds."""

    n_keys: int = 0
    first_texts: list[float] = field(default_factory=list)
    """From a request to its first text, for those that had to ask the server."""
    items: list[float] = field(default_factory=list)
    """From a request to its whole item."""
    n_generations: int = 0
    n_cancelled: int = 0
    """Given up before anything of them was an answer."""
    n_tokens: int = 0
    n_wasted: int = 0
    """Tokens of those."""
    errors: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.n_keys + other.n_keys,
            self.first_texts + other.first_texts,
            self.items + other.items,
            self.n_generations + other.n_generations,
            self.n_cancelled + other.n_cancelled,
            self.n_tokens + other.n_tokens,
            self.n_wasted + other.n_wasted,
            self.errors + other.errors,
        )


@dataclass(slots=True, eq=False)
class _Generation:
    n_tokens: int = 0
    is_over: bool = False
    is_useful: bool = False


class Developer:
    """Types one part of a file again and again, at a person's speed, until it is told to stop."""

    def __init__(self, number: int, part: Part, settings: Settings, seed: int) -> None:
        self.figures = Figures()
        self._part, self._settings = part, settings
        self._uri = f"file:///developer-{number}/{part.file.path.name}"
        self._chance = random.Random(f"{seed} {number}")
        self._choice = Choice(lambda _: None)
        self._completer = Completer(self._stream)
        self._generations: list[_Generation] = []
        self._request: asyncio.Task[None] | None = None

    async def run(self, end: float) -> None:
        """Until that time, as of perf_counter."""
        self._choice.use(self._settings)
        try:
            await asyncio.sleep(LATEST_START * self._chance.random())
            while perf_counter() < end:
                await self._type(end)
                self._completer.forget()
        finally:
            self._hang_up()
            self._completer.changed(self._uri, ())
            self._choice.close()
            await asyncio.sleep(0)
            if self._generations:
                self._generations[-1].is_over = True  # the measuring ends: nobody gave it up
            for it in self._generations:
                self._count(it)

    async def _type(self, end: float) -> None:
        text, before = self._part.above, "\n"
        due = perf_counter()
        for key in keys(self._part.typed):
            due += pause(before, key, self._chance)
            await asyncio.sleep(max(0.0, due - perf_counter()))
            if perf_counter() >= end:
                return
            text, before = text + key, key
            self._press(text)

    def _press(self, text: str) -> None:
        """An editor tells the change, drops its last request and sends another."""
        self.figures.n_keys += 1
        self._hang_up()
        budgets, lines = self._choice.budgets or seam.LARGE, (text + self._part.below).split("\n")
        row = text.count("\n")
        language = self._part.file.language
        window = window_at(lines, row, len(text) - text.rfind("\n") - 1, budgets.prefix, budgets.suffix)
        self._completer.changed(self._uri, [window])
        ask = Ask(
            self._uri,
            window,
            self._settings.debounce_ms / 1000,
            self._settings.max_tokens,
            confidence=bar(self._settings.confidence, self._choice.knows(language)),
            logprobs=self._settings.confidence > 0,
        )
        self._request = asyncio.create_task(self._ask(ask))

    async def _ask(self, ask: Ask) -> None:
        await asyncio.sleep(EDITOR_WAIT)
        story = Story()
        try:
            text = await self._completer.complete(ask, lambda _: None, story)
        except BackendError as error:
            self.figures.errors[str(error)] += 1
            return
        if story.how == "known":
            return
        if text and self._generations:
            self._generations[-1].is_useful = True
        if story.first is not None:
            self.figures.first_texts.append(story.first)
        if text and story.whole is not None:
            self.figures.items.append(story.whole)

    async def _stream(self, order: Order) -> AsyncGenerator[Chunk]:
        """What the server writes, counted."""
        for it in self._generations[:-1]:
            self._count(it)
        del self._generations[:-1]
        self._generations.append(one := _Generation())
        async with aclosing(self._choice.stream(order)) as chunks:
            async for chunk in chunks:
                one.n_tokens += len(chunk.tokens) or bool(chunk.text)
                yield chunk
        one.is_over = True

    def _count(self, one: _Generation) -> None:
        """One that nobody can make use of any more."""
        figures = self.figures
        figures.n_generations += 1
        figures.n_tokens += one.n_tokens
        if not (one.is_over or one.is_useful):
            figures.n_cancelled += 1
            figures.n_wasted += one.n_tokens

    def _hang_up(self) -> None:
        if self._request is not None:
            self._request.cancel()
