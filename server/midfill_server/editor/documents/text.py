"""The text of open files, exact in every position encoding. Knows nothing of completion.

LSP ends a line at \\n, \\r\\n and \\r, nowhere else; `str.splitlines` would also cut at \\f, \\x85, U+2028.
A file is kept as its lines, so that a keystroke in 5 MB touches one line, not the whole text; and of a line
of a megabyte only what is put there is read again.
"""

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lsprotocol import types as lsp


@dataclass(slots=True)
class Document:
    """One open file. `lines` keep their ends; the last one has none and may be empty."""

    uri: str
    version: int
    lines: list[str]
    language: str = ""
    length: int = field(default=0)  # characters
    cursor: tuple[int, int] = (0, 0)
    """Where the last edit ended, as (line, character index): most likely the user is there."""
    inserted: tuple[tuple[int, int], str] = ((0, 0), "")
    """Where the last edit began, and what it has put there."""
    deleted: tuple[tuple[int, int], str] = ((0, 0), "")
    """Where text was deleted, and what stood behind that place; nothing once something was inserted."""
    _kept: tuple[str, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.length = sum(map(len, self.lines))

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def snapshot(self) -> tuple[str, ...]:
        """Its lines as they are now, for other threads: the same object until the next edit."""
        if self._kept is None:
            self._kept = tuple(self.lines)
        return self._kept

    @property
    def newline(self) -> str:
        """The line ending that the file uses: its first one."""
        return _line_end(self.lines[0]) or "\n"

    def locate(self, position: lsp.Position, encoding: str) -> tuple[int, int]:
        """(line, character index) of an LSP position, clamped as the specification asks."""
        if position.line >= len(self.lines):
            return len(self.lines) - 1, len(self.lines[-1])
        line = self.lines[position.line]
        end = len(line) - len(_line_end(line))
        if position.character < end:  # each character takes at least one unit: further on is nothing to read
            line = line[: position.character + 1]
            return position.line, _index(line, position.character, encoding)
        return position.line, _index(line[:end], position.character, encoding)

    def places(self, offsets: Iterable[int]) -> Iterator[tuple[int, int]]:
        """(line, character index) of these offsets in what was inserted last."""
        (line, index), text = self.inserted
        for offset in offsets:
            *above, last = split_lines(text[:offset])
            yield line + len(above), len(last) + (0 if above else index)

    def deleted_at(self, place: tuple[int, int]) -> str:
        """What the user has just deleted behind `place`."""
        at, text = self.deleted
        return text if at == place else ""

    def _removed(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        """What goes with this deletion, and went with those before it: with backspace, or forwards."""
        lines = self.lines[start[0] : end[0] + 1]
        lines[-1] = lines[-1][: end[1]]
        lines[0] = lines[0][start[1] :]
        text = "".join(lines).replace("\r\n", "\n").replace("\r", "\n")
        return self.deleted_at(start) + text + (self.deleted_at(end) if end != start else "")

    def replace(self, edit: lsp.Range, new: str, encoding: str) -> None:
        start, end = sorted((self.locate(edit.start, encoding), self.locate(edit.end, encoding)))
        first, last = start[0], end[0]
        self.deleted = start, "" if new else self._removed(start, end)
        *above, at_cursor = split_lines(new)
        self.cursor = first + len(above), len(at_cursor) + (0 if above else start[1])
        self.inserted = start, new
        head, tail = self.lines[first][: start[1]], self.lines[last][end[1] :]
        if first and self.lines[first - 1].endswith("\r") and (head or new or tail).startswith("\n"):
            first -= 1  # the edit completed a \r\n
            head = self.lines[first] + head
        self._put(first, last, _between(head, new, tail))

    def _put(self, first: int, last: int, lines: list[str]) -> None:
        """These in the place of the lines `first` to `last`."""
        if last + 1 < len(self.lines):
            lines.pop()  # it is empty: they end where the next line starts
        self.length += sum(map(len, lines)) - sum(map(len, self.lines[first : last + 1]))
        self.lines[first : last + 1] = lines
        self._kept = None

    def replace_all(self, text: str) -> None:
        self.lines = split_lines(_joined_surrogates(text))
        self.length = sum(map(len, self.lines))
        self.cursor, self.inserted, self.deleted = (0, 0), ((0, 0), ""), ((0, 0), "")
        self._kept = None


class Documents:
    """The files that the editor has open, by URI."""

    def __init__(self) -> None:
        self.encoding: str = "utf-16"
        self._open: dict[str, Document] = {}

    def get(self, uri: str) -> Document | None:
        return self._open.get(uri)

    def items(self) -> Iterable[tuple[str, Document]]:
        return self._open.items()

    def open(self, item: lsp.TextDocumentItem) -> Document:
        lines = split_lines(_joined_surrogates(item.text))
        self._open[item.uri] = document = Document(item.uri, item.version, lines, item.language_id)
        return document

    def close(self, uri: str) -> None:
        self._open.pop(uri, None)

    def change(
        self, uri: str, version: int, changes: Iterable[lsp.TextDocumentContentChangeEvent]
    ) -> Document | None:
        """Apply the changes in order; None when the file was never opened."""
        if (document := self._open.get(uri)) is None:
            return None
        for change in changes:
            if isinstance(change, lsp.TextDocumentContentChangePartial):
                document.replace(change.range, change.text, self.encoding)
            else:
                document.replace_all(change.text)
        document.version = version
        return document


def split_lines(text: str) -> list[str]:
    """Lines with their ends, and what follows the last end (perhaps nothing). Never empty."""
    lines = io.StringIO(text, newline="").readlines()
    if not lines or _line_end(lines[-1]):
        lines.append("")
    return lines


def _between(head: str, new: str, tail: str) -> list[str]:
    """The lines of all three together, where `head` is the start of a line and `tail` the end of one."""
    whole_end = new.endswith("\r") and tail.startswith("\n")  # or of two
    if whole_end or head.endswith(("\r", "\n")) or _SURROGATE.search(f"{head[-1:]}{new}{tail[:1]}"):
        return split_lines(_joined_surrogates(head + new + tail))
    lines = split_lines(new)
    lines[0] = head + lines[0]
    lines[-1] += tail
    if _line_end(tail):
        lines.append("")
    return lines


_SURROGATE = re.compile("[\ud800-\udfff]")


def _line_end(line: str) -> str:
    if line.endswith("\r\n"):
        return "\r\n"
    return line[-1:] if line.endswith(("\n", "\r")) else ""


def _index(line: str, units: int, encoding: str) -> int:
    """How many characters of `line` lie before `units` code units; inside a character counts as before it."""
    if encoding == "utf-32" or line.isascii():
        return min(units, len(line))
    if encoding == "utf-8":
        raw = line.encode("utf-8", "surrogatepass")
        while 0 < units < len(raw) and raw[units] & 0xC0 == 0x80:
            units -= 1
        return len(raw[:units].decode("utf-8", "surrogatepass"))
    raw = line.encode("utf-16-le", "surrogatepass")
    if 0 < units < len(raw) // 2 and _splits_pair(raw, units):
        units -= 1
    return len(raw[: 2 * units].decode("utf-16-le", "surrogatepass"))


def _splits_pair(utf16: bytes, units: int) -> bool:
    before, after = utf16[2 * units - 1], utf16[2 * units + 1]  # high bytes of the two neighbours
    return before & 0xFC == 0xD8 and after & 0xFC == 0xDC


def _joined_surrogates(text: str) -> str:
    """JSON may deliver the halves of a pair in two edits: join them, so that lengths stay exact."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
