"""The ghost text that a user sees, as VS Code shows it; pure, knows nothing of servers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

NOTICED = 0.25  # seconds that text must stand before somebody presses Tab for it


HELPS = 4  # keys: fewer are typed sooner than a text is read


@dataclass(slots=True)
class Episode:
    """One ghost text, from the moment it appears until it is gone, grown and typed into meanwhile."""

    began: float  # seconds
    length: int = 0  # characters without blanks, at its longest
    right: int = 0  # keys that it foretold
    keys: int = 0  # keys that were pressed while it stood
    seconds: float = 0.0
    ended: bool = False

    @property
    def useful(self) -> bool:
        return self.right >= HELPS

    @property
    def wrong(self) -> bool:
        """From its first character on."""
        return self.keys > 0 and self.right == 0

    @property
    def flashed(self) -> bool:
        """Of no use, and gone with the very next key."""
        return self.ended and self.keys == 1 and not self.useful


class Screen:
    """What stands behind the cursor. `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.text = ""
        self.episodes: list[Episode] = []
        self._clock = clock
        self._since = 0.0

    def show(self, text: str) -> None:
        """An answer, or a part of one: what grows keeps its age."""
        if not (self.text and text.startswith(self.text)):
            self._since = self._clock()
            if not (text and self.text.startswith(text)):  # what is cut shorter is the same text
                self._end()
                if text:
                    self.episodes.append(Episode(self._since))
        self.text = text
        if text:
            episode = self.episodes[-1]
            episode.length = max(episode.length, episode.right + len("".join(text.split())))

    def typed(self, key: str) -> None:
        """Typing what it says shortens it, anything else removes it."""
        if self.text:
            self.episodes[-1].keys += 1
        if self.text.startswith(key):
            self.episodes[-1].right += 1
            self.text = self.text.removeprefix(key)
        else:
            self.text = ""
        if not self.text:
            self._end()

    @property
    def noticed(self) -> bool:
        return bool(self.text) and self._clock() - self._since >= NOTICED

    def _end(self) -> None:
        if self.episodes and not self.episodes[-1].ended:
            self.episodes[-1].ended = True
            self.episodes[-1].seconds = self._clock() - self.episodes[-1].began


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
