"""Text -> fill-in-the-middle samples, packed into rows. Knows characters and ids, nothing of tensors.

Splits are made in characters, so that a cursor inside a word is learned too, and the parts are encoded apart,
exactly as the engine encodes a request. Document-level PSM:
`bos, fim_begin, other files, imports, prefix, fim_hole, suffix, fim_end, middle, eos`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from midfill_server.context.collect import CONTEXT_CHARACTERS_PER_TOKEN
from midfill_server.context.languages.comments import comment
from midfill_server.context.outline import NAME
from midfill_server.context.ranking.rank import near
from midfill_training.text import holes, neighbours
from midfill_training.text.disguise import Words, disguise
from midfill_training.text.neighbours import Other
from midfill_training.text.pieces import Corpus, Piece

BOS, EOS, HOLE, BEGIN, END = range(16_000, 16_005)
CONTEXT_WEIGHT, OTHERS_WEIGHT = 0.3, 0.1
"""Loss weights of prefix and suffix, and of other files; the middle and its eos weigh 1, control tokens 0."""
WITH_OTHERS = 0.5  # the share of samples that other files go with, if there is room
ROOM_FOR_OTHERS = 160  # tokens
NAMED = 0.7  # the share of samples without other files that begin with the file's name, as the server says it
DISGUISED = 0.5  # the share of samples in which some words are changed for others
NOTHING_BELOW = 0.08  # the share of samples whose hole is the end of the text, up to where its block ends
TOLD = 0.3  # of those with other files, the share whose other files are ranked by the names of the middle too


@dataclass(frozen=True, slots=True)
class Row:
    """One row of `length` ids: documents end to end."""

    ids: list[int]
    weights: list[float]  # of *predicting* ids[i]
    starts: list[int]


def rows(
    corpus: Path, words: Mapping[str, Words], tokenizer: Path, length: int, longest: int, seed: int
) -> Iterator[Row]:
    """Endless rows, each filled to `length` with samples of at most `longest` tokens."""
    chance = random.Random(seed)
    files, encode = Corpus(corpus), Encode(tokenizer)
    while True:
        ids: list[int] = []
        weights: list[float] = []
        starts: list[int] = []
        while length - len(ids) >= 40:
            budget = min(length - len(ids), budget_for(longest, chance))
            piece = files.piece(files.place(chance), chance)
            if piece.language in words and chance.random() < DISGUISED:
                piece = disguise(piece, words[piece.language], chance.uniform(0.2, 1.0), chance)
            if piece.text:
                one, weight = sample(piece, budget, encode, chance)
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


def sample(piece: Piece, budget: int, encode: Encode, chance: random.Random) -> tuple[list[int], list[float]]:
    """One document: mostly a hole, sometimes plain text. At most `budget` tokens."""
    text = piece.text
    if chance.random() < 0.05:
        ids = [BOS, *encode(text[: budget * 6])][:budget]
        return ids, [0.0] + [CONTEXT_WEIGHT] * (len(ids) - 1)
    if chance.random() < NOTHING_BELOW:
        start, end = holes.at_the_end(text, budget, chance)
        text = text[:end]
    else:
        start, end = holes.hole(text, budget, chance)
    middle = encode(text[start:end])[: max(1, budget // 2 - 5)]
    whole = len(middle) < budget // 2 - 5
    middle = [*middle, EOS] if whole else middle
    room = budget - 4 - len(middle)
    others = encode(others_of(piece, start, end, room, chance))[: room // 2]
    room -= len(others)
    after = encode(text[end : end + 1600])
    before = encode(text[max(0, start - room * 6) : start])
    suffix = after[
        : min(len(after), max(chance.choice((16, 32, 64, 128, 192)), room - len(before)), room // 2)
    ]
    room -= len(suffix)
    head = encode(piece.head) if len(before) > room and chance.random() < 0.5 else []
    head = head if len(head) <= room // 2 else []
    prefix = [*head, *_from_a_line(before, room - len(head), encode, chance)]
    ids = [BOS, BEGIN, *others, *prefix, HOLE, *suffix, END, *middle]
    weights = [CONTEXT_WEIGHT] * len(ids)
    weights[2 : 2 + len(others)] = [OTHERS_WEIGHT] * len(others)
    n_before = len(others) + len(prefix)
    for control in (0, 1, n_before + 2, n_before + len(suffix) + 3):
        weights[control] = 0.0
    weights[-len(middle) :] = [1.0] * len(middle)
    return ids, weights


def _from_a_line(before: list[int], room: int, encode: Encode, chance: random.Random) -> list[int]:
    """The last `room` ids at most; when cut, mostly from where a line begins, as the engine cuts."""
    kept = before[-room:]
    if len(kept) == len(before) or chance.random() < 0.3:
        return kept
    return kept[next((n for n, id_ in enumerate(kept[:64]) if id_ in encode.line_ends), -1) + 1 :]


def others_of(piece: Piece, start: int, end: int, room: int, chance: random.Random) -> str:
    """What other files say, for the hole `piece.text[start:end]` and a prompt of `room` tokens."""
    named = comment(piece.path, piece.path) + "\n" if piece.path and chance.random() < NAMED else ""
    if room < ROOM_FOR_OTHERS or not piece.others or chance.random() >= WITH_OTHERS:
        return named
    text, tokens = piece.text, chance.uniform(0.15, 0.45) * room
    around = near(text[:start], text[end:])
    if chance.random() < TOLD:
        around |= dict.fromkeys(NAME.findall(text[start:end]), 1.5)
    # What the window will not hold of the file itself, by about four characters a token.
    own = text[: max(0, start - 5 * room)].rpartition("\n")[0], text[end + 1600 :].partition("\n")[2]
    elsewhere = Other(piece.path, neighbours.part("\n".join(own), chance))
    others = (*piece.others, elsewhere)
    budget = int(CONTEXT_CHARACTERS_PER_TOKEN * tokens)
    return neighbours.blocks(piece.path, piece.head, others, around, budget) or named


class Encode:
    """Ids of user text: the vocabulary without its control tokens."""

    def __init__(self, path: Path) -> None:
        spec = json.loads(path.read_text("utf-8"))
        self.tokenizer = Tokenizer.from_str(json.dumps(spec | {"added_tokens": []}))
        ids = range(self.tokenizer.get_vocab_size())
        self.line_ends = frozenset(id_ for id_ in ids if self.tokenizer.decode([id_]).endswith("\n"))

    def __call__(self, text: str) -> list[int]:
        return self.tokenizer.encode(text).ids if text else []
