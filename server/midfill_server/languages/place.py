"""What kind of place a cursor is in: code, a comment or a string, by the signs of its language alone."""

import re
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from midfill_server.languages.signs import Quote, Signs, signs_of

Kind = Literal["code", "comment", "string"]

_REGEX_LITERAL = r"(?<=[(=,:!&|?\[;{}])[ \t]*/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/"


@dataclass(frozen=True, slots=True)
class Place:
    """`start`: where the comment or the string begins, in characters; `closes`: what would end it."""

    kind: Kind = "code"
    start: int = 0
    closes: str = ""


CODE = Place()


def place_at_end(text: str, language: str) -> Place:
    """The kind of place that `text` ends in; code where nothing is known of the language.

    One pass over the text, linear in its length. A text whose beginning is cut off inside a string of several
    lines is misread up to that string's end.
    """
    if (signs := signs_of(language)) is None:
        return CODE
    newest = deque(_scanner(signs).finditer(text), maxlen=1)
    last = newest[0] if newest else None
    if last is None or last.end() < len(text) or last.lastgroup is None:
        return CODE
    name = last.lastgroup
    closed = not name.startswith("line") and last[f"{name}_end"] is not None
    if closed:
        return CODE
    return Place("string" if name.startswith("string") else "comment", last.start(), _closers(signs)[name])


@lru_cache
def _scanner(signs: Signs) -> re.Pattern[str]:
    """Finds comments and strings, whole or open, each as a group of its own; passes over regex literals."""
    before = r"(?<!\S)" if signs.line_needs_blank else ""
    parts = [
        f"(?P<block{n}>{re.escape(opens)}[\\s\\S]*?(?:(?P<block{n}_end>{re.escape(closes)})|\\Z))"
        for n, (opens, closes) in enumerate(signs.block)
    ]
    parts += [f"(?P<line{n}>{before}{re.escape(opens)}[^\n]*)" for n, opens in enumerate(signs.line)]
    parts += [_REGEX_LITERAL] if signs.regex else []
    parts += [f"(?P<string{n}>{_string(quote, f'string{n}_end')})" for n, quote in enumerate(signs.quotes)]
    return re.compile("|".join(parts) if parts else r"(?!)")


def _string(quote: Quote, end: str) -> str:
    """A pattern of the whole string, or of what there is of it; the group `end` is its closer."""
    opens, closes = re.escape(quote.opens), re.escape(quote.closes)
    if quote.ends == "never":
        return rf"{opens}(?:\\.[^'\n]{{0,8}}|[^\\\n])(?P<{end}>{closes})"
    sign = r"[^\\\n]" if quote.ends == "line" else r"[^\\]"
    if not quote.escapes:
        sign = r"[^\n]" if quote.ends == "line" else r"[\s\S]"
    escape = r"\\[\s\S]|" if quote.escapes else ""
    open_end = r"(?=\n)|\\?\Z" if quote.ends == "line" else r"\\?\Z"
    return f"{opens}(?:{escape}(?!{closes}){sign})*(?:(?P<{end}>{closes})|{open_end})"


@lru_cache
def _closers(signs: Signs) -> dict[str, str]:
    """What ends each group of the scanner; a line's end as \\n."""
    return (
        {f"block{n}": closes for n, (_, closes) in enumerate(signs.block)}
        | {f"line{n}": "\n" for n, _ in enumerate(signs.line)}
        | {f"string{n}": quote.closes for n, quote in enumerate(signs.quotes)}
    )
