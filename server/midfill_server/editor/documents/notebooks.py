"""A notebook's cells are one text: what stands above a cell is read before it. Knows nothing of completion.

Editors tell of cells in one of two ways. With LSP's notebook synchronisation the notebook names its cells, in
their order. Without it VS Code opens each cell as a document of its own, `vscode-notebook-cell:PATH#HANDLE`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from lsprotocol import types as lsp

from midfill_server.context.languages.signs import signs_of
from midfill_server.editor.documents.text import Document, Documents

MARKUP = lsp.NotebookCellKind.Markup
VSCODE = "vscode-notebook-cell"
PROSE = frozenset({"markdown", "plaintext", "raw", "restructuredtext", "html"})


@dataclass(frozen=True, slots=True)
class View:
    """A document as it is read: by itself, or as one cell of a notebook."""

    uri: str
    """Of the document, or of its notebook."""
    lines: Sequence[str]
    """Those of the cells above, as the document's language has them, and the document's own."""
    first: int = 0
    """Where the document's own begin."""
    below: Sequence[str] = ()
    """Those of the cells below."""
    is_cell: bool = False
    language: str = ""

    @property
    def all_lines(self) -> Sequence[str]:
        return [*self.lines[:-1], self.lines[-1] + "\n", "\n", *self.below] if self.below else self.lines


@dataclass(frozen=True, slots=True)
class _Cell:
    uri: str
    is_prose: bool


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a cell's `lines` are for the cells of another language."""

    lines: tuple[str, ...]
    read: tuple[str, ...]


class Notebooks:
    """The notebooks of one editor. Their cells' texts are documents like all others."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._cells: dict[str, list[_Cell]] = {}
        """Of each notebook that is synchronised, in their order."""
        self._notebook: dict[str, str] = {}
        """Of each of those cells."""
        self._read: dict[str, dict[str, _Reading]] = {}
        """Of each cell, for each language that it was read for."""

    def open(self, notebook: lsp.NotebookDocument) -> None:
        self.close(notebook.uri)  # it may be told twice
        self._cells[notebook.uri] = []
        self._rearrange(notebook.uri, 0, 0, notebook.cells)

    def change(self, uri: str, array: lsp.NotebookCellArrayChange) -> None:
        """Cells came, went, or moved."""
        if uri in self._cells:
            self._rearrange(uri, array.start, array.delete_count, array.cells or ())

    def close(self, uri: str) -> None:
        self._left(uri, self._cells.pop(uri, ()))

    def home_of(self, uri: str) -> str:
        """The URI of a cell's notebook; of any other document its own."""
        if (notebook := self._notebook.get(uri)) is not None:
            return notebook
        return _notebook_of(uri) if _is_bare_cell(uri) else uri

    def view(self, document: Document) -> View:
        if (cells := self._around(document.uri)) is None:
            return View(document.uri, document.lines, language=document.language)
        uri, order = cells
        names = [cell.uri for cell in order]
        place = names.index(document.uri)
        above = [line for cell in order[:place] for line in self._as_read(cell, document)]
        below = [line for cell in order[place + 1 :] for line in self._as_read(cell, document)]
        return View(uri, [*above, *document.lines], len(above), below, True, document.language)

    def views(self, first: View) -> Iterator[View]:
        """That one, then one of each other document, and of each other notebook one of its code."""
        seen = {first.uri}
        yield first
        for uri, document in self._documents.items():
            home = self.home_of(uri)
            if home in seen or (home != uri and document.language in PROSE):
                continue
            seen.add(home)
            alone = home == uri and self._around(uri) is None
            it = self.view(document)
            yield replace(it, lines=document.snapshot) if alone else it

    def forget(self, uri: str) -> None:
        """That document is closed."""
        self._read.pop(uri, None)

    def _rearrange(self, uri: str, start: int, n_gone: int, cells: Iterable[lsp.NotebookCell]) -> None:
        new = [_Cell(cell.document, cell.kind == MARKUP) for cell in cells]
        gone = self._cells[uri][start : start + n_gone]
        self._cells[uri][start : start + n_gone] = new
        self._left(uri, gone)
        self._notebook.update((cell.uri, uri) for cell in new)

    def _left(self, uri: str, gone: Iterable[_Cell]) -> None:
        """Cells left that notebook's list: one that moves may stand in it twice, or in another's already."""
        stay = {cell.uri for cell in self._cells.get(uri, ())}
        for cell in gone:
            if cell.uri not in stay and self._notebook.get(cell.uri) == uri:
                del self._notebook[cell.uri]

    def _around(self, uri: str) -> tuple[str, list[_Cell]] | None:
        """(the notebook's URI, its cells) of a cell; None for a document that is none."""
        if (notebook := self._notebook.get(uri)) is not None:
            return notebook, self._cells[notebook]
        if not _is_bare_cell(uri):
            return None
        base = uri.partition("#")[0]
        cells = [
            _Cell(name, document.language in PROSE)
            for name, document in self._documents.items()
            if name.partition("#")[0] == base
        ]
        return _notebook_of(uri), sorted(cells, key=lambda cell: _handle(cell.uri))

    def _as_read(self, cell: _Cell, reader: Document) -> Sequence[str]:
        """Another cell's lines for a document; read once, for a notebook may be long."""
        if (document := self._documents.get(cell.uri)) is None:
            return ()
        readings = self._read.setdefault(cell.uri, {})
        known = readings.get(reader.language)
        if known is None or known.lines is not document.snapshot:
            known = _Reading(document.snapshot, tuple(_as_read(cell, document, reader.language)))
            readings[reader.language] = known
        return known.read


