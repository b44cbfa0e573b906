"""One generation: asked for, written down while it comes, cut to an item, taken over or closed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from midfill_server.context import Window
from midfill_server.engines.backend import Chunk, Interrupted, Order
from midfill_server.keystroke.typed import typed_since
from midfill_server.keystroke.written import Shown, Written
from midfill_server.trim import is_final, one_line_only

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
    confidence: float = 0.0  # how probable what is shown has to be; 0 for explicit requests
    logprobs: bool = True  # whether the engine tells how sure it is, if only for who comes by later


class Flight:
    """One generation, and what it has written so far.

    `interrupted`: the engine ended it before it was whole. What it wrote is then no item.
    """

    def __init__(self, ask: Ask, stream: Stream, landed: Callable[[Flight], None]) -> None:
        self.uri, self.background = ask.uri, ask.background
        self.written = Written(ask.window)
        self.first_after: float | None = None  # seconds until the engine sent its first text
        self.interrupted = False
        self.reused_tokens: int | None = None
        self._chosen = ask.chosen
        self._error: Exception | None = None
        self._over = False
        self._asked = self._heard = now()
        self._news = asyncio.Event()
        self._landed = landed
        self._task = asyncio.create_task(self._fly(stream(order_of(ask))))

    def agrees(self, window: Window) -> bool:
        """Whether the user has so far typed what is being written here, perhaps faster than it is written."""
        return self.written.agrees(window)

    def awaits(self, window: Window) -> bool:
        """Whether the user types what is selected in the editor's menu, and what this has begun with."""
        behind = typed_since(window, self.written.window)
        return behind is not None and len(behind) < self._chosen

    @property
    def over(self) -> bool:
        return self._over

    @property
    def silent_for(self) -> float:
        """Seconds since the engine last said something."""
        return now() - self._heard

    async def follow(self, window: Window, confidence: float, grow: Callable[[str], None]) -> Shown | None:
        """What to show behind `window`'s cursor; None when the two part, or when there is no item.

        It comes as soon as the model is no longer sure. The flight goes on then: what it writes beyond that
        is wanted when the user types on.
        """
        shown = ""
        while (part := self.written.shown_at(window, confidence)) is not None:
            if part.final:
                return part
            if self._error is not None:
                raise self._error
            if self._over:
                return None
            if part.text and part.text != shown:
                grow(shown := part.text)
            await self._news.wait()
            self._news.clear()
        return None

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
                if self._write(chunk):
                    finish = "stop"
                    break
            if finish == "cancelled":  # by the engine: it stops, or had something better to do
                self.interrupted = True
            else:
                self.written = self.written.ended(cut=finish == "length")
        except Interrupted:
            self.interrupted = True
        except Exception as error:  # for the request that follows, which raises it
            self._error = error
        finally:
            self._land()
            await stream.aclose()

    def _write(self, chunk: Chunk) -> bool:
        """Whether nothing more is needed."""
        self._heard = now()
        if chunk.text and self.first_after is None:
            self.first_after = now() - self._asked
        if "reused_tokens" in chunk.timings:
            self.reused_tokens = int(chunk.timings["reused_tokens"])
        self.written = self.written.then(chunk.text, chunk.tokens)
        self._news.set()
        return is_final(self.written.scored.text, self.written.window)

    def _land(self) -> None:
        if not self._over:
            self._over = True
            self._landed(self)
            self._news.set()


def now() -> float:
    """Seconds of the running loop's clock: tests bring a loop with a clock of their own."""
    return asyncio.get_running_loop().time()


def order_of(ask: Ask) -> Order:
    """What the engine is asked for."""
    return Order(
        ask.window.prefix,
        ask.window.suffix,
        ask.max_tokens,
        stop=("\n",) if one_line_only(ask.window) else (),
        slot=f"{os.getpid()} {ask.uri}",
        prefix_tokens=ask.prefix_tokens,
        suffix_tokens=ask.suffix_tokens,
        background=ask.background,
        logprobs=ask.logprobs,
        uri=ask.uri,
    )
