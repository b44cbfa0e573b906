"""One generation: asked for, written down while it comes, cut to an item, taken over or closed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from midfill_server.context import Window
from midfill_server.engines.backend import Chunk, Interrupted, Order
from midfill_server.keystroke.recent import rest_of, typed_since
from midfill_server.trim import is_final, one_line_only, settled, trim, whole_lines

Stream = Callable[[Order], AsyncGenerator[Chunk]]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: where the cursor is, and how long to wait and write."""

    uri: str
    window: Window
    debounce: float  # seconds at most; 0 for explicit requests
    max_tokens: int
    prefix_tokens: int | None = None
    suffix_tokens: int | None = None
    chosen: int = 0  # characters at the prefix's end that are selected in the menu, not yet typed
    prefetch: bool = False  # whether to fetch what follows the item while the user reads it
    background: bool = False  # the engine drops it for whatever else it is asked


class Flight:
    """One generation: the raw text so far, and `text`, the item, once that is final.

    `interrupted`: the engine ended it before it was whole. What it wrote is then no item.
    """

    def __init__(self, ask: Ask, stream: Stream, landed: Callable[[Flight], None]) -> None:
        self.uri, self.window, self.background = ask.uri, ask.window, ask.background
        self.first_after: float | None = None  # seconds until the engine sent its first text
        self.text: str | None = None
        self.interrupted = False
        self._chosen = ask.chosen
        self._raw = ""
        self._error: Exception | None = None
        self._over = False
        self._asked = time.monotonic()
        self._news = asyncio.Event()
        self._landed = landed
        self._task = asyncio.create_task(self._fly(stream(_order(ask))))

    def agrees(self, window: Window) -> bool:
        """Whether the user has so far typed what is being written here, perhaps faster than it is written."""
        typed = typed_since(self.window, window)
        return typed is not None and (self._raw.startswith(typed) or typed.startswith(self._raw))

    def awaits(self, window: Window) -> bool:
        """Whether the user types what is selected in the editor's menu, and what this has begun with."""
        behind = typed_since(window, self.window)
        return behind is not None and len(behind) < self._chosen

    @property
    def over(self) -> bool:
        return self._over

    async def follow(self, window: Window, grow: Callable[[str], None]) -> str | None:
        """The rest of the item behind `window`'s cursor; None when the two part, or when there is no item."""
        shown = ""
        while not self._over:
            rest = rest_of(settled(self._raw, self.window), self.window, window)
            if rest and rest != shown:
                grow(shown := rest)
            await self._news.wait()
            self._news.clear()
            if not self.agrees(window):
                return None
        if self._error is not None:
            raise self._error
        return None if self.text is None else rest_of(self.text, self.window, window)

    def close(self) -> None:
        """Stop the generation; what was written is dropped.

        One cancel at most, and none once the stream is being closed: a second one would reach the HTTP client
        in the middle of its own clean-up, which then keeps the connection for ever.
        """
        if not self._over:
            self._task.cancel()
            self._land()

    async def _fly(self, stream: AsyncGenerator[Chunk]) -> None:
        finish: str | None = None
        try:
            async for chunk in stream:
                finish = chunk.finish or finish
                self._write(chunk.text)
                if is_final(self._raw, self.window):
                    finish = "stop"
                    break
            if finish == "cancelled":  # by the engine: it stops, or had something better to do
                self.interrupted = True
            else:
                self.text = trim(whole_lines(self._raw) if finish == "length" else self._raw, self.window)
        except Interrupted:
            self.interrupted = True
        except Exception as error:  # for the request that follows, which raises it
            self._error = error
        finally:
            self._land()
            await stream.aclose()

    def _write(self, text: str) -> None:
        if text and self.first_after is None:
            self.first_after = time.monotonic() - self._asked
        self._raw += text
        self._news.set()

    def _land(self) -> None:
        if not self._over:
            self._over = True
            self._landed(self)
            self._news.set()


def _order(ask: Ask) -> Order:
    return Order(
        ask.window.prefix,
        ask.window.suffix,
        ask.max_tokens,
        stop=("\n",) if one_line_only(ask.window) else (),
        slot=f"{os.getpid()} {ask.uri}",
        prefix_tokens=ask.prefix_tokens,
        suffix_tokens=ask.suffix_tokens,
        background=ask.background,
        uri=ask.uri,
    )