def _as_read(cell: _Cell, document: Document, language: str) -> Iterator[str]:
    """Its own language as it is, prose beside code as comments."""
    if not any(map(str.strip, document.lines)):
        return
    if document.language == language:
        lines = list(_code(document.lines) if language == "python" else document.lines)
    elif cell.is_prose and language not in PROSE:
        lines = list(_as_comments(document.lines, language))
    else:
        return
    yield from (line if line.endswith(("\n", "\r")) else f"{line}\n" for line in lines if line)
    yield "\n"


def _code(lines: Sequence[str]) -> Iterator[str]:
    """Python, and what Jupyter adds to it as comments: a cell with another language's magic is all one."""
    foreign = _FOREIGN.match("".join(lines[:20])) is not None
    for line in lines:
        yield f"# {line}" if (foreign and line.strip()) or _MAGIC.match(line) else line


_MAGIC = re.compile(r"[ \t]*(?:%{1,2}\w|!|\?)")
_FOREIGN = re.compile(r"\s*%%(?!(?:time|timeit|capture|prun|memit)\b)\w")


def _as_comments(lines: Sequence[str], language: str) -> Iterator[str]:
    if (signs := signs_of(language)) is None:
        return
    opening, closing = signs.comment
    for line in lines:
        if line.strip() and not (closing and closing in line):
            yield " ".join(filter(None, (opening, line.strip(), closing))) + "\n"


def _is_bare_cell(uri: str) -> bool:
    return "#" in uri and uri.lower().startswith(f"{VSCODE}:")


def _handle(uri: str) -> tuple[int, str, str]:
    """The order of cells as VS Code has numbered them: `W0s…`, `W1s…`, … `X10s…`, in base 7."""
    handle = unquote(uri.partition("#")[2]).partition("s")[0]
    return len(handle), handle, uri


def _notebook_of(uri: str) -> str:
    """The notebook's own URI: its scheme stands behind the handle, in base 64."""
    place, _, fragment = uri.partition("#")
    code = unquote(fragment).partition("s")[2].rstrip("=")
    try:
        raw = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4))
    except ValueError:
        raw = b""
    scheme = raw.decode("ascii", "replace")
    return (scheme if _SCHEME.fullmatch(scheme) else "file") + place[len(VSCODE) :]


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
