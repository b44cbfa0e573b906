"""A file that is typed in, outlined piece by piece: a key changes one piece, and the others are known. Pure.

Where a piece begins is told by its first line alone, so the same places are found again wherever the look
begins, and whatever is typed elsewhere.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from zlib import crc32

from midfill_server.context.outline import Outline

SELDOM = 8  # of so many lines that may begin a piece one does
REMEMBERED = 1_024  # pieces

_BEGINS = re.compile(r"[^\W\d]")  # at the margin, so that what owns a definition stands in its piece
_SURELY_CODE = re.compile(r"(?:async |def |class |@|from |import )")
_QUOTES = '"""', "'''"


class Chunks:
    """`outline_of` reads one piece; None: nothing of the file may be told."""

    def __init__(self, outline_of: Callable[[str, str], Outline | None]) -> None:
        self._outline_of = outline_of
        self._known: OrderedDict[tuple[str, str], Outline | None] = OrderedDict()

    def outlines(self, lines: Sequence[str], ending: str) -> list[tuple[int, Outline]]:
        """(where a piece begins in `lines`, its outline, counted from there), from top to bottom."""
        found = []
        for first, last in cuts(lines):
            piece = "".join(lines[first:last]), ending
            known = self._known.pop(piece) if piece in self._known else self._outline_of(*piece)
            self._known[piece] = known
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            if known is None:
                return []
            found.append((first, known))
        return found


def cuts(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where pieces begin and end: all of `lines`, in order."""
    first, quote = 0, ""
    for n, line in enumerate(lines):
        if line[:1] > " " and _BEGINS.match(line):
            if _SURELY_CODE.match(line):
                quote = ""  # the look may have begun in a string
            if not quote and n > first and crc32(line.encode("utf-8", "surrogatepass")) % SELDOM == 0:
                yield first, n
                first = n
        if '""' in line or "''" in line:
            quote = _open_quote(line, quote)
    yield first, len(lines)


def _open_quote(line: str, quote: str) -> str:
    """Which of Python's long strings the line leaves open, with `quote` open at its start."""
    for found in re.finditer("|".join(_QUOTES), line):
        if not quote:
            quote = found[0]
        elif quote == found[0]:
            quote = ""
    return quote
