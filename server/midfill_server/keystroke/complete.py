"""One keystroke, start to end: known? → wait if that pays → ask the engine → trim → the text to show.

When what the user types agrees with what is being written, the next request adopts the generation under way
(`desk.py`): a burst of agreeing keystrokes costs one generation, although each of them is a new request.
While the user reads an item, what follows it can be fetched ahead, as if it had been accepted (`ahead.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from midfill_server.context import Window
from midfill_server.keystroke.ahead import Ahead
from midfill_server.keystroke.desk import Desk
from midfill_server.keystroke.flight import Ask, Flight, Stream, now
from midfill_server.keystroke.pace import Pace
from midfill_server.keystroke.recent import Recent
from midfill_server.keystroke.story import Story
from midfill_server.keystroke.written import Shown

GIVEN_UP_AFTER = 30.0  # seconds in which a generation says nothing: it may never say anything more


class Completer:
    """Answers requests for all documents of one editor; of each document only the newest."""

    def __init__(self, stream: Stream) -> None:
        self.recent = Recent()
        self._stream = stream
        self._pace = Pace()
        self._desks: dict[str, Desk] = {}
        self._ahead: Ahead | None = None
        self._patience = GIVEN_UP_AFTER

    async def complete(self, ask: Ask, grow: Callable[[str], None], story: Story | None = None) -> str:
        """The text to insert at the cursor; `grow` hears of it while it is written. "": nothing to show.

        `story` is told how it went. Raises BackendError, and CancelledError for a request that was cancelled
        or superseded.
        """
        desk, story = self._desk(ask.uri), story or Story()
        with desk.seat():
            shown = await self._answer(ask, desk, grow, story)
            text = desk.worth_a_glance(shown.text, ask)
            too_short = "the text is typed sooner than it is read" if text != shown.text else ""
            story.whole, story.ending = story.now(), too_short or shown.why_no_more
            if not desk.flying:
                self._look_ahead(ask, text)
            return text

    async def _answer(self, ask: Ask, desk: Desk, grow: Callable[[str], None], story: Story) -> Shown:
        def growing(written: str) -> None:
            if not (text := desk.worth_a_glance(written, ask)) and written:
                return
            story.first = story.now() if story.first is None else story.first
            grow(text)

        flight = self._adopt(ask, desk)
        story.how = "asked" if flight is None else "joined"
        due = self._pace.due(now(), ask.debounce, idle=not self._flying)
        interrupted = False
        while True:
            if (known := self.recent.find(ask.uri, ask.window, ask.confidence)) is not None:
                story.how = "known" if flight is None else story.how
                return known
            if flight is None:
                await asyncio.sleep(max(0.0, due - now()))
                self._drop_ahead()
                flight = desk.put(self._take_off(ask))
                story.how, story.waited = "asked", story.now()
            shown = await flight.follow(ask.window, ask.confidence, growing)
            story.reused_tokens = flight.reused_tokens
            if shown is not None:
                return shown
            if flight.interrupted and not flight.background:
                if interrupted or story.first is not None:
                    # what is on screen will never be finished: it goes
                    return Shown("", True, "the engine broke off")
                interrupted = True
            desk.drop()  # it went another way than the user, or the engine ended it
            flight = None
            due = self._pace.due_again(now(), ask.debounce)

    def seat(self, uri: str) -> AbstractContextManager[None]:
        """Within it the current task is the document's newest request, as in `complete`."""
        return self._desk(uri).seat()

    def changed(self, uri: str, windows: Sequence[Window]) -> None:
        """The document changed. `windows`: where the user may be now; none when the document is gone."""
        if windows:
            self._pace.key(now())
        if self._ahead is not None and self._ahead.ask.uri == uri and not self._ahead.still_wanted(windows):
            self._drop_ahead()
        if (desk := self._desks.get(uri)) is not None:
            desk.release(windows)
            if not windows:
                del self._desks[uri]

    def forget(self) -> None:
        """Settings changed: nothing that is known or under way counts any more."""
        for uri in list(self._desks):
            self.changed(uri, ())
        self._drop_ahead()
        self.recent.clear()

    @property
    def _flying(self) -> bool:
        return any(desk.flying for desk in self._desks.values())

    def _desk(self, uri: str) -> Desk:
        return self._desks.setdefault(uri, Desk())

    def _adopt(self, ask: Ask, desk: Desk) -> Flight | None:
        """The generation under way that this request continues, perhaps one that was fetched ahead.

        None for one that is silent for too long. The next is given twice the time: a server may be loading
        its model, and end that with the request.
        """
        if (flight := desk.adopt(ask.window)) is not None:
            if flight.silent_for < self._patience:
                return flight
            desk.drop()
            self._patience *= 2
        if self._ahead is not None and (flight := self._ahead.reached(ask)) is not None:
            self._ahead = None
            return desk.put(flight)
        return None

    def _take_off(self, ask: Ask) -> Flight:
        return Flight(ask, self._stream, self._landed)

    def _look_ahead(self, ask: Ask, text: str) -> None:
        """Fetch what follows `text`, unless that is known, or on its way."""
        if not (text and ask.prefetch):
            return
        window = replace(ask.window, prefix=ask.window.prefix + text)
        if self._ahead is not None:
            if (self._ahead.ask.uri, self._ahead.ask.window) == (ask.uri, window):
                return
            self._drop_ahead()
        if self.recent.find(ask.uri, window, ask.confidence) is None:
            wanted = replace(ask, window=window, chosen=0, background=True)
            self._ahead = Ahead(wanted, self._take_off)

    def _drop_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
            self._ahead = None

    def _landed(self, flight: Flight) -> None:
        if flight.first_after is not None and not flight.background:
            self._pace.answer(flight.first_after)
            self._patience = GIVEN_UP_AFTER
        if flight.written.whole is not None:
            self.recent.add(flight.uri, flight.written)
