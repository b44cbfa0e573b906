"""The block that a line is in, by indentation: the lines beside it, and those that opened blocks around."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps

from midfill_server.context import Window
from midfill_server.context.languages.place import place_at_end
from midfill_server.trim.lines import columns

WIDEST = 300  # characters of a line that are looked at: patterns look more than once
_ABOVE, _BELOW = 200, 60  # lines
NEAR = 20_000  # characters that tell the kind of place
_WHOLE = 3_000  # a longer text may be cut at its beginning


@dataclass(frozen=True, slots=True)
class Line:
    """`code`: without indentation, nor a comma at its end."""

    depth: int  # columns
    code: str


def by_lines(cut: Callable[[str, Window], str]) -> Callable[[str, Window], str]:
    """For filters that judge lines: where no language is told, the first one is seen growing, and stays."""

    @wraps(cut)
    def apply(text: str, window: Window) -> str:
        shown = cut(text, window)
        if window.language:
            return shown
        blanks = len(text) - len(text.lstrip())
        return max(shown, text[:blanks] + text[blanks:].partition("\n")[0], key=len)

    return apply


def item_lines(text: str, window: Window) -> list[str]:
    """The lines of an item, the first one with what the cursor's line begins with."""
    return (window.line_start + text).split("\n")


def up_to(n: int, text: str) -> str:
    """The first `n` lines."""
    return "\n".join(text.split("\n")[:n])


def line_of(text: str) -> Line:
    return Line(columns(text), text.strip().rstrip(" ,"))


@lru_cache(maxsize=4)
def above(window: Window) -> tuple[Line, ...]:
    """The lines above the cursor's, from top to bottom, without blank ones."""
    lines = window.prefix[: len(window.prefix) - len(window.line_start)].split("\n")[-_ABOVE:]
    return tuple(line_of(it) for it in lines if it.strip())


def far_above(window: Window) -> list[Line]:
    """Those further up, as far as the window goes; costs more, and is seldom asked for."""
    lines = window.prefix[: len(window.prefix) - len(window.line_start)].split("\n")[:-_ABOVE]
    return [line_of(it) for it in lines if it.strip()]


@lru_cache(maxsize=4)
def below(window: Window) -> tuple[Line, ...]:
    """Those below it."""
    lines = window.suffix.partition("\n")[2][: _BELOW * 200].split("\n")[:_BELOW]
    return tuple(line_of(it) for it in lines if it.strip())


def beside(line: Line, before: Sequence[Line], n: int, after: Sequence[Line]) -> Iterator[Line]:
    """The lines of the same block and depth, the nearest above first; of `before` the first `n` alone."""
    for place in range(len(before) - 1, -1, -1):
        it = before[place]
        if it.depth < line.depth:
            break
        if it.depth == line.depth and place < n:
            yield it
    for it in after:
        if it.depth < line.depth:
            break
        if it.depth == line.depth:
            yield it


def is_code(window: Window, added: str = "") -> bool:
    """Whether the cursor, once `added` is inserted, is neither in a comment nor in a string."""
    code = window.prefix[-NEAR:] + added
    return place_at_end(code, window.language, cut=len(code) > _WHOLE).kind == "code"


def around(line: Line, before: Sequence[Line]) -> Iterator[Line]:
    """The lines that opened the blocks which the line is in, the innermost first."""
    depth = line.depth
    for it in reversed(before):
        if it.depth < depth:
            depth = it.depth
            yield it
        if not depth:
            break


_NUMBER = re.compile(r"\d+")


def shape(code: str) -> str:
    """The same for lines that differ in their numbers alone."""
    return _NUMBER.sub("0", code)
