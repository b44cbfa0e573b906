"""What to send along with one cursor: pieces from everywhere, ranked, packed. Runs in a thread of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from midfill_server.context.files import Files, stem
from midfill_server.context.languages.comments import comment
from midfill_server.context.outline import IMPORTS, PASSAGE, Definition, Outline, head, imports
from midfill_server.context.ranking.imports import Imported, resolve
from midfill_server.context.ranking.pack import blocks, choose
from midfill_server.context.ranking.rank import Piece, near, pieces_of, ranked

CONTEXT_CHARACTERS_PER_TOKEN = 3.2  # fewer than code has, so that the engine need not cut
EDITED_LINES = 8  # that are shown around an edit
MOST_FILES = 24  # that are looked into for one cursor
OWN = 120_000  # characters of the cursor's own file that are looked into, around the cursor


@dataclass(frozen=True, slots=True)
class Spot:
    """A cursor, and what is open and edited elsewhere. `path` is the cursor's file.

    `seen` are the first and last line that the window holds already; `order` is the last order of files.
    """

    path: Path
    lines: Sequence[str]
    """Of a large file those around the cursor."""
    prefix: str
    suffix: str
    seen: tuple[int, int]
    budget: int  # tokens
    open: Mapping[Path, Sequence[str]] = field(default_factory=dict)
    edited: tuple[tuple[Path, int], ...] = ()
    """The last edits in other files, the newest first."""
    order: tuple[str, ...] = ()
    endings: Mapping[Path, str] = field(default_factory=dict)
    """What the names of some that are open lack to tell their language: of new ones, of notebooks."""
    start: int = 0
    """Which line of the file is the first of `lines`."""
    top: Sequence[str] = ()
    """The file's first lines, if `lines` begins later."""

    def named(self, path: Path) -> Path:
        """With a name that tells the language."""
        return path.with_name(path.name + self.endings[path]) if path in self.endings else path


def collect(spot: Spot, files: Files) -> dict[str, str]:
    """{file as it is shown: its block of text}, in the order of the prompt; nothing without a budget.

    The cursor's own file is never read from the disk: what the editor has is what counts.
    """
    if spot.budget <= 0:
        return {}
    pieces = list(_pieces(spot, files))
    shown = files.shown(spot.named(spot.path))
    title = comment(shown, shown) + "\n"
    best = ranked(pieces, near(spot.prefix, spot.suffix))
    chosen = choose(best, int(spot.budget * CONTEXT_CHARACTERS_PER_TOKEN) - len(title) - 24)
    packed = blocks(chosen, spot.order, shown)
    return packed | {"": title} if packed else {}


def _pieces(spot: Spot, files: Files) -> Iterator[Piece]:
    by_stem = files.by_stem()
    own = _own(spot, files)
    if files.is_open_to_us(spot.path):
        yield from _own_pieces(spot, files.shown(spot.named(spot.path)), own)
    yield from _edits(spot, files)
    done: set[Path] = {spot.path}
    for it, relation in _related(spot, files, own, by_stem):
        if it.path in done or len(done) > MOST_FILES:
            continue
        done.add(it.path)
        if (outline := _outline(spot, files, it.path)) is not None:
            yield from pieces_of(files.shown(spot.named(it.path)), outline, it.names, relation)


def _own_pieces(spot: Spot, shown: str, own: Sequence[tuple[int, Outline]]) -> Iterator[Piece]:
    """What the window does not hold of the cursor's file."""
    first, last = spot.seen
    for start, part in own:
        for it in part.definitions:
            if not first <= start + it.line <= last:
                yield Piece(shown, it, "own", start)
        for passage in part.passages:
            if not first - PASSAGE < start + passage.line <= last:
                yield Piece(shown, passage, "own passage", start)


def _own(spot: Spot, files: Files) -> list[tuple[int, Outline]]:
    """(the line with which it begins, the outline) of each piece of the cursor's file, around the cursor."""
    lines, (first, last) = spot.lines, (line - spot.start for line in spot.seen)
    start, end, left = max(first, 0), min(last + 1, len(lines)), OWN - len(spot.prefix) - len(spot.suffix)
    while left > 0 and (start > 0 or end < len(lines)):
        if start > 0:
            start -= 1
            left -= len(lines[start])
        if end < len(lines):
            left -= len(lines[end])
            end += 1
    found = files.outlines_of_own(spot.named(spot.path), lines[start:end])
    return [(spot.start + start + n, it) for n, it in found]


def _own_imports(spot: Spot, own: Sequence[tuple[int, Outline]]) -> Iterable[str]:
    """The import statements of the cursor's file: of a large one those at its top."""
    top = spot.top if spot.start else spot.lines
    if own and own[0][0] > 0:
        return imports(head(top))
    return islice(chain.from_iterable(it.imports for _, it in own), IMPORTS)


def _related(
    spot: Spot, files: Files, own: Sequence[tuple[int, Outline]], by_stem: Mapping[str, Sequence[Path]]
) -> Iterator[tuple[Imported, str]]:
    """Files by how near they are to the cursor's."""
    own_path = spot.named(spot.path)
    imported: dict[Path, frozenset[str]] = {}
    for statement in _own_imports(spot, own):
        for it in resolve(statement, own_path, by_stem):
            imported[it.path] = imported.get(it.path, frozenset()) | it.names
    for path, names in imported.items():
        yield Imported(path, names), "imported"
    for path, names in imported.items():  # names that a package only passes on
        outline = _outline(spot, files, path) if names else None
        if outline is not None and not names <= {it.name for it in outline.definitions}:
            for statement in outline.imports:
                for it in resolve(statement, path, by_stem):
                    if it.names & names and it.path not in imported:
                        yield Imported(it.path, it.names & names), "imported"
    for path in _tests_or_tested(own_path, by_stem):
        yield Imported(path, frozenset()), "tests"
    for path in spot.open:
        yield Imported(path, frozenset()), "open"
    for paths in by_stem.values():
        for path in paths:
            if path.parent == own_path.parent and path.suffix == own_path.suffix:
                yield Imported(path, frozenset()), "beside"


def _tests_or_tested(path: Path, by_stem: Mapping[str, Sequence[Path]]) -> Iterator[Path]:
    name = stem(path)
    bare = re.sub(r"^tests?_|[_.-]?(?:tests?|spec)$|(?:Tests?|Spec)$", "", name)
    other = (
        [bare]
        if bare != name
        else [f"test_{name}", f"{name}_test", f"{name}.test", f"{name}.spec", f"{name}Test"]
    )
    for stems in other:
        yield from by_stem.get(stems, ())


def _outline(spot: Spot, files: Files, path: Path) -> Outline | None:
    """Of what the editor has, if the file is open there."""
    if path == spot.path:
        return None
    if path in spot.open:
        sent = files.may_be_sent(path, spot.endings.get(path, ""))
        return files.outline_of_open(spot.named(path), spot.open[path]) if sent else None
    return files.outline(path)


def _edits(spot: Spot, files: Files) -> Iterator[Piece]:
    """The lines around the last edits in other open files."""
    for path, line in spot.edited:
        lines = spot.open.get(path)
        if lines is None or path == spot.path:
            continue
        if not files.may_be_sent(path, spot.endings.get(path, "")):
            continue
        first = max(0, min(line, len(lines) - 1) - EDITED_LINES // 2)
        text = "".join(lines[first : first + EDITED_LINES]).replace("\r\n", "\n").rstrip()
        if text.strip() and not files.holds_secret(spot.named(path), lines):
            yield Piece(files.shown(spot.named(path)), Definition("", first, text), "edited")
