"""What other files say, as the language server sends it: blocks of signatures and passages before the prompt.

The layout is that of `midfill_server.context`, the choice a lighter one: thousands are made a second. Pieces
are ranked by the names that they share with the cursor's surroundings; the rarer and the nearer count most.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

PASSAGE = 6  # lines
LEAD = 3  # lines before a passage, whose names count
LOOKED_AT = 6_000  # characters of one file
NEAR = 2_000  # characters before the cursor whose names count, and half as many after it
FADES = 500  # characters in which a name's weight falls to a third
HEAD = 1_500  # characters of import statements
ELSEWHERE = ", elsewhere in this file"
COMMENTS = {"python": "#", "shell": "#", "config": "#", "javascript": "//", "typescript": "//", "c": "//"}
_NAME = re.compile(r"[^\W\d]\w+")
_DEFINITION = re.compile(
    r"[ \t]*(?:(?:async |export |default |static )*(?:def|class|function|interface|struct) +(\w+))"
)
_IMPORT = re.compile(r"^(?:(?:from[ ]+[\w.]+[ ]+import|import|#include)\b(?:[^\n(]|\([^()]*\))*)", re.M)


@dataclass(frozen=True, slots=True)
class Other:
    """A part of a file, and the path that it is shown under."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class _Piece:
    path: str
    line: int
    text: str
    names: frozenset[str]
    defines: str
    """The name that its signature gives to something; a passage has none."""


def blocks(path: str, language: str, others: Sequence[Other], near: dict[str, float], budget: int) -> str:
    """At most about `budget` characters of `others`, the ones that share names with `near` first.

    Then the name of the cursor's own file, whose text follows; "" when nothing is worth it.
    """
    mark, own = COMMENTS[language], f"{path}{ELSEWHERE}"
    pieces = [piece for other in others for piece in _pieces(other)]
    counts = Counter(name for piece in pieces for name in piece.names)
    most = log(1 + max(counts.values(), default=1))

    def score(piece: _Piece) -> float:
        shared = sum(near[name] * (1 - 0.9 * log(counts[name]) / most) for name in piece.names & near.keys())
        worth = 0.8 if piece.path == own else 0.5 if piece.defines else 0.2
        return (worth + 0.8 * shared + 1.5 * near.get(piece.defines, 0.0)) / sqrt(len(piece.text) + 30)

    chosen: dict[str, dict[int, str]] = {}
    taken: set[tuple[str, int]] = set()
    for piece in sorted(pieces, key=score, reverse=True):
        cost = len(piece.text) + 1 + (0 if piece.path in chosen else len(piece.path) + 4)
        if cost > budget or (piece.path, piece.line) in taken:
            continue
        budget -= cost
        lines = chosen.setdefault(piece.path, {})
        lines[piece.line] = piece.text
        taken.add((piece.path, piece.line))
        for n in range(piece.line + 1, 0 if piece.defines else piece.line + PASSAGE):
            taken.add((piece.path, n))
            lines.pop(n, None)  # its passage holds it
        if budget < 60:
            break
    text = "".join(
        "\n".join([f"{mark} {it}", *(lines[n] for n in sorted(lines))]) + "\n\n"
        for it, lines in sorted(chosen.items(), key=lambda block: block[0] == own)
    )
    return f"{text}{mark} {path}\n" if text else ""


def names_near(prefix: str, suffix: str) -> dict[str, float]:
    """The names around a cursor; the nearer the more they weigh."""
    before, after = prefix[-NEAR:], suffix[: NEAR // 2]
    names = {
        found[0]: 0.2 + 0.8 * exp((found.end() - len(before)) / FADES) for found in _NAME.finditer(before)
    }
    for found in _NAME.finditer(after):
        worth = 0.2 + 0.6 * exp(-found.start() / (0.6 * FADES))
        names[found[0]] = max(names.get(found[0], 0.0), worth)
    return names


def names_in(text: str) -> set[str]:
    return set(_NAME.findall(text))


def imports(text: str) -> str:
    """The import statements of a file as they stand, at most HEAD characters."""
    kept = ""
    for found in _IMPORT.finditer(text):
        if len(kept) + len(found[0]) >= HEAD:
            break
        kept += found[0] + "\n"
    return kept


def part(text: str, chance: random.Random) -> str:
    """LOOKED_AT characters of a file, from the start of a line."""
    if len(text) <= LOOKED_AT:
        return text
    start = text.find("\n", chance.randrange(len(text) - LOOKED_AT)) + 1
    return text[start : start + LOOKED_AT]


def _pieces(other: Other) -> Iterator[_Piece]:
    lines = other.text.split("\n")
    for first in range(0, len(lines), PASSAGE):
        passage = "\n".join(lines[first : first + PASSAGE]).rstrip()
        if passage.strip():
            names = _NAME.findall("\n".join(lines[max(0, first - LEAD) : first + PASSAGE]))
            yield _Piece(other.path, first, passage, frozenset(names), "")
    for n, line in enumerate(lines):
        found = _DEFINITION.match(line)
        if found and line.rstrip().endswith((":", "{")):
            text = line.rstrip() + (" ..." if line.rstrip().endswith(":") else " ... }")
            yield _Piece(other.path, n, text, frozenset(_NAME.findall(text)), found[1])
