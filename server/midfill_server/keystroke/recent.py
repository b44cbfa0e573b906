"""What is known already. In memory only, bounded, and gone with the process; pure, knows nothing of LSP."""

from collections import deque

from midfill_server.context import Window
from midfill_server.keystroke.written import Shown, Written

REMEMBERED = 64  # generations; at about 20,000 characters each little more than a megabyte


class Recent:
    """The last generations, looked up by document and by the text around the cursor."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._known: deque[tuple[str, Written]] = deque(maxlen=size)

    def add(self, uri: str, written: Written) -> None:
        """A whole one."""
        self._known.append((uri, written))

    def find(self, uri: str, window: Window, confidence: float) -> Shown | None:
        """What to show there, after what was typed since; None when nothing is known.

        It may be known that there is nothing to show.
        """
        for its_uri, written in reversed(self._known):
            if its_uri == uri and (shown := written.shown_at(window, confidence)) is not None:
                return shown
        return None

    def clear(self) -> None:
        self._known.clear()
