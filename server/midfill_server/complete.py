"""One keystroke, start to end: known? → wait out the debounce → ask the engine → trim → the text to show.

A `Flight` is one generation. It belongs to the request that waits for it and dies with it: a cancelled
request closes its flight, which hangs up on the engine, which stops decoding. There is no second mechanism.
But when what the user types agrees with what is being written, the flight is set free and the next request
takes it over: a burst of agreeing keystrokes costs one generation, although each of them is a new request.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from midfill_server.backend import Chunk, Order
from midfill_server.context import Window
from midfill_server.recent import Recent, rest_of, typed_since
from midfill_server.trim import is_final, one_line_only, settled, trim, whole_lines

Stream = Callable[[Order], AsyncGenerator[Chunk]]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: where the cursor is, and how long to wait and write."""

    uri: str
    window: Window
    debounce: float  # seconds; 0 for explicit requests
    max_tokens: int
    prefix_tokens: int | None = None
    suffix_tokens: int | None = None


class Completer:
    """Answers requests for all documents of one editor; of each document only the newest."""

    def __init__(self, stream: Stream) -> None:
        self.recent = Recent()
        self._stream = stream
        self._requests: dict[str, asyncio.Task[object]] = {}  # the newest of each document
        self._flights: dict[str, Flight] = {}

    async def complete(self, ask: Ask, grow: Callable[[str], None]) -> str:
        """The text to insert at the cursor; `grow` hears of it while it is written. "": nothing to show.

        Raises BackendError, and CancelledError for a request that was cancelled or superseded.
        """
        flight = self._take_over(ask)
        me = self._supersede(ask.uri)
        due = time.monotonic() + ask.debounce
        try:
            while True:
                if (known := self.recent.find(ask.uri, ask.window)) is not None:
                    return known
                if flight is None:
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    flight = self._take_off(ask)
                if (text := await flight.follow(ask.window, grow)) is not None:
                    return text
                flight.close()  # it went another way than the user
                flight = None
        except asyncio.CancelledError:
            if flight is not None and flight.owner is me:
                flight.close()
            raise
        finally:
            if self._requests.get(ask.uri) is me:
                del self._requests[ask.uri]

    def changed(self, uri: str, window: Window | None) -> None:
        """The document changed (None: it is gone), so the request for it is stale. Not all editors cancel it.

        `window` is where the edit ended: if that is typing which agrees with the flight, the flight stays.
        """
        if (flight := self._flights.get(uri)) is not None:
            if window is not None and flight.agrees(window):
                flight.owner = None  # whoever asks next takes it over
            else:
                flight.close()
        if (request := self._requests.pop(uri, None)) is not None:
            request.cancel()

    def forget(self) -> None:
        """Settings changed: nothing that is known or under way counts any more."""
        for uri in self._requests.keys() | self._flights.keys():
            self.changed(uri, None)
        self.recent.clear()

    def _supersede(self, uri: str) -> asyncio.Task[object] | None:
        if (older := self._requests.get(uri)) is not None:
            older.cancel()
        me = asyncio.current_task()
        if me is not None:
            self._requests[uri] = me
        return me

    def _take_over(self, ask: Ask) -> Flight | None:
        flight = self._flights.get(ask.uri)
        if flight is None:
            return None
        if flight.agrees(ask.window):
            flight.owner = asyncio.current_task()
            return flight
        flight.close()
        return None

    def _take_off(self, ask: Ask) -> Flight:
        flight = Flight(ask, self._stream, self._landed)
        flight.owner = asyncio.current_task()
        self._flights[ask.uri] = flight
        return flight

    def _landed(self, flight: Flight) -> None:
        if self._flights.get(flight.uri) is flight:
            del self._flights[flight.uri]
        if flight.text is not None:
            self.recent.add(flight.uri, flight.window, flight.text)


class Flight:
    """One generation: the raw text so far, and `text`, the item, once that is final."""

    def __init__(self, ask: Ask, stream: Stream, landed: Callable[[Flight], None]) -> None:
        self.uri, self.window = ask.uri, ask.window
        self.owner: asyncio.Task[object] | None = None
        self.text: str | None = None
        self._raw = ""
        self._error: Exception | None = None
        self._over = False
        self._news = asyncio.Event()
        self._landed = landed
        self._task = asyncio.create_task(self._fly(stream(_order(ask))))

    def agrees(self, window: Window) -> bool:
        """Whether the user has so far typed what is being written here, perhaps faster than it is written."""
        typed = typed_since(self.window, window)
        return typed is not None and (self._raw.startswith(typed) or typed.startswith(self._raw))

    async def follow(self, window: Window, grow: Callable[[str], None]) -> str | None:
        """The rest of the item behind `window`'s cursor; None when the item and the user part."""
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
        cut = False
        try:
            async for chunk in stream:
                self._raw += chunk.text
                self._news.set()
                if is_final(self._raw, self.window):
                    break
                cut = cut or chunk.finish == "length"
            self.text = trim(whole_lines(self._raw) if cut else self._raw, self.window)
        except Exception as error:  # for the request that follows, which raises it
            self._error = error
        finally:
            self._land()
            await stream.aclose()

    def _land(self) -> None:
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
        uri=ask.uri,
    )
