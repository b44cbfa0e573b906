"""What follows the item on screen, fetched once that has stood for a moment, as if it were accepted."""

import asyncio
from collections.abc import Callable, Sequence

from midfill_server.context import Window
from midfill_server.keystroke.flight import Ask, Flight
from midfill_server.keystroke.typed import typed_since

READING_SECONDS = 0.3  # an item that stands so long is being read


class Ahead:
    """One background generation: due after `READING_SECONDS`, then under way.

    It lasts while the user types what the item says, and becomes an ordinary flight once that is typed or
    accepted. Any other request ends it, here and, as its order says, in the engine.
    """

    def __init__(self, ask: Ask, take_off: Callable[[Ask], Flight]) -> None:
        self.ask = ask
        self._flight: Flight | None = None
        self._take_off = take_off
        self._timer = asyncio.get_running_loop().call_later(READING_SECONDS, self._start)

    def still_wanted(self, windows: Sequence[Window]) -> bool:
        """Whether the user, who may be at one of these, is on the way to the item's end, or beyond."""
        return any(typed_since(it, self.ask.window) is not None for it in windows) or (
            self._flight is not None and any(self._flight.agrees(it) for it in windows)
        )

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
        self._flight = self._take_off(self.ask)
