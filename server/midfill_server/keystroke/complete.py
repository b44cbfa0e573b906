"""One keystroke, start to end: known? → wait if that pays → ask the engine → trim → the text to show.

A `Flight` is one generation. It belongs to the request that waits for it and dies with it: a cancelled
request closes its flight, which hangs up on the engine, which stops decoding. There is no second mechanism.
But when what the user types agrees with what is being written, the flight is set free and the next request
takes it over: a burst of agreeing keystrokes costs one generation, although each of them is a new request.

While the user reads an item, what follows it can be fetched ahead, as if it had been accepted: see `_Ahead`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from midfill_server.context import Window
from midfill_server.keystroke.flight import Ask, Flight, Stream
from midfill_server.keystroke.pace import Pace
from midfill_server.keystroke.recent import Recent, typed_since

Note = Callable[[str, float], None]
"""Told "known", "first" or "whole", and seconds: how long an answer took, or the first text of a new one."""

READING_SECONDS = 0.3  # an item that stands so long is being read: time to fetch what follows it


class Completer:
    """Answers requests for all documents of one editor; of each document only the newest."""

    def __init__(self, stream: Stream, note: Note = lambda kind, seconds: None) -> None:
        self.recent = Recent()
        self._stream, self._note = stream, note
        self._pace = Pace()
        self._ahead: _Ahead | None = None
        self._requests: dict[str, asyncio.Task[object]] = {}  # the newest of each document
        self._flights: dict[str, Flight] = {}

    async def complete(self, ask: Ask, grow: Callable[[str], None]) -> str:
        """The text to insert at the cursor; `grow` hears of it while it is written. "": nothing to show.

        Raises BackendError, and CancelledError for a request that was cancelled or superseded.
        """
        flight = self._take_over(ask)
        me = self._supersede(ask.uri)
        asked = time.monotonic()
        due = self._pace.due(asked, ask.debounce, idle=not self._flights)
        watch = _Watch(grow, self._note, asked)
        try:
            while True:
                if (text := self.recent.find(ask.uri, ask.window)) is not None:
                    watch.answered(known=flight is None)
                    self._look_ahead(ask, text)
                    return text
                if flight is None:
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    flight = self._take_off(ask)
                if (text := await flight.follow(ask.window, watch.grow)) is not None:
                    watch.answered(known=False)
                    self._look_ahead(ask, text)
                    return text
                flight.close()  # it went another way than the user
                flight = None
                due = self._pace.due_again(time.monotonic(), ask.debounce)
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
        if window is not None:
            self._pace.key(time.monotonic())
        if self._ahead is not None and self._ahead.uri == uri and not self._ahead.still_wanted(window):
            self._drop_ahead()
        if (flight := self._flights.get(uri)) is not None:
            if window is not None and (flight.agrees(window) or flight.awaits(window)):
                flight.owner = None  # whoever asks next takes it over
            else:
                flight.close()
        if (request := self._requests.pop(uri, None)) is not None:
            request.cancel()

    def forget(self) -> None:
        """Settings changed: nothing that is known or under way counts any more."""
        for uri in self._requests.keys() | self._flights.keys():
            self.changed(uri, None)
        self._drop_ahead()
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
        if flight is None and self._ahead is not None and (flight := self._ahead.reached(ask)) is not None:
            self._flights[ask.uri], self._ahead = flight, None
        if flight is None:
            return None
        if flight.agrees(ask.window):
            flight.owner = asyncio.current_task()
            return flight
        flight.close()
        return None

    def _take_off(self, ask: Ask) -> Flight:
        self._drop_ahead()
        flight = Flight(ask, self._stream, self._landed)
        flight.owner = asyncio.current_task()
        self._flights[ask.uri] = flight
        return flight

    def _look_ahead(self, ask: Ask, text: str) -> None:
        """Fetch what follows `text`, unless that is known, or on its way."""
        if not (text and ask.prefetch):
            return
        window = replace(ask.window, prefix=ask.window.prefix + text)
        if self._ahead is not None:
            if (self._ahead.uri, self._ahead.window) == (ask.uri, window):
                return
            self._drop_ahead()
        if self.recent.find(ask.uri, window) is None:
            wanted = replace(ask, window=window, chosen=0, background=True)
            self._ahead = _Ahead(wanted, lambda: Flight(wanted, self._stream, self._landed))

    def _drop_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def _landed(self, flight: Flight) -> None:
        if self._flights.get(flight.uri) is flight:
            del self._flights[flight.uri]
        if flight.first_after is not None and not flight.background:
            self._pace.answer(flight.first_after)
        if flight.text is not None:
            self.recent.add(flight.uri, flight.window, flight.text)


class _Ahead:
    """What follows the item on screen, fetched once that has stood for a moment, as if it were accepted.

    It lasts while the user types what the item says, and becomes an ordinary flight once that is typed or
    accepted. Any other request ends it, here and, as its order says, in the engine.
    """

    def __init__(self, ask: Ask, take_off: Callable[[], Flight]) -> None:
        self.uri, self.window = ask.uri, ask.window
        self._flight: Flight | None = None
        self._take_off = take_off
        self._timer = asyncio.get_running_loop().call_later(READING_SECONDS, self._start)

    def still_wanted(self, window: Window | None) -> bool:
        """Whether the user, who is there now, is on the way to where the item ends, or has got further."""
        if window is None:
            return False
        if typed_since(window, self.window) is not None:
            return True
        return self._flight is not None and self._flight.agrees(window)

    def reached(self, ask: Ask) -> Flight | None:
        """The flight under way, if it is what is asked for now."""
        flight = self._flight
        if flight is None or flight.over or flight.uri != ask.uri or not flight.agrees(ask.window):
            return None
        return flight

    def close(self) -> None:
        self._timer.cancel()
        if self._flight is not None:
            self._flight.close()

    def _start(self) -> None:
        self._flight = self._take_off()


class _Watch:
    """Notes how long one request takes, from `asked` on."""

    def __init__(self, grow: Callable[[str], None], note: Note, asked: float) -> None:
        self._grow, self._note, self._asked = grow, note, asked
        self._first = True

    def grow(self, text: str) -> None:
        if self._first:
            self._first = False
            self._note("first", time.monotonic() - self._asked)
        self._grow(text)

    def answered(self, known: bool) -> None:
        self._note("known" if known else "whole", time.monotonic() - self._asked)
