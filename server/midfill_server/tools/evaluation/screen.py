"""The ghost text that a user sees, as VS Code shows it; pure, knows nothing of servers."""

from __future__ import annotations

import re
from collections.abc import Callable

NOTICED = 0.25  # seconds that text must stand before somebody presses Tab for it


class Screen:
    """What stands behind the cursor. `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.text = ""
        self.n_texts = self.n_flashed = 0
        """Texts that were shown, and those of them that the very next key took away."""
        self._clock = clock
        self._since = 0.0
        self._flashes = False

    def show(self, text: str) -> None:
        """An answer, or a part of one: what grows keeps its age."""
        if not (self.text and text.startswith(self.text)):
            self._since = self._clock()
            self.n_texts += bool(text)
            self._flashes = True
        self.text = text

    def typed(self, key: str) -> None:
        """Typing what it says shortens it, anything else removes it."""
        if self.text.startswith(key):
            self.text, self._flashes = self.text.removeprefix(key), False
        elif self.text:
            self.n_flashed += self._flashes
            self.text = ""

    @property
    def noticed(self) -> bool:
        return bool(self.text) and self._clock() - self._since >= NOTICED


def useful(shown: str, ahead: str) -> str:
    """The part of `shown` that a user would accept who is about to type `ahead`: all, its first line, or "".

    A first line that ends within what is ahead is right as far as it goes.
    """
    if not shown:
        return ""
    if ahead.startswith(shown):
        return shown
    n_blank = len(shown) - len(shown.lstrip())
    line = shown[:n_blank] + shown[n_blank:].partition("\n")[0]
    return line if line.strip() and ahead.startswith(line) else ""


def right_words(shown: str, ahead: str) -> list[str]:
    """The words and signs at the beginning of `shown` that a user would accept one by one."""
    words: list[str] = []
    while (word := next_word(shown)) and next_word(ahead) == word:
        words.append(word)
        shown, ahead = shown.removeprefix(word), ahead.removeprefix(word)
    return words


def next_word(text: str) -> str:
    """The first word or sign of a text, with the blanks before it."""
    found = re.match(r"\s*(?:\w+|[^\w\s]+)", text)
    return found[0] if found else ""
