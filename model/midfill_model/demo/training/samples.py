"""Text -> fill-in-the-middle samples, packed into rows. Knows characters and ids, nothing of tensors.

Splits are made in characters, so that a cursor inside a word is learned too, and the three parts are
encoded apart, exactly as the engine encodes a request. Document-level PSM:
`bos, fim_begin, prefix, fim_hole, suffix, fim_end, middle, eos`.
"""

from __future__ import annotations

import bisect
import json
import mmap
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tokenizers import Tokenizer

from midfill_model.demo.training.corpus import END_OF_FILE

BOS, EOS, HOLE, BEGIN, END = range(16_000, 16_005)
CONTEXT_WEIGHT = 0.3
"""Loss weight of prefix and suffix; the middle and its eos weigh 1, control tokens nothing."""
PIECE = 12_000  # characters of one file that are looked at for one sample


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `length` ids: documents end to end."""

    ids: list[int]
    weights: list[float]  # of *predicting* ids[i]
    starts: list[int]


class Corpus:
    """The files of one split, mapped into memory; picks pieces in proportion to their size."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self.ends = list(_ends_of_files(file))

    def piece(self, at: int) -> str:
        """The file that holds byte `at`: all of it, or PIECE characters around `at`."""
        index = min(bisect.bisect_left(self.ends, at), len(self.ends) - 1)
        start = self.ends[index - 1] + 1 if index else 0
        end = self.ends[index]
        start = self.map.find(b"\n", start, end) + 1  # the header
        if end - start > PIECE:
            low = max(start, min(at - PIECE // 2, end - PIECE))
            start = low if low == start else self.map.find(b"\n", low, end) + 1
            end = min(end, start + PIECE)
        return self.map[start:end].decode("utf-8", errors="ignore")

    def __len__(self) -> int:
        return len(self.map)


def rows(corpus: Path, tokenizer: Path, length: int, longest: int, seed: int) -> Iterator[Row]:
    """Endless rows, each filled to `length` with samples of at most `longest` tokens."""
    chance = random.Random(seed)
    files, encode = Corpus(corpus), Encode(tokenizer)
    while True:
        ids: list[int] = []
        weights: list[float] = []
        starts: list[int] = []
        while length - len(ids) >= 40:
            budget = min(length - len(ids), budget_for(longest, chance))
            if text := files.piece(chance.randrange(len(files))):
                one, weight = sample(text, budget, encode, chance)
                starts.append(len(ids))
                ids += one
                weights += weight
        padding = length - len(ids)
        if padding:
            starts.append(len(ids))
        yield Row(ids + [EOS] * padding, weights + [0.0] * padding, starts)


def budget_for(longest: int, chance: random.Random) -> int:
    """Requests come in all sizes, so log-uniform from a few lines up."""
    return min(longest, int(64 * (longest / 64) ** (chance.random() * 1.15)))


def sample(text: str, budget: int, encode: Encode, chance: random.Random) -> tuple[list[int], list[float]]:
    """One document: mostly a hole, sometimes plain text. At most `budget` tokens."""
    if chance.random() < 0.05:
        ids = [BOS, *encode(text[: budget * 6])][:budget]
        return ids, [0.0] + [CONTEXT_WEIGHT] * (len(ids) - 1)
    start, end = hole(text, budget, chance)
    middle = encode(text[start:end])[: max(1, budget // 2 - 5)]
    whole = len(middle) < budget // 2 - 5
    middle = [*middle, EOS] if whole else middle
    room = budget - 4 - len(middle)
    after = encode(text[end : end + 1600])
    before = encode(text[max(0, start - room * 6) : start])
    suffix = after[
        : min(len(after), max(chance.choice((0, 16, 64, 128, 192)), room - len(before)), room // 2)
    ]
    prefix = before[-(room - len(suffix)) :]
    ids = [BOS, BEGIN, *prefix, HOLE, *suffix, END, *middle]
    weights = [CONTEXT_WEIGHT] * len(ids)
    for control in (0, 1, len(prefix) + 2, len(prefix) + len(suffix) + 3):
        weights[control] = 0.0
    weights[-len(middle) :] = [1.0] * len(middle)
    return ids, weights


def hole(text: str, budget: int, chance: random.Random) -> tuple[int, int]:
    """Where the middle is, as people meet it: the rest of a line, lines, a block, a few words."""
    start = chance.randrange(len(text))
    kind = chance.random()
    end = line_end(text, start)
    if kind < 0.45:  # from the cursor to the end of the line
        return start, end
    line = text.rfind("\n", 0, start) + 1
    indent = len(text[line:end]) - len(text[line:end].lstrip())
    if kind < 0.60:  # one line or a few, after their indentation
        first = line + indent if line + indent < end else line
        return first, _lines_on(text, end, chance.choice((0, 0, 1, 2, 4)))
    if kind < 0.75:  # the rest of the line and some lines after it
        return start, _lines_on(text, end, chance.choice((1, 2, 3, 6)))
    if kind < 0.87:  # the rest of the block: until a line is indented less
        return start, min(_block_end(text, end, indent), start + budget * 2)
    return start, min(len(text), start + 1 + int(chance.expovariate(1 / 40)))  # a span inside anything


def line_end(text: str, start: int) -> int:
    """Where the line that holds `start` ends, or the text."""
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _lines_on(text: str, end: int, count: int) -> int:
    for _ in range(count):
        end = line_end(text, end + 1)
    return end


def _block_end(text: str, first_end: int, indent: int) -> int:
    end = first_end
    while end < len(text):
        following = line_end(text, end + 1)
        line = text[end + 1 : following]
        if line.strip() and len(line) - len(line.lstrip()) < indent:
            break
        end = following
    return end - (len(text[first_end:end]) - len(text[first_end:end].rstrip()))


def _ends_of_files(file: BinaryIO) -> Iterator[int]:
    offset, mark = 0, END_OF_FILE.encode()
    while chunk := file.read(1 << 24):
        at = -1
        while (at := chunk.find(mark, at + 1)) >= 0:  # a map's own find is far slower than that of bytes
            yield offset + at
        offset += len(chunk)


class Encode:
    """Ids of user text: the vocabulary without its control tokens."""

    def __init__(self, path: Path) -> None:
        spec = json.loads(path.read_text("utf-8"))
        self.tokenizer = Tokenizer.from_str(json.dumps(spec | {"added_tokens": []}))

    def __call__(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids if text else []
