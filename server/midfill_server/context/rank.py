"""How much a definition is worth near a cursor: how it is related, and what names both share. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log, sqrt

from midfill_server.context.outline import Definition

NEAR = 2_000  # characters before the cursor whose names count, and half as many after it
RELATIONS = {
    "edited": 4.0,
    "named": 3.0,
    "member": 1.6,
    "imported": 1.2,
    "own": 1.6,
    "tests": 0.8,
    "open": 0.6,
    "beside": 0.3,
}
"""What a piece is worth for where it comes from."""


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
    for found in _NAME.finditer(before):
        names[found[0]] = 0.4 + 0.6 * found.end() / len(before)  # the last one counts
    for found in _NAME.finditer(after):
        names[found[0]] = max(names.get(found[0], 0.0), 0.4 + 0.4 * (1 - found.start() / len(after)))
    closest = " ".join(_NAME.findall(before[-300:] + " " + after[:150]))
    return Near(names, frozenset(words(closest)))


def rarities(texts: Iterable[str]) -> dict[str, float]:
    """For each name 0 … 1: what every piece holds tells nothing."""
    counts = Counter(name for text in texts for name in set(_NAME.findall(text)))
    most = log(1 + max(counts.values(), default=1))
    return {name: 1 - 0.9 * log(n) / most for name, n in counts.items()}


def score(piece: Piece, around: Near, rare: Mapping[str, float]) -> float:
    """The worth of a piece; higher is better."""
    it = piece.definition
    shared = sum(
        around.names[name] * rare.get(name, 1.0)
        for name in set(_NAME.findall(it.text))
        if name in around.names
    )
    worth = RELATIONS[piece.relation] + 0.8 * shared + 1.5 * around.names.get(it.name, 0.0)
    if it.owner is not None:
        worth += 1.5 * around.names.get(it.owner.name, 0.0)
    worth += 0.5 * min(2, len(around.words.intersection(words(it.name))))
    if it.name.startswith("__"):
        worth -= 0.8
    return worth / sqrt(len(it.text) + 30)


def words(name: str) -> list[str]:
    """Of names, in lower case: `read_URLPath` is read, url, path."""
    return [word.lower() for word in _WORD.findall(name) if len(word) > 2]


_NAME = re.compile(r"[^\W\d]\w+")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
