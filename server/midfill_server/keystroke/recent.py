"""What is known already. In memory only, bounded, and gone with the process; pure, knows nothing of LSP."""

from collections import deque
from collections.abc import Iterable
from itertools import chain

from midfill_server.context import Window
from midfill_server.keystroke.written import Shown, Written

REMEMBERED = 64  # generations; at about 20,000 characters each little more than a megabyte
PLACES = 8  # whose alternatives are remembered


class Recent:
    """The last generations, looked up by document and by the text around the cursor."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._known: deque[tuple[str, Written]] = deque(maxlen=size)
        self._others: deque[tuple[str, Window, tuple[Written, ...]]] = deque(maxlen=PLACES)

    def add(self, uri: str, written: Written) -> None:
        """A whole one."""
        self._known.append((uri, written))

    def add_others(self, uri: str, window: Window, texts: Iterable[Written]) -> None:
        """What else was written at a place: known, too, but only where the rest knows nothing."""
        self._others.append((uri, window, tuple(text for text in texts if text.whole)))

    def others(self, uri: str, window: Window) -> list[str] | None:
        """What else is known there; None when it was never asked for."""
        for its_uri, its_window, texts in reversed(self._others):
            if (its_uri, its_window) == (uri, window):
                return [text.whole for text in texts if text.whole]
        return None

    def find(self, uri: str, window: Window, confidence: float) -> Shown | None:
        """What to show there, after what was typed since; None when nothing is known.

        It may be known that there is nothing to show.
        """
        others = ((its_uri, text) for its_uri, _, texts in reversed(self._others) for text in texts)
        for its_uri, written in chain(reversed(self._known), others):
            if its_uri == uri and (shown := written.shown_at(window, confidence)) is not None:
                return shown
        return None

    def clear(self) -> None:
        self._known.clear()
        self._others.clear()
