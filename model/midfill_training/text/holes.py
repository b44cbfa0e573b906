"""Where the middle of a sample is, as people meet it. Knows characters, no ids.

Half of the holes begin anywhere, so that a cursor inside a word is learned too. The other half begin where
people wait for ghost text: at a word, behind an opening bracket or a comma, behind a new line's indentation.
"""

from __future__ import annotations

import random
import re

SPAN = 40  # characters, on average
LONGEST_ARGUMENTS = 300  # characters
_WORD = re.compile(r"\w+|[^\w\s]+")
_ARGUMENT = re.compile(r"[(\[{,][ \n]?")
_CLOSER = re.compile(r"\s*\n[ \t]*(?:[)\]}]+[;,]?|end)(?=\n|$)")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def hole(text: str, budget: int, chance: random.Random) -> tuple[int, int]:
    """(where the hole begins, where it ends): the rest of a line, lines, a block, arguments, a few words."""
    at = chance.randrange(len(text))
    kind = chance.random()
    if kind < 0.30:  # from anywhere to the end of the line
        return at, line_end(text, at)
    if kind < 0.45:
        return _at_a_word(text, at, chance)
    if kind < 0.53:
        return _arguments(text, at)
    if kind < 0.67:  # one line or a few, behind their indentation
        start, end, _ = _line(text, at)
        return start, _lines_on(text, end, chance.choice((0, 0, 1, 2, 4)))
    if kind < 0.79:  # the rest of the line and some lines after it
        return at, _lines_on(text, line_end(text, at), chance.choice((1, 2, 3, 6)))
    if kind < 0.86:
        return _block(text, at, budget)
    if kind < 0.92:  # the rest of the block
        _, end, indent = _line(text, at)
        return at, min(_block_end(text, end, indent), at + budget * 2)
    return at, min(len(text), at + 1 + int(chance.expovariate(1 / SPAN)))


def at_the_end(text: str, budget: int, chance: random.Random) -> tuple[int, int]:
    """From anywhere, or behind the indentation, to where the block ends: all that is below is left out."""
    at = chance.randrange(len(text))
    start, end, indent = _line(text, at)
    deeper = _indent_below(text, end)
    if deeper <= indent:
        stop = _block_end(text, end, max(indent, 1))
    else:  # a header's block belongs to it, and what closes it: nobody wants `if x:` without what it does
        stop = _block_end(text, end, deeper)
        closer = _CLOSER.match(text, stop)
        stop = closer.end() if closer else stop
    return (at if chance.random() < 0.5 else start), max(end, min(stop, at + budget * 2))


def line_end(text: str, start: int) -> int:
    """Where the line that holds `start` ends, or the text."""
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _line(text: str, at: int) -> tuple[int, int, int]:
    """Of the line that holds `at`: where it begins behind its blanks, where it ends, how many those are."""
    first, end = text.rfind("\n", 0, at) + 1, line_end(text, at)
    indent = len(text[first:end]) - len(text[first:end].lstrip())
    return (first + indent if first + indent < end else first), end, indent


def _at_a_word(text: str, at: int, chance: random.Random) -> tuple[int, int]:
    start, end, _ = _line(text, at)
    starts = [found.start() for found in _WORD.finditer(text, start, end)]
    return (chance.choice(starts) if starts else start), end


def _arguments(text: str, at: int) -> tuple[int, int]:
    """From behind the next opening bracket or comma to where that closes; else the rest of the line."""
    found = _ARGUMENT.search(text, at, at + 400)
    if found is None:
        return at, line_end(text, at)
    start = found.end()
    awaited: list[str] = []
    for n in range(start, min(len(text), start + LONGEST_ARGUMENTS)):
        sign = text[n]
        if sign in _PAIRS:
            awaited.append(_PAIRS[sign])
        elif sign in ")]}":
            if not awaited:
                return start, n
            awaited.pop()
    return start, line_end(text, start)


def _block(text: str, at: int, budget: int) -> tuple[int, int]:
    """A line behind its indentation, and what follows until a blank line or one that is indented less."""
    start, end, indent = _line(text, at)
    blank = text.find("\n\n", end)
    stop = _block_end(text, end, indent)
    return start, max(end, min(stop if blank < 0 else min(stop, blank), start + budget * 2))


def _lines_on(text: str, end: int, count: int) -> int:
    for _ in range(count):
        end = line_end(text, end + 1)
    return end


def _indent_below(text: str, end: int) -> int:
    """How far the next line that is not blank is indented; 0 at the end."""
    while end < len(text):
        following = line_end(text, end + 1)
        line = text[end + 1 : following]
        if line.strip():
            return len(line) - len(line.lstrip())
        end = following
    return 0


def _block_end(text: str, first_end: int, indent: int) -> int:
    """Before the first line below that is indented less."""
    end = first_end
    while end < len(text):
        following = line_end(text, end + 1)
        line = text[end + 1 : following]
        if line.strip() and len(line) - len(line.lstrip()) < indent:
            break
        end = following
    return end - (len(text[first_end:end]) - len(text[first_end:end].rstrip()))
