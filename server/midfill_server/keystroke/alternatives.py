"""Several items for one explicit request: the first as ever, then others, asked for once that is there.

The engine writes them side by side, and stops when each is long enough to be an item. All pass every filter,
and stay known: who types what one of them says is shown the rest of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import replace

from midfill_server.engines.backend import BackendError
from midfill_server.keystroke.complete import Completer
from midfill_server.keystroke.flight import Ask, Stream, order_of
from midfill_server.keystroke.story import Story
from midfill_server.keystroke.written import THAT_IS_ALL, Written
from midfill_server.trim import is_final

SECONDS = 3.0
"""What is not written by then is not waited for: some editors show nothing before an answer's end."""


class Alternatives:
    """Answers explicit requests. Its requests sit at the same desks as all others."""

    def __init__(self, completer: Completer, stream: Stream, seconds: float = SECONDS) -> None:
        self._completer, self._stream, self._seconds = completer, stream, seconds

    async def complete(
        self, ask: Ask, n: int, grow: Callable[[str], None], story: Story | None = None
    ) -> list[str]:
        """At most `n` different texts, the likeliest first; `grow` hears of that one until it is whole.

        Raises as Completer.complete does. That the engine gives no others is no error.
        """
        completer = self._completer
        first = await completer.complete(ask, grow, story)
        if not first and completer.recent.find(ask.uri, ask.window, ask.confidence) is None:
            return []  # what the engine did not end is no answer
        if first:
            grow(first)
        with completer.seat(ask.uri):
            others = completer.recent.others(ask.uri, ask.window)
            if others is None:
                others = await self._written(ask, n + 1)  # one of them is mostly the first
        found = _different([first, *others])[:n]
        if found and not first and story is not None:
            story.ending = THAT_IS_ALL  # it tells why the first is empty
        return found

    async def _written(self, ask: Ask, n: int) -> list[str]:
        """The items of `n` texts, as far as the engine writes so many."""
        texts, growing = [Written(ask.window)] * n, set(range(n))
        with suppress(BackendError, TimeoutError):
            async with (
                asyncio.timeout(self._seconds),
                aclosing(self._stream(replace(order_of(ask), n=n))) as chunks,
            ):
                async for chunk in chunks:
                    if (number := chunk.choice) not in growing:
                        continue
                    text = texts[number].then(chunk.text, chunk.tokens)
                    if chunk.finish or is_final(text.scored.text, ask.window):
                        text = text.ended(cut=chunk.finish == "length")
                        growing.remove(number)
                    texts[number] = text
                    if not growing:
                        break
                self._completer.recent.add_others(ask.uri, ask.window, texts)
        return [text.whole for text in texts if text.whole]


def _different(texts: Iterable[str]) -> list[str]:
    """Without those that are empty, or differ from an earlier one in blanks alone."""
    found: dict[str, str] = {}
    for text in texts:
        if inked := "".join(text.split()):
            found.setdefault(inked, text)
    return list(found.values())
