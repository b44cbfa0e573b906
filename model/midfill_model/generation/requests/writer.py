"""From tokens to the text that is shown: whole characters, up to a stop string, without what was typed."""

import codecs
from dataclasses import dataclass, replace
from typing import Protocol


class Spelling(Protocol):
    def token_bytes(self, id_: int) -> bytes:
        """The bytes that a token stands for; a control token stands for none."""


class Detokenizer:
    """Ids to text, one at a time; the bytes of an unfinished character are held back."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, id_: int) -> str:
        return self._utf8.decode(self._spelling.token_bytes(id_))


class StopStrings:
    """Passes text on up to the stop string that is complete first; what may become one is held back.

    Of two that end at one place the longer one counts. So the outcome does not depend on how a text is split.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that is safe to show, and whether a stop string was met (nothing may follow then)."""
        text = self._held + text
        hits = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if hits:
            self._held = ""
            return text[: min(hits)[1]], True
        n_held = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - n_held :]
        return text[: len(text) - n_held], False

    def finish(self) -> str:
        """What was held back and did not become a stop string."""
        return self._held


@dataclass(frozen=True, slots=True)
class Shown:
    """A token as it is shown: its text, and the log-probability of all of it."""

    text: str
    log_probability: float


class Writer:
    """A completion's tokens -> what is shown of each: the text but for its first `n_typed` characters.

    A token waits, and those after it, for the rest of a character or as long as it may begin a stop string.
    The last one may be cut by such a string. All that is shown belongs to some token.
    """

    def __init__(self, spelling: Spelling, n_typed: int, stops: tuple[str, ...]) -> None:
        self._text, self._stops = Detokenizer(spelling), StopStrings(stops)
        self._n_typed = n_typed
        self._waiting: list[Shown] = []
        self._n_safe = 0  # characters of those that may be shown

    def push(self, id_: int, log_probability: float) -> tuple[list[Shown], bool]:
        """What is to be shown now, and whether a stop string was met (nothing may follow then)."""
        text, n_typed = self._text.push(id_), self._n_typed
        self._n_typed -= min(n_typed, len(text))
        if n_typed and n_typed >= len(text):
            return [], False
        self._waiting.append(Shown(text[n_typed:], log_probability))
        safe, is_stopped = self._stops.push(text[n_typed:])
        self._n_safe += len(safe)
        return self._shown(cut=is_stopped), is_stopped

    def finish(self) -> list[Shown]:
        """What waited and did not become a stop string."""
        self._n_safe += len(self._stops.finish())
        return self._shown(cut=True)

    def _shown(self, cut: bool) -> list[Shown]:
        """The waiting tokens whose whole text is safe; with `cut` the safe part of the next one, too."""
        n_shown = n_characters = 0
        for n, token in enumerate(self._waiting, 1):
            if cut and n_characters < self._n_safe < n_characters + len(token.text):
                token = replace(token, text=token.text[: self._n_safe - n_characters])
                self._waiting[n - 1] = token
            n_characters += len(token.text)
            if n_characters > self._n_safe:
                break
            if token.text:  # those without text wait for the one that completes their character
                n_shown = n
        shown, self._waiting = self._waiting[:n_shown], self._waiting[n_shown:]
        self._n_safe -= sum(len(token.text) for token in shown)
        return shown


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` begin `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


def begins_character(spelling: bytes) -> bool:
    """Whether a token is no later part of a character."""
    return not spelling or is_first(spelling[0])


def is_first(byte: int) -> bool:
    """Whether a character of UTF-8 begins with it."""
    return byte & 0b1100_0000 != 0b1000_0000
