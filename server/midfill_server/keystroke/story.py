"""What became of a request, in one line: for whoever wonders why there is no ghost text. Never any text."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from midfill_server.keystroke.flight import now

log = logging.getLogger(__name__)

REMEMBERED = 50

How = Literal["refused", "known", "joined", "asked"]
"""Nobody was asked; it was known; it joined a generation under way; the engine was asked."""


@dataclass(slots=True)
class Story:
    """One request, told while it goes on; times in seconds since it came."""

    how: How = "refused"
    ending: str = ""
    waited: float | None = None  # until the engine was asked
    first: float | None = None  # until the first text was on screen
    whole: float | None = None  # until the answer; None: it was cancelled before
    reused_tokens: int | None = None  # of the prompt, from the KV cache
    _began: float = field(default_factory=now)

    def now(self) -> float:
        return now() - self._began

    def latencies(self) -> Iterator[tuple[str, float]]:
        """Of an answer: "known", or "first" for its first text and "whole"; seconds."""
        if self.whole is not None:
            if self.first is not None:
                yield "first", self.first
            yield ("known" if self.how == "known" else "whole"), self.whole

    def as_line(self) -> str:
        """For people: how it was answered, how long that took, and what ended it."""
        times = (
            ("waited", self.waited),
            ("first text after", self.first),
            ("all after", self.whole if self.how != "refused" else None),
        )
        parts: list[str] = [self.how]
        parts += [f"{name} {1000 * seconds:.0f} ms" for name, seconds in times if seconds is not None]
        parts += [] if self.reused_tokens is None else [f"{self.reused_tokens} tokens reused"]
        return ", ".join(parts) + f": {self.ending}"


class Stories:
    """The last requests of this window, oldest first."""

    def __init__(self) -> None:
        self.lines = deque[str](maxlen=REMEMBERED)

    @contextmanager
    def of(self, place: str) -> Iterator[Story]:
        """The story of a request at `place`; it is kept when the request is over, however it ends."""
        story = Story()
        try:
            yield story
        except asyncio.CancelledError:
            story.ending = "the editor cancelled it, or asked again"
            raise
        finally:
            line = f"{place} {story.as_line()}"
            self.lines.append(line)
            log.debug("%s", line)
