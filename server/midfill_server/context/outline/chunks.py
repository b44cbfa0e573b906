"""A file that is typed in, outlined piece by piece: a key changes one piece, and the others are known. Pure.

Where a piece begins is told by its first line and the one before, and by the statement that they may be part
of: the same places are found again wherever the look begins, and whatever is typed elsewhere. What a piece
stands in, such as a method's class, is found out when pieces are joined: it may change its name, and move.
"""

import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from zlib import crc32

from midfill_server.context.outline import IMPORT, LONGEST, PYTHONS, Contents, Outline, signature_lines
from midfill_server.context.outline.definitions import Frame, owned
from midfill_server.context.outline.long_strings import without_long_strings

SELDOM = 8  # of so many lines at the margin that may begin a piece one does
SELDOM_INSIDE = 64  # of so many that are indented
REMEMBERED = 1_024  # pieces
LONGEST_IMPORT = 400  # lines of one import statement

_BEGINS = re.compile(r"[ \t]*[^\W\d]")


@dataclass(slots=True)
class _Piece:
    """What a piece holds, and what became of it where it stood last; lines are counted from its first one."""

    contents: Contents
    around: tuple[Frame, ...] | None = None
    outline: Outline = field(default_factory=Outline)
    leaves: tuple[Frame, ...] = ()
    """What the lines behind it stand in."""
    attributes: set[tuple[str, str]] = field(default_factory=set)

    def stand_in(self, around: tuple[Frame, ...]) -> None:
        if around == self.around:
            return
        frames, self.around, self.attributes = list(around), around, set()
        definitions = tuple(owned(self.contents.found, frames, self.attributes))
        self.outline = Outline(definitions, self.contents.passages, self.contents.imports)
        self.leaves = tuple(frames)


class Chunks:
    """`read` reads one piece; None: nothing of the file may be told."""

    def __init__(self, read: Callable[[str, str], Contents | None]) -> None:
        self._read = read
        self._known: OrderedDict[tuple[str, str], _Piece | None] = OrderedDict()

    def outlines(self, lines: Sequence[str], ending: str) -> list[tuple[int, Outline]]:
        """(where a piece begins in `lines`, its outline, counted from there), from top to bottom.

        What owns a definition may stand before its piece: its line is negative then.
        """
        found: list[tuple[int, Outline]] = []
        around: tuple[Frame, ...] = ()
        attributes: set[tuple[str, str]] = set()
        for first, last in cuts(lines, ending):
            piece = self._piece("".join(lines[first:last]), ending)
            if piece is None:
                self._forget(len(found))
                return []
            piece.stand_in(_moved(around, -first))
            found.append((first, _without(piece, attributes)))
            around = _moved(piece.leaves, first)
            attributes |= piece.attributes
        self._forget(len(found))
        return found

    def _piece(self, text: str, ending: str) -> _Piece | None:
        if (text, ending) in self._known:
            self._known.move_to_end((text, ending))
            return self._known[text, ending]
        contents = self._read(text, ending)
        self._known[text, ending] = None if contents is None else _Piece(contents)
        return self._known[text, ending]

    def _forget(self, n: int) -> None:
        """The oldest pieces, but never one of the last `n`: those are wanted again with the next key."""
        while len(self._known) > max(REMEMBERED, 2 * n):
            self._known.popitem(last=False)


def cuts(lines: Sequence[str], ending: str) -> Iterator[tuple[int, int]]:
    """Where pieces begin and end: all of `lines`, in order."""
    plain = without_long_strings(lines) if ending in PYTHONS else lines
    imports = _imports(plain)
    first, imported = 0, -1
    for n in _places(plain):
        while imports and imports[0][0] < n:
            imported = max(imported, imports.popleft()[1])
        if n > imported and n > first and plain[n] == lines[n] and not _in_signature(plain, n):
            yield first, n
            first = n
    yield first, len(lines)


def _places(lines: Sequence[str]) -> Iterator[int]:
    """Lines that may begin a piece. All lines are looked at with each key, so this is done in few steps."""
    try:
        encoded = list(map(str.encode, lines))
    except UnicodeEncodeError:  # half of a character
        encoded = [line.encode("utf-8", "surrogatepass") for line in lines]
    sums = list(map(crc32, encoded))
    # what is said in each method shall not cut each of them in two: the line above counts, too
    pairs = enumerate(pairwise(sums), 1)
    likely = [n for n, (above, it) in pairs if not (it % SELDOM and (above + it) % SELDOM_INSIDE)]
    for n in likely:
        at_margin = lines[n][:1] > " "
        chosen = not (sums[n] % SELDOM if at_margin else (sums[n - 1] + sums[n]) % SELDOM_INSIDE)
        if chosen and _BEGINS.match(lines[n]):
            yield n


def _imports(lines: Sequence[str]) -> deque[tuple[int, int]]:
    """The first and last lines of import statements that take several."""
    begun = [n for n, line in enumerate(lines) if line[:1] > " " and ("(" in line or "{" in line)]
    found = deque[tuple[int, int]]()
    for n in begun:
        if IMPORT.match(lines[n]) and (not found or n > found[-1][1]):
            it = IMPORT.match("".join(lines[n : n + LONGEST_IMPORT]))
            found.append((n, n + (it[0].count("\n") if it else 0)))
    return found


def _in_signature(lines: Sequence[str], n: int) -> bool:
    """Whether a line is shown with one of those before it."""
    return any(first + len(signature_lines(lines, first)) > n for first in range(max(0, n - LONGEST + 1), n))


def _moved(frames: Iterable[Frame], by: int) -> tuple[Frame, ...]:
    return tuple(Frame(it.indent, it.owner and it.owner.moved(by)) for it in frames)


def _without(piece: _Piece, attributes: set[tuple[str, str]]) -> Outline:
    """A piece's outline but for attributes that are known from above."""
    it = piece.outline
    if attributes.isdisjoint(piece.attributes):
        return it
    new = [
        one
        for one in it.definitions
        if not (one.is_attribute and one.owner and (one.owner.name, one.name) in attributes)
    ]
    return Outline(tuple(new), it.passages, it.imports)
