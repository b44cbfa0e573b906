"""Whether a whole item fits its place: by the grammar where there is one here, else by brackets alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice

from midfill_server.context import Window
from midfill_server.trim.shape import one_line_only

from . import python, trees
from .brackets import balanced
from .mend import completed, shortened
from .region import definition

_PARSED = 15_000  # characters, for all ways to mend one item: the front has other things to do
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a language is judged."""

    parses: Callable[[str], bool]
    """Whether a whole file is without an error."""
    fits: Callable[[str, Window], bool | None]
    """Whether the code stays whole with the item at the cursor; None: cannot tell."""
    around: Callable[[Window], tuple[str, str]]
    """The definition around the cursor, up to it and from it: which brackets are open."""
    comment: str
    """What begins a comment of one line."""


def _tree(language: str) -> Grammar:
    return Grammar(partial(trees.parses, language=language), trees.fits, trees.around, "//")


GRAMMARS: dict[str, Grammar] = {
    "python": Grammar(python.parses, python.fits, definition, "#"),
    **{language: _tree(language) for language in trees.LANGUAGES},
}
"""By LSP's name of the language; ask `grammar` which are installed."""

BRACKETS = Grammar(
    lambda text: True,
    lambda text, window: brackets_fit(text, window),
    lambda window: (window.line_start, window.line_rest),
    "",
)
"""For all other languages."""


def grammar(language: str) -> Grammar | None:
    """None where there is none. The first call for a language may take 20 ms."""
    there = language == "python" or trees.parser(language) is not None
    return GRAMMARS[language] if there else None


def fitting(text: str, window: Window) -> str:
    """The item as it is, or completed, or its longest beginning in whole lines, or its first line mended.

    "" when all of them leave broken code.
    """
    judge = grammar(window.language) or BRACKETS
    for part in _beginnings(text):
        if _fits(part, window):
            return part
        if (whole := _completed(part, window, judge)) is not None:
            return whole
    first_line = next(iter([*_beginnings(text)][-1:]), "")
    return next((way for way in _mended(first_line, window, judge) if judge.fits(way, window)), "")


@lru_cache(maxsize=8)  # asked with each token, and changes with each line
def fitting_lines(text: str, window: Window) -> str:
    """The longest beginning in whole lines that fits, or would with what `fitting` adds to it at the least.

    This much is certain of a text that grows: `fitting` tries the same beginnings in the same order.
    """
    judge = grammar(window.language) or BRACKETS
    for part in _beginnings(text):
        if _fits(part, window) or (_completed(part, window, judge) or "").startswith(part):
            return part
    return ""


def brackets_fit(text: str, window: Window, strictly: bool = False) -> bool:
    """In the middle of a line that is whole without it, an item must be whole in itself.

    `strictly`: the grammar could not tell, as the code around is broken; then the line must become whole.
    """
    rest = window.line_rest
    if not one_line_only(window) or not rest.strip():
        return True
    if _WORD.match(rest) and text[-1] in ")]}\"'`:":
        return False  # no language writes `)word` or `"word`
    if strictly:
        return balanced(window.line_start + text + rest)
    return balanced(text) or not balanced(window.line_start + rest)


def _fits(text: str, window: Window) -> bool:
    if (judge := grammar(window.language)) is None:
        return brackets_fit(text, window)
    verdict = judge.fits(text, window)
    return brackets_fit(text, window, strictly=True) if verdict is None else verdict


def _completed(part: str, window: Window, judge: Grammar) -> str | None:
    """With what it lacks at its end, if it fits then."""
    if _cut_off(part):
        return None
    ways = completed(part, judge.around(window), window, judge.comment)
    return next((way for way in ways if judge.fits(way, window)), None)


def _mended(line: str, window: Window, judge: Grammar) -> Iterator[str]:
    """Ways to show at least a part of a line, the best first."""
    around = judge.around(window)

    def ways() -> Iterator[str]:
        yield from completed(line, around, window, judge.comment)
        for part in shortened(line, window):
            yield part
            yield from completed(part, around, window, judge.comment)

    return islice(ways() if line else (), 6 + _PARSED // (1 + sum(map(len, around))))


def _cut_off(text: str) -> bool:
    """Whether it has a last line that ends where a call begins: the lines before are enough."""
    return "\n" in text and text[-1] in "(["


def _beginnings(text: str) -> Iterator[str]:
    """In whole lines, all of them first."""
    while text.strip():
        yield text
        text = text.rpartition("\n")[0].rstrip()
