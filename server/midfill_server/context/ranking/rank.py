"""How much a piece of a file is worth near a cursor: shared names, and how the files are related. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import exp, log, sqrt

from midfill_server.context.outline import NAME, Definition, Outline

NEAR = 2_000  # characters before the cursor whose names count, and half as many after it
FADES = 250  # characters before the cursor in which a name's weight falls to a third
RELATIONS = {
    "edited": 1.0,
    "named": 0.8,
    "own": 0.5,
    "own passage": 0.5,
    "member": 0.4,
    "imported": 0.3,
    "tests": 0.2,
    "open": 0.15,
    "passage": 0.1,
    "beside": 0.05,
}
"""What a piece is worth for where it comes from; a rare name shared with the cursor's line is worth 1."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that may be sent: the signature of a definition in the file that is shown as `shown`."""

    shown: str
    definition: Definition
    relation: str
    first: int = 0
    """The line of the file that the definition's lines are counted from."""

    @property
    def line(self) -> int:
        return self.first + self.definition.line

    @property
    def owner(self) -> tuple[int, Definition] | None:
        """The line and the first lines of what it stands in."""
        owner = self.definition.owner
        return None if owner is None else (self.first + owner.line, owner)


def pieces_of(shown: str, outline: Outline, names: frozenset[str], relation: str) -> Iterator[Piece]:
    """All of a file that is related so to the cursor's, which takes `names` from it."""
    for it in outline.definitions:
        if it.name in names and it.owner is None:
            yield Piece(shown, it, "named")
        elif it.owner is not None and it.owner.name in names:
            yield Piece(shown, it, "member")
        else:
            yield Piece(shown, it, relation)
    yield from (Piece(shown, it, "passage") for it in outline.passages)


def ranked(pieces: Sequence[Piece], around: Mapping[str, float]) -> list[Piece]:
    """The best first. `around` as of `near`."""
    rare = rarities(pieces, around.keys())
    return sorted(pieces, key=lambda piece: -score(piece, around, rare))


def near(prefix: str, suffix: str) -> dict[str, float]:
    """The names around a cursor and what they weigh: the nearer the more, and a few lines away little."""
    before, after = prefix[-NEAR:], suffix[: NEAR // 2]
    names: dict[str, float] = {}
    for found in NAME.finditer(before):
        names[found[0]] = 0.1 + 0.9 * exp((found.end() - len(before)) / FADES)  # the last one counts
    for found in NAME.finditer(after):
        worth = 0.1 + 0.6 * exp(-found.start() / (0.6 * FADES))
        names[found[0]] = max(names.get(found[0], 0.0), worth)
    return names


def rarities(pieces: Iterable[Piece], asked: Collection[str]) -> dict[str, float]:
    """For each name that is asked for and that a piece holds 0 … 1: what every piece holds tells nothing."""
    counts = Counter(chain.from_iterable([piece.definition.names for piece in pieces]))  # counted in C
    most = log(1 + max(counts.values(), default=1))
    return {name: (1 - 0.9 * log(counts[name]) / most) ** 2 for name in asked if name in counts}


def score(piece: Piece, around: Mapping[str, float], rare: Mapping[str, float]) -> float:
    """The worth of a piece; higher is better. `around` as of `near`, `rare` as of `rarities`."""
    it = piece.definition
    worth = RELATIONS[piece.relation]
    if not around.keys().isdisjoint(it.names):  # most pieces share nothing
        worth += sum(around[name] * rare.get(name, 1.0) for name in it.names & around.keys())
    worth += 0.5 * around.get(it.name, 0.0)
    if it.owner is not None:
        worth += 0.5 * around.get(it.owner.name, 0.0)
    return worth / sqrt(len(it.text) + 100)
