"""A document's desk: the newest request for it, the generation under way, and what is on its screen.

A flight belongs to the request that follows it. A cancelled request closes its flight, which hangs up on the
engine, which stops decoding: there is no second way to cancel. A request that was superseded, or that an edit
has made stale, no longer sits at the desk. It leaves the flight alone, and the next request may adopt it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from midfill_server.context import Window
from midfill_server.keystroke.flight import Ask, Flight
from midfill_server.keystroke.typed import typed_since

GLANCE = 3
"""Characters without blanks, of a new text: fewer are typed sooner than they are read, and only flash."""


class Desk:
    def __init__(self) -> None:
        self._request: asyncio.Task[object] | None = None
        self._flight: Flight | None = None
        self._seen: tuple[Window, str] | None = None

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Within it the current task is the newest request; the one before it is cancelled."""
        if self._request is not None:
            self._request.cancel()
        self._request = me = asyncio.current_task()
        try:
            yield
        except asyncio.CancelledError:
            if self._request is me:
                self.drop()
            raise
        finally:
            if self._request is me:
                self._request = None

    @property
    def flying(self) -> bool:
        return self._flight is not None and not self._flight.over

    def put(self, flight: Flight) -> Flight:
        """From now on `flight` is the one under way."""
        self.drop()
        self._flight = flight
        return flight

    def adopt(self, window: Window) -> Flight | None:
        """The flight under way, if the user has typed what it writes; one that disagrees is closed."""
        if self._flight is None or self._flight.over:
            return None
        if self._flight.agrees(window):
            return self._flight
        self.drop()
        return None

    def release(self, windows: Sequence[Window]) -> None:
        """The document changed, so its request is stale. Not all editors cancel it.

        `windows`: where the user may be now. The flight stays for the next request if it agrees with one.
        """
        request, self._request = self._request, None
        if request is not None:
            request.cancel()
        flight = self._flight
        if flight is not None and not any(flight.agrees(it) or flight.awaits(it) for it in windows):
            self.drop()

    def worth_a_glance(self, text: str, ask: Ask) -> str:
        """`text`, which the editor is then shown, or "" for a new one that is too short to be read.

        What is left of a text on screen stays, however short. Who asks with a key is shown all.
        """
        on_screen = self._seen is not None and _is_left(self._seen[1], typed_since(self._seen[0], ask.window))
        asked_for = ask.confidence <= 0 or ask.chosen > 0
        if not (on_screen or asked_for) and len("".join(text.split())) < GLANCE:
            text = ""
        self._seen = (ask.window, text) if text else None
        return text

    def drop(self) -> None:
        """Close the flight, if there is one."""
        if self._flight is not None:
            self._flight.close()
            self._flight = None


def _is_left(text: str, typed: str | None) -> bool:
    return typed is not None and text != typed and text.startswith(typed)
