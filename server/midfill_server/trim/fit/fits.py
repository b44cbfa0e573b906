"""Whether a whole item fits its place: by the grammar where there is one, else by what it leaves open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice

from midfill_server.context import Window
from midfill_server.context.languages.place import place_at_end
from midfill_server.context.languages.signs import signs_of
from midfill_server.trim.half import goes_on, half
from midfill_server.trim.lines import margin
from midfill_server.trim.rest import makes_a_strange_word
from midfill_server.trim.shape import one_line_only

from . import data, python, trees
from .balance import judge as lexer
from .brackets import balanced
from .mend import completed, shortened, wants_body
from .region import definition

_PARSED = 15_000  # characters, for all ways to mend one item: the front has other things to do
_LINES = 64  # that are judged, one after the other
_NEAR = 3_000  # characters before the cursor that tell whether it is in a comment
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Judge:
    """How a language is judged."""

    fits: Callable[[str, Window], bool | None]
    """Whether the code stays whole with the item at the cursor; None: cannot tell."""
    completed: Callable[[str, Window], Iterator[str]]
    """Ways to add what an item lacks at its end, best first."""
    whole: Callable[[str, Window], str] = lambda text, window: text
    """An item without what is half a thing at its end: what no parser tells."""
    costs: Callable[[Window], int] = lambda window: _PARSED // 6
    """How many characters it reads for a verdict."""


@dataclass(frozen=True, slots=True)
class Grammar(Judge):
    parses: Callable[[str], bool] = bool
    """Whether a whole file is without an error."""


def _grammar(
    parses: Callable[[str], bool],
    fits: Callable[[str, Window], bool | None],
    around: Callable[[Window], tuple[str, str]],
    comment: str,
) -> Grammar:
    """`around`: the definition around the cursor, up to it and from it. `comment` begins one of a line."""
    return Grammar(
        fits,
        lambda part, window: completed(part, around(window), window, comment),
        costs=lambda window: sum(map(len, around(window))),
        parses=parses,
    )


def _tree(language: str) -> Grammar:
    return _grammar(partial(trees.parses, language=language), trees.fits, trees.around, "//")


GRAMMARS: dict[str, Grammar] = {
    "python": _grammar(python.parses, python.fits, definition, "#"),
    **{language: _tree(language) for language in trees.LANGUAGES},
}
"""By LSP's name of the language; ask `grammar` which are installed."""

LEXER = Judge(lambda text, window: _leaves_whole(text, window), lexer.completed, half)
"""For languages that have no grammar here, but signs that are known."""

BRACKETS = Judge(
    lambda text, window: brackets_fit(text, window),
    lambda part, window: completed(part, (window.line_start, window.line_rest), window, ""),
)
"""For all other languages."""


def grammar(language: str) -> Grammar | None:
    """None where there is none. The first call for a language may take 20 ms."""
    there = language == "python" or trees.parser(language) is not None
    return GRAMMARS[language] if there else None


def judge_of(language: str) -> Judge:
    return grammar(language) or (LEXER if lexer.judges(language) else BRACKETS)


def fitting(text: str, window: Window) -> str:
    """The item as it is, or completed, or its longest beginning in whole lines, or its first line mended.

    "" when all of them leave broken code.
    """
    judge = judge_of(window.language)
    for part in _beginnings(text, window, judge):
        if _fits(part, window, judge):
            return part
        if (whole := _completed(part, window, judge)) is not None:
            return whole
    first_line = next(iter([*_beginnings(text, window, judge)][-1:]), "")
    ways = (way for way in _mended(first_line, window, judge) if judge.fits(way, window))
    return next((way for way in ways if not _is_poor(way, text, window)), "")


def _is_poor(way: str, text: str, window: Window) -> bool:
    """Whether a part of the text is worse than none: half a word, or a head that would take the next line."""
    cut_off = text[len(way) :].lstrip()[:1] == "{"
    if cut_off and wants_body(window.line_start + way) and not goes_on(way, window):
        return True
    return makes_a_strange_word(way, window, text)


@lru_cache(maxsize=8)  # asked with each token, and changes with each line
def fitting_lines(text: str, window: Window) -> str:
    """The longest beginning in whole lines that fits, or would with what `fitting` adds to it at the least.

    This much is certain of a text that grows: `fitting` tries the same beginnings in the same order.
    """
    judge = judge_of(window.language)
    for part in _beginnings(text, window, judge):
        if _fits(part, window, judge) or (_completed(part, window, judge) or "").startswith(part):
            return part
    return ""


