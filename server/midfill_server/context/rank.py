"""How much a definition is worth near a cursor: how it is related, and what names both share. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import exp, log, sqrt

from midfill_server.context.outline import NAME, Definition

NEAR = 2_000  # characters before the cursor whose names count, and half as many after it
FADES = 500  # characters before the cursor in which a name's weight falls to a third
RELATIONS = {
    "edited": 1.6,
    "named": 1.2,
    "own": 0.8,
    "own passage": 0.8,
    "member": 0.6,
    "imported": 0.5,
    "tests": 0.3,
    "open": 0.25,
    "passage": 0.2,
    "beside": 0.1,
}
"""What a piece is worth for where it comes from; a name shared with the cursor's line is worth 0.8."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that may be sent: the signature of a definition in the file that is shown as `shown`."""

    shown: str
    definition: Definition
    relation: str


@dataclass(frozen=True, slots=True)
class Near:
    """The names around a cursor, by weight, and the words that those are made of."""

    names: Mapping[str, float]
    words: frozenset[str]


def near(prefix: str, suffix: str) -> Near:
    """The nearer a name the more it counts."""
    before, after = prefix[-NEAR:], suffix[: NEAR // 2]
    names: dict[str, float] = {}
    for found in NAME.finditer(before):
        names[found[0]] = 0.2 + 0.8 * exp((found.end() - len(before)) / FADES)  # the last one counts
    for found in NAME.finditer(after):
        worth = 0.2 + 0.6 * exp(-found.start() / (0.6 * FADES))
        names[found[0]] = max(names.get(found[0], 0.0), worth)
    closest = NAME.findall(before[-300:] + " " + after[:150])
    return Near(names, frozenset(word for name in closest for word in words(name)))


def rarities(pieces: Iterable[Piece]) -> dict[str, float]:
    """For each name 0 … 1: what every piece holds tells nothing."""
    counts = Counter(name for piece in pieces for name in piece.definition.names)
    most = log(1 + max(counts.values(), default=1))
    return {name: 1 - 0.9 * log(n) / most for name, n in counts.items()}


def score(piece: Piece, around: Near, rare: Mapping[str, float]) -> float:
    """The worth of a piece; higher is better."""
    it = piece.definition
    both = it.names & around.names.keys()
    shared = sum(around.names[name] * rare.get(name, 1.0) for name in both)
    worth = RELATIONS[piece.relation] + 0.8 * shared + 1.5 * around.names.get(it.name, 0.0)
    if it.owner is not None:
        worth += 1.5 * around.names.get(it.owner.name, 0.0)
    worth += 0.5 * min(2, len(around.words.intersection(words(it.name))))
    if it.name.startswith("__"):
        worth -= 0.8
    return worth / sqrt(len(it.text) + 30)


@lru_cache(16_384)
def words(name: str) -> tuple[str, ...]:
    """Of names, in lower case: `read_URLPath` is read, url, path."""
    return tuple(word.lower() for word in _WORD.findall(name) if len(word) > 2)


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
