"""Answers already known. In memory only, bounded, and gone with the process; pure, knows nothing of LSP."""

from collections import deque
from dataclasses import dataclass

from midfill_server.context import Window

REMEMBERED = 64  # answers; at about 20,000 characters each little more than a megabyte


class Recent:
    """The last answers, looked up by document and by the text around the cursor."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._answers: deque[_Answer] = deque(maxlen=size)

    def add(self, uri: str, window: Window, text: str) -> None:
        self._answers.append(_Answer(uri, window, text))

    def find(self, uri: str, window: Window) -> str | None:
        """What is left of a known answer after what was typed since; None when there is none.

        An answer may be known to be "": nothing to show.
        """
        for answer in reversed(self._answers):
            if answer.uri == uri and (rest := rest_of(answer.text, answer.window, window)) is not None:
                return rest
        return None

    def clear(self) -> None:
        self._answers.clear()


@dataclass(frozen=True, slots=True)
class _Answer:
    uri: str
    window: Window
    text: str


def rest_of(text: str, asked: Window, now: Window) -> str | None:
    """What is left of `text`, the answer for `asked`, now that the user has typed on.

    None when the user typed something else, or all of it: what follows is not known then.
    """
    typed = typed_since(asked, now)
    if typed is None or not text.startswith(typed) or (typed and typed == text):
        return None
    return text[len(typed) :]


def typed_since(asked: Window, now: Window) -> str | None:
    """The characters typed at the cursor between two windows; None when anything else changed too."""
    if asked.suffix != now.suffix or not now.prefix.startswith(asked.prefix):
        return None
    return now.prefix[len(asked.prefix) :]
