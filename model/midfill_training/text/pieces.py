"""Pieces of the training text, each with what stands near it in its package. Knows characters, no ids."""

from __future__ import annotations

import bisect
import mmap
import random
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from midfill_server.context.outline import NAME, head
from midfill_training.text import neighbours
from midfill_training.text.gather.corpus import END_OF_FILE
from midfill_training.text.neighbours import Other

PIECE = 12_000  # characters of one file that are looked at for one sample
N_OTHERS = 4
PACKAGE = 40  # files before and after one, among which those that it imports are sought
MIX = {
    "python": 50, "typescript": 11, "javascript": 8, "go": 6, "rust": 5, "java": 6, "c": 3, "cpp": 5,
}  # fmt: skip
"""The share of the samples that a language gets, in percent, whatever its share of the text."""
REST = 6
"""The same for all other languages together, each by its size."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file; its path as a prompt shows it, its imports, and parts of files near it."""

    text: str
    path: str = ""
    language: str = ""
    head: str = ""
    others: tuple[Other, ...] = ()


@dataclass(frozen=True, slots=True)
class _Files:
    """Those of one language, and the sums of their sizes up to each, in bytes."""

    indices: array[int]
    sums: array[int]

    @property
    def size(self) -> int:
        return self.sums[-1]


def shares(sizes: Mapping[str, int]) -> dict[str, float]:
    """How often each language is drawn; of what MIX does not name, each by its size."""
    others = sum(size for language, size in sizes.items() if language not in MIX)
    return {
        language: MIX[language] if language in MIX else REST * size / others
        for language, size in sizes.items()
    }


class Corpus:
    """The files of one split, mapped into memory; picks pieces by language, then by the size of files."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.ends = array("q", _ends_of_files(file))
        self._headers: dict[int, tuple[str, str, str]] = {}  # each is looked at for all files around it
        self.languages = self._by_language()
        self._shares = shares({language: files.size for language, files in self.languages.items()})

    def place(self, chance: random.Random) -> int:
        """A byte to look at: its language drawn by MIX."""
        (language,) = chance.choices([*self._shares], [*self._shares.values()])
        return self.place_in(language, chance)

    def place_in(self, language: str, chance: random.Random) -> int:
        files = self.languages[language]
        at = chance.randrange(files.size)
        n = bisect.bisect_right(files.sums, at)
        return self._start(files.indices[n]) + at - (files.sums[n - 1] if n else 0)

    def text(self, at: int) -> str:
        """The file that holds byte `at`: all of it, or PIECE characters around `at`."""
        return self._text(self._index(at), at)

    def piece(self, at: int, chance: random.Random) -> Piece:
        """The same with what is near it."""
        index = self._index(at)
        language, package, path = self._header(index)
        text = self._text(index, at)
        if language not in neighbours.LANGUAGES:
            return Piece(text, path, language)
        top = head(self._text(index, 0).splitlines(keepends=True))
        others = []
        for other, is_imported in self._near(index, language, package, top, chance):
            whole = self._text(other, chance.randrange(self._start(other), self.ends[other] + 1))
            others.append(Other(self._header(other)[2], neighbours.part(whole, chance), is_imported))
        return Piece(text, path, language, top, tuple(others))

    def _by_language(self) -> dict[str, _Files]:
        indices: dict[str, array[int]] = defaultdict(lambda: array("q"))
        for n in range(len(self.ends)):
            start = self._start(n)
            indices[self.map[start : self.map.find(b" ", start)].decode()].append(n)
        return {
            language: _Files(of_it, array("q", accumulate(self.ends[n] - self._start(n) for n in of_it)))
            for language, of_it in indices.items()
        }

    def _near(
        self, index: int, language: str, package: str, top: str, chance: random.Random
    ) -> list[tuple[int, bool]]:
        """Files of the package: those that `top` seems to import (True), then some of the nearest."""
        words = set(NAME.findall(top))
        around = range(max(0, index - PACKAGE), min(len(self.ends), index + PACKAGE + 1))
        found = [(n, self._header(n)) for n in around if n != index]
        same = [(n, it[2]) for n, it in found if it[:2] == (language, package)]
        imported = [n for n, path in same if _stem(path) in words]
        nearest = sorted((n for n, _ in same if n not in imported), key=lambda n: abs(n - index))[:6]
        chosen = chance.sample(imported, min(len(imported), N_OTHERS - 1))
        beside = chance.sample(nearest, min(len(nearest), N_OTHERS - len(chosen)))
        return [(n, True) for n in chosen] + [(n, False) for n in beside]

    def _index(self, at: int) -> int:
        return min(bisect.bisect_left(self.ends, at), len(self.ends) - 1)

    def _start(self, index: int) -> int:
        return self.ends[index - 1] + 1 if index else 0

    def _header(self, index: int) -> tuple[str, str, str]:
        """(language, package, path) of a file."""
        if index not in self._headers:
            start = self._start(index)
            line = self.map[start : self.map.find(b"\n", start)]
            self._headers[index] = place_of(line.decode("utf-8", errors="ignore"))
        return self._headers[index]

    def _text(self, index: int, at: int) -> str:
        start, end = self._start(index), self.ends[index]
        start = self.map.find(b"\n", start, end) + 1  # the header
        if end - start > PIECE:
            low = max(start, min(at - PIECE // 2, end - PIECE))
            start = low if low == start else self.map.find(b"\n", low, end) + 1
            end = min(end, start + PIECE)
        return self.map[start:end].decode("utf-8", errors="ignore")


def _stem(path: str) -> str:
    """As pathlib's, which takes a twentieth of a sample's time."""
    return path.rpartition("/")[2].rpartition(".")[0]


def place_of(header: str) -> tuple[str, str, str]:
    """(language, package, path) of a file with this first line."""
    language, _, where = header.partition(" ")
    package, _, path = where.partition("/")
    if package.startswith("@"):
        scope, _, path = path.partition("/")
        package = f"{package}/{scope}"
    return language, package, path


def _ends_of_files(file: BinaryIO) -> Iterator[int]:
    offset, mark = 0, END_OF_FILE.encode()
    while chunk := file.read(1 << 24):
        at = -1
        while (at := chunk.find(mark, at + 1)) >= 0:  # a map's own find is far slower than that of bytes
            yield offset + at
        offset += len(chunk)
