"""Holes in real code: a part of a file is taken out, and what belongs there is known."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from midfill_server.context.files import SKIPPED
from midfill_server.context.languages.names import language_of
from midfill_server.trim.lines import indent

EXTENSIONS = frozenset(
    {".c", ".cc", ".cpp", ".cs", ".go", ".h", ".hpp", ".java", ".js", ".jsx", ".kt", ".lua", ".php", ".py"}
    | {".pyi", ".rb", ".rs", ".scala", ".sh", ".swift", ".ts", ".tsx"}
)
"""Files with other extensions are passed over."""

LARGEST, SMALLEST = 400_000, 400  # bytes: above is data, below hardly anything to hide
LONGEST_BLOCK = 12  # lines
SPAN = 40  # characters, on average
ATTEMPTS = 2_000  # for one hole


@dataclass(frozen=True, slots=True)
class File:
    """A file with \\n line ends."""

    path: Path
    text: str

    @property
    def language(self) -> str:
        return language_of(self.path)


@dataclass(frozen=True, slots=True)
class Hole:
    """`file.text[start:end]` is taken out."""

    level: str
    file: File
    start: int
    end: int

    @property
    def prefix(self) -> str:
        return self.file.text[: self.start]

    @property
    def suffix(self) -> str:
        return self.file.text[self.end :]

    @property
    def hidden(self) -> str:
        return self.file.text[self.start : self.end]


def source_files(root: Path) -> list[File]:
    """The code below `root`, in a fixed order; what cannot be read as UTF-8 is passed over."""
    found = []
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in SKIPPED)
        paths = [Path(folder, name) for name in sorted(files) if Path(name).suffix in EXTENSIONS]
        found += [file for path in paths if (file := read(path)) is not None]
    return found


def read(path: Path) -> File | None:
    """None for what is too small, too large or no text."""
    try:
        if not SMALLEST <= path.stat().st_size <= LARGEST:
            return None
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return None if "\0" in text else File(path.resolve(), text)


def holes(files: Sequence[File], n: int, seed: int) -> Iterator[Hole]:
    """`n` holes of each level, fewer when there are no more to be found; files are drawn by their size."""
    sizes = [len(file.text) for file in files]
    for level, pick in LEVELS.items():
        chance = random.Random(f"{seed} {level}")
        taken: set[tuple[Path, int, int]] = set()
        for _ in range(ATTEMPTS * n if files else 0):
            (file,) = chance.choices(files, sizes)
            start, end = pick(file.text, chance)
            place = (file.path, start, end)
            if file.text[start:end].strip() and place not in taken:
                taken.add(place)
                yield Hole(level, file, start, end)
            if len(taken) == n:
                break


def line_hole(text: str, chance: random.Random) -> tuple[int, int]:
    """From the start of a word or sign to the end of its line."""
    start, end = _line(text, chance.randrange(len(text)))
    starts = [found.start() for found in re.compile(r"\w+|[^\w\s]+").finditer(text, start, end)]
    return (chance.choice(starts), end) if starts else (end, end)


def block_hole(text: str, chance: random.Random) -> tuple[int, int]:
    """Two lines or more, behind the first one's indentation: up to a blank line or one indented less."""
    start, end = _line(text, chance.randrange(len(text)))
    if not text[start:end].strip():
        return end, end
    depth, lines = indent(text[start:end]), 1
    while lines < LONGEST_BLOCK and end < len(text):
        _, following = _line(text, end + 1)
        line = text[end + 1 : following]
        if not line.strip() or indent(line) < depth:
            break
        end, lines = following, lines + 1
    return (start + depth, end) if lines > 1 else (end, end)


def span_hole(text: str, chance: random.Random) -> tuple[int, int]:
    """Anything, from any character to any other."""
    start = chance.randrange(len(text))
    return start, min(len(text), start + 1 + int(chance.expovariate(1 / SPAN)))


LEVELS: dict[str, Callable[[str, random.Random], tuple[int, int]]] = {
    "line": line_hole,
    "block": block_hole,
    "span": span_hole,
}


def _line(text: str, at: int) -> tuple[int, int]:
    """Where the line that holds `at` begins and ends."""
    end = text.find("\n", at)
    return text.rfind("\n", 0, at) + 1, len(text) if end < 0 else end
