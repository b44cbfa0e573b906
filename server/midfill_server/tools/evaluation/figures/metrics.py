"""What makes a completion good, as pure functions of text: `shown` was offered where `hidden` belongs."""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate

BELOW = 3  # so many lines below the cursor count as what is already there


def first_line(text: str) -> str:
    """Up to the end of the first line that holds more than blanks, without trailing blanks."""
    found = re.match(r"\s*[^\n]*", text)
    return found[0].rstrip() if found else ""


def right_so_far(shown: str, hidden: str) -> bool:
    """Whether all that was shown is right, though more may be missing; blanks at its end aside."""
    return hidden.startswith(shown.rstrip())


def similarity(shown: str, hidden: str) -> float:
    """1 - Levenshtein distance / length of the longer one, blanks at the ends aside; 1 for two empty ones."""
    one, other = shown.strip(), hidden.strip()
    longest = max(len(one), len(other))
    return 1 - distance(one, other) / longest if longest else 1.0


def distance(one: str, other: str) -> int:
    """Levenshtein's: insertions, deletions and replacements of characters."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(other, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def repeats(shown: str, hidden: str, prefix: str, suffix: str) -> bool:
    """Whether a shown line stands there already: among the next BELOW lines, or right above the cursor.

    Blank lines are passed over, and a line that `hidden` holds too is no repetition. A line of brackets
    alone counts only as the last one shown, against the very next line.
    """
    line_start = prefix[prefix.rfind("\n") + 1 :]
    lines = _lines(line_start + shown)
    right = {*_lines(line_start + hidden)}
    below = _lines(suffix.partition("\n")[2])[:BELOW]
    above = _lines(prefix[: len(prefix) - len(line_start)])[-1:]
    if not shown.strip():
        return False
    if lines[-1] in below[:1] and lines[-1] not in right:
        return True
    around = {line for line in below + above if re.search(r"\w", line)} - right
    return not around.isdisjoint(lines)


def loops(shown: str, hidden: str) -> bool:
    """Whether it goes round in circles: a line of words for the third time, unless `hidden` does so too."""
    often = {line for line, n in Counter(_lines(shown)).items() if n > 2 and re.search(r"\w", line)}
    return bool(often) and not often <= {*_lines(hidden)}


def whole_names(hidden: str, prefix: str, suffix: str) -> str:
    """`hidden` without the halves of words that the hole's ends have cut."""
    if re.match(r"\w", prefix[-1:]):
        hidden = re.sub(r"\A\w+", "", hidden)
    if re.match(r"\w", suffix[:1]):
        hidden = re.sub(r"\w+\Z", "", hidden)
    return hidden


def identifiers(text: str) -> set[str]:
    """Names of two characters or more, Python's keywords aside (most languages share the frequent ones)."""
    return {name for name in re.findall(r"[^\W\d]\w+", text) if name not in _KEYWORDS}


def recall(hidden: str, text: str) -> float | None:
    """The share of the identifiers of `hidden` that `text` holds; None when there are none."""
    wanted = identifiers(hidden)
    return len(wanted & identifiers(text)) / len(wanted) if wanted else None


def code_names(text: str, start: int, end: int, language: str) -> set[str]:
    """The identifiers in `text[start:end]` that are whole; in Python not those in comments and strings."""
    if language == "python":
        with suppress(tokenize.TokenError, SyntaxError):
            return identifiers(" ".join(_python_names(text, start, end)))
    return identifiers(whole_names(text[start:end], text[:start], text[end:]))


def _python_names(text: str, start: int, end: int) -> Iterator[str]:
    lines = text.split("\n")
    begins = [0, *accumulate(len(line) + 1 for line in lines)]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        at = begins[token.start[0] - 1] + token.start[1]
        if token.type == tokenize.NAME and start <= at and at + len(token.string) <= end:
            yield token.string


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip()]


_KEYWORDS = frozenset(keyword.kwlist)