def comment_closed(text: str, window: Window) -> str:
    """With the end of the comment that begins on the cursor's line, if the file has none for it."""
    signs, start = signs_of(window.language), window.line_start
    if signs is None or not text or window.line_rest.strip():
        return text
    for opens, closes in signs.block:
        begins, ends, next_one = start.rfind(opens), window.suffix.find(closes), window.suffix.find(opens)
        written = start[begins + len(opens) :] + text
        has_end = closes in written or (ends >= 0 and not 0 <= next_one < ends)
        if begins < 0 or has_end or any(sign in start[:begins] for sign in signs.line):
            continue
        if place_at_end(window.prefix[-_NEAR:], window.language).kind == "comment":
            starred = written.rpartition("\n")[2].lstrip().startswith("*")
            below = "\n" + margin(start) + " " * starred
            return text + (below if "\n" in text else " ") + closes
    return text


def leaves_comment(text: str, window: Window) -> bool:
    """Whether the item begins a comment that ends nowhere, or with the next one: no parser sees that."""
    return lexer.judges(window.language) and lexer.leaves_comment(text, window)


def brackets_fit(text: str, window: Window, strictly: bool = False) -> bool:
    """In the middle of a line that is whole without it, an item must be whole in itself.

    `strictly`: no judge could tell, as the code around is broken; then the line must become whole.
    """
    rest = window.line_rest
    if not one_line_only(window) or not rest.strip():
        return True
    if _glued(text, window):
        return False
    if strictly:
        return balanced(window.line_start + text + rest)
    return balanced(text) or not balanced(window.line_start + rest)


def _leaves_whole(text: str, window: Window) -> bool | None:
    if _glued(text, window):
        return False
    whole = data.fits(text, window) if window.language in data.LANGUAGES else None
    return lexer.fits(text, window) if whole is None else whole


def _glued(text: str, window: Window) -> bool:
    """Whether it ends so that the word behind it cannot follow: no language writes `)word` or `"word`."""
    return bool(_WORD.match(window.line_rest)) and one_line_only(window) and text[-1] in ")]}\"'`:"


def _fits(text: str, window: Window, judge: Judge) -> bool:
    if makes_a_strange_word(text, window, text):
        return False
    verdict = judge.fits(text, window)
    if verdict is None and judge is not LEXER and lexer.judges(window.language):  # broken code
        verdict = False if lexer.fits(text, window) is False else None
    elif verdict and isinstance(judge, Grammar):
        verdict = not leaves_comment(text, window)
    elif verdict is False and window.language in trees.LANGUAGES and lexer.judges(window.language):
        verdict = lexer.heals(text, window) and (
            lexer.ends_in_comment(text, window) or trees.hardly_worse(text, window)
        )
    return brackets_fit(text, window, strictly=judge is not LEXER) if verdict is None else verdict


def _completed(part: str, window: Window, judge: Judge) -> str | None:
    """With what it lacks at its end, if it fits then."""
    if _cut_off(part):
        return None
    way = next((way for way in _ways(part, window, judge) if _fits(way, window, judge)), None)
    closes_twice = way is not None and isinstance(judge, Grammar) and lexer.judges(window.language)
    if closes_twice and lexer.fits(way or "", window) is False and lexer.fits(part, window):
        return part  # what it would close is closed below: the window ends in the middle of code
    return way


def _ways(part: str, window: Window, judge: Judge) -> Iterator[str]:
    """Ways to complete it: none where a word follows, and no line where the body of its block does."""
    if not part or _WORD.match(window.line_rest):
        return
    closes_comment = isinstance(judge, Grammar) and leaves_comment(part, window)
    body_follows = goes_on(part, window)
    for way in (lexer if closes_comment else judge).completed(part, window):
        if not body_follows or way.count("\n") == part.count("\n"):
            yield way


def _mended(line: str, window: Window, judge: Judge) -> Iterator[str]:
    """Ways to show at least a part of a line, the best first."""

    def ways() -> Iterator[str]:
        yield from _ways(line, window, judge)
        for part in shortened(line, window):
            whole = judge.whole(part, window)
            yield whole
            yield from _ways(whole, window, judge)

    return islice(ways() if line else (), 6 + _PARSED // (1 + judge.costs(window)))


def _cut_off(text: str) -> bool:
    """Whether it has a last line that ends where a call begins: the lines before are enough."""
    return "\n" in text and text[-1] in "(["


def _beginnings(text: str, window: Window, judge: Judge) -> Iterator[str]:
    """In whole lines, all of them first; of a text without end its first lines."""
    text = "\n".join(text.split("\n", _LINES)[:_LINES])
    while (text := judge.whole(text, window)).strip():
        yield text
        text = text.rpartition("\n")[0].rstrip()
