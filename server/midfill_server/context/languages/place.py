"""What kind of place a cursor is in: code, a comment or a string, by the signs of its language alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from midfill_server.context.languages.signs import Quote, Signs, signs_of

Kind = Literal["code", "comment", "string"]

_BEFORE_REGEX = r"[(=,:!&|?\[;{}]"
REGEX_LITERAL = (  # behind at most one blank
    rf"(?:(?<={_BEFORE_REGEX})|(?<={_BEFORE_REGEX}[ \t]))/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/"
)


@dataclass(frozen=True, slots=True)
class Place:
    """`start`: where the comment or the string begins, in characters; `closes`: what would end it."""

    kind: Kind = "code"
    start: int = 0
    closes: str = ""


CODE = Place()


def place_at_end(text: str, language: str, cut: bool = False) -> Place:
    """The kind of place that `text` ends in; code where nothing is known of the language.

    `cut`: its beginning is not the file's, so it may begin inside a string or a comment of several lines. Of
    the ways to read it that one is taken which leaves the least code inside of such strings and comments. A
    text that is inside the same one from end to end is taken for code. Linear in the text's length.
    """
    if (signs := signs_of(language)) is None:
        return CODE
    readings = [_read(text, 0, signs)]
    if cut:
        readings += _readings_from_inside(text, signs)
    return min(readings, key=lambda reading: reading.code_inside).place


@dataclass(frozen=True, slots=True)
class _Reading:
    """`code_inside`: how many signs of code stand in what spans lines; few, if it is read right."""

    place: Place
    code_inside: int


def _read(text: str, start: int, signs: Signs) -> _Reading:
    """`text` from `start` on, as if code began there."""
    last, inside = None, _n_code_signs(text[:start])
    for last in _scanner(signs).finditer(text, start):
        if "\n" in (found := last[0]):
            inside += _n_code_signs(found)
    if last is None or last.end() < len(text) or last.lastgroup is None:
        return _Reading(CODE, inside)
    name = last.lastgroup
    closed = not name.startswith("line") and last[f"{name}_end"] is not None
    if closed:
        return _Reading(CODE, inside)
    kind: Kind = "string" if name.startswith("string") else "comment"
    return _Reading(Place(kind, last.start(), _closers(signs)[name]), inside)


def _readings_from_inside(text: str, signs: Signs) -> Iterator[_Reading]:
    """As if it began in each of the language's strings and comments of several lines."""
    closers = [closes for _, closes in signs.block]
    closers += [quote.closes for quote in signs.quotes if quote.ends == "closer"]
    for closes in closers:
        if (at := text.find(closes)) >= 0:
            yield _read(text, at + len(closes), signs)


def _n_code_signs(text: str) -> int:
    shown = _EXAMPLE.sub("", text) if ">>>" in text else text
    return sum(map(shown.count, "()[]{}=;"))


_EXAMPLE = re.compile(r"^[ \t]*>>>[^\n]*\n[^\n]*", re.MULTILINE)  # in Python's docstrings, with its answer


@lru_cache
def _scanner(signs: Signs) -> re.Pattern[str]:
    """Finds comments and strings, whole or open, each as a group of its own; passes over regex literals."""
    before = r"(?<!\S)" if signs.line_needs_blank else ""
    parts = [
        f"(?P<block{n}>{re.escape(opens)}{_inside(closes)}(?:(?P<block{n}_end>{re.escape(closes)})|\\Z))"
        for n, (opens, closes) in enumerate(signs.block)
    ]
    parts += [f"(?P<line{n}>{before}{re.escape(opens)}[^\n]*)" for n, opens in enumerate(signs.line)]
    parts += [REGEX_LITERAL] if signs.regex else []
    parts += [f"(?P<string{n}>{_string(quote, f'string{n}_end')})" for n, quote in enumerate(signs.quotes)]
    if not parts:
        return re.compile(r"(?!)")
    openers = [opens for opens, _ in signs.block] + [*signs.line] + [quote.opens for quote in signs.quotes]
    first = "".join({re.escape(opens[0]) for opens in [*openers, *"/"[: signs.regex]]})
    return re.compile(
        f"(?=[{first}])(?:{'|'.join(parts)})"
    )  # most characters begin nothing: seen at one look


def _string(quote: Quote, end: str) -> str:
    """A pattern of the whole string, or of what there is of it; the group `end` is its closer."""
    opens, closes = re.escape(quote.opens), re.escape(quote.closes)
    if quote.ends == "never":
        return rf"{opens}(?:\\.[^'\n]{{0,8}}|[^\\\n])(?P<{end}>{closes})"
    ends_with_line = quote.ends == "line"
    open_end = r"(?=\n)|\\?\Z" if ends_with_line else r"\\?\Z"
    inside = _inside(quote.closes, quote.escapes, ends_with_line)
    return f"{opens}{inside}(?:(?P<{end}>{closes})|{open_end})"


def _inside(closes: str, escapes: bool = False, ends_with_line: bool = False) -> str:
    """A pattern of all up to what closes it, in strides that are never taken back."""
    first, others = re.escape(closes[0]), re.escape(closes[1:])
    stops = first + r"\\" * escapes + r"\n" * ends_with_line
    steps = [f"[^{stops}]++"]
    if escapes:
        steps.append(r"\\[\s\S]")
    if others:
        steps.append(f"{first}(?!{others})")
    return f"(?:{'|'.join(steps)})*+"


@lru_cache
def _closers(signs: Signs) -> dict[str, str]:
    """What ends each group of the scanner; a line's end as \\n."""
    return (
        {f"block{n}": closes for n, (_, closes) in enumerate(signs.block)}
        | {f"line{n}": "\n" for n, _ in enumerate(signs.line)}
        | {f"string{n}": quote.closes for n, quote in enumerate(signs.quotes)}
    )
