"""From ranked pieces to blocks of text, one for each file, in an order that stays as it was. Pure."""

from collections.abc import Mapping, Sequence

from midfill_server.context.languages.comments import comment
from midfill_server.context.outline import PASSAGE, Definition
from midfill_server.context.ranking.rank import Piece


def choose(ranked: Sequence[Piece], budget: int) -> list[Piece]:
    """The best pieces that together take at most `budget` characters, with headers and owners."""
    chosen: list[Piece] = []
    files: set[str] = set()
    taken: set[tuple[str, int]] = set()
    for piece in ranked:
        it, owner = piece.definition, piece.owner
        if (
            piece.shown,
            piece.line,
        ) in taken:  # it came along with one of its members, or stands in a passage
            continue
        cost = len(it.text) + 1 + (0 if piece.shown in files else len(piece.shown) + 4)
        if owner is not None and (piece.shown, owner[0]) not in taken:
            cost += len(owner[1].text) + 1
        if cost > budget:
            if budget < 60:
                break
            continue
        budget -= cost
        files.add(piece.shown)
        taken.update((piece.shown, piece.line + n) for n in range(1 if it.name else PASSAGE))
        if owner is not None:
            taken.add((piece.shown, owner[0]))
        chosen.append(piece)
    return chosen


def blocks(chosen: Sequence[Piece], order: Sequence[str], own: str) -> dict[str, str]:
    """{file: its block}, those of `order` first in that order, and what is `own` last: its file follows.

    A block is the file's name as a comment and signatures from top to bottom.
    """
    by_file: dict[str, dict[int, Definition]] = {}
    for piece in chosen:
        lines = by_file.setdefault(piece.shown, {})
        lines[piece.line] = piece.definition
        if (owner := piece.owner) is not None:
            lines.setdefault(*owner)
    for lines in by_file.values():
        inside = {first + n for first, it in lines.items() if not it.name for n in range(1, PASSAGE)}
        for line in inside & lines.keys():
            del lines[line]
    known: Mapping[str, int] = {shown: n for n, shown in enumerate(order)}
    shown = sorted(by_file, key=lambda it: (it == own, known.get(it, len(known))))
    return {it: _block(it, by_file[it], it == own) for it in shown}


def _block(shown: str, lines: Mapping[int, Definition], own: bool) -> str:
    title = f"{shown}, elsewhere in this file" if own else shown
    return "\n".join([comment(title, shown), *(lines[n].text for n in sorted(lines))]) + "\n\n"
