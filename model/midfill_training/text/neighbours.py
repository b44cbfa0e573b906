"""What other files say, as the language server sends it: blocks of signatures and passages before the prompt.

The choice is the server's own, made by its own code; which files there are, the corpus says.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from midfill_server.context.languages.comments import comment
from midfill_server.context.outline import NAME, outline
from midfill_server.context.ranking import pack
from midfill_server.context.ranking.rank import Piece, pieces_of, ranked

LANGUAGES = frozenset(
    {"python", "javascript", "typescript", "c", "cpp", "go", "rust", "java", "ruby", "php"}
    | {"shell", "sql", "html", "css", "config"}
)
"""Those of the corpus whose prompts have other files."""
LOOKED_AT = 6_000  # characters of one file


@dataclass(frozen=True, slots=True)
class Other:
    """A part of a file, the path that it is shown under, and whether the cursor's file imports it."""

    path: str
    text: str
    is_imported: bool = False


def blocks(path: str, head: str, others: Sequence[Other], around: Mapping[str, float], budget: int) -> str:
    """At most about `budget` characters of `others`, then the name of the cursor's file: its text follows.

    "" when nothing is worth it. `head` are that file's import statements. It may be among `others`, too, with
    what the window does not hold of it.
    """
    taken = frozenset(NAME.findall(head))
    pieces = [piece for other in others for piece in _pieces(other, path, taken)]
    packed = pack.blocks(pack.choose(ranked(pieces, around), budget), (), path)
    return "".join(packed.values()) + comment(path, path) + "\n" if packed else ""


def part(text: str, chance: random.Random) -> str:
    """LOOKED_AT characters of a file, from the start of a line."""
    if len(text) <= LOOKED_AT:
        return text
    start = text.find("\n", chance.randrange(len(text) - LOOKED_AT)) + 1
    return text[start : start + LOOKED_AT]


def _pieces(other: Other, own: str, taken: frozenset[str]) -> Iterator[Piece]:
    found = outline(other.text, PurePosixPath(other.path).suffix)
    if other.path == own:
        yield from (Piece(own, it, "own") for it in found.definitions)
        yield from (Piece(own, it, "own passage") for it in found.passages)
    else:
        names = taken if other.is_imported else frozenset()
        yield from pieces_of(other.path, found, names, "imported" if other.is_imported else "beside")
