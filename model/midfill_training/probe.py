"""How the network does on held-out text while it is in the trainer: the loss of middles, by language."""

from __future__ import annotations

import math
import random
from pathlib import Path

import torch
from torch import Tensor

from midfill_server.context.collect import CONTEXT_CHARACTERS_PER_TOKEN
from midfill_server.context.ranking.rank import near
from midfill_training.network import Network, Packed
from midfill_training.text import neighbours
from midfill_training.text.holes import line_end
from midfill_training.text.pieces import Corpus
from midfill_training.text.samples import BEGIN, BOS, END, EOS, HOLE, Encode

LANGUAGES = ("python", "typescript", "javascript", "go", "rust", "java", "c", "cpp")
HOLES = 256  # of each language
OTHERS, PREFIX, SUFFIX, LONGEST_LINE = 384, 640, 96, 40  # tokens


@torch.no_grad()
def probe(network: Network, split: Path, tokenizer: Path) -> dict[str, dict[str, float]]:
    """By language {loss, bits, holes}, from a token boundary to the end of its line, with other files.

    `loss` is in nats a token, `bits` of one character: only they can be compared between tokenizers.
    """
    corpus = Corpus(split)
    return {
        language: _probe(network, corpus, language, tokenizer)
        for language in LANGUAGES
        if language in corpus.languages
    }


def _probe(network: Network, corpus: Corpus, language: str, tokenizer: Path) -> dict[str, float]:
    device = next(network.parameters()).device
    prompts, middles, n_characters = holes(corpus, language, tokenizer)
    nll = count = 0.0
    for at in range(0, len(prompts), 64):
        full = [[*p, *m, EOS] for p, m in zip(prompts[at : at + 64], middles[at : at + 64], strict=True)]
        logits, starts = forward(network, full, device)
        for i, middle in enumerate(middles[at : at + 64]):
            end = starts[i + 1] - 1
            want = torch.tensor([*middle, EOS], device=device)
            nll += float(
                torch.nn.functional.cross_entropy(logits[end - len(want) : end], want, reduction="sum")
            )
            count += len(want)
    return {
        "loss": round(nll / count, 4),
        "bits": round(nll / math.log(2) / n_characters, 4),
        "holes": len(middles),
    }


def holes(corpus: Corpus, language: str, tokenizer: Path) -> tuple[list[list[int]], list[list[int]], int]:
    """(prompts, middles, characters of all middles)."""
    chance, encode = random.Random(0), Encode(tokenizer)
    prompts: list[list[int]] = []
    middles: list[list[int]] = []
    n_characters = 0
    while len(prompts) < HOLES:
        piece = corpus.piece(corpus.place_in(language, chance), chance)
        text = piece.text
        start, end = token_to_line_end(text, encode, chance)
        middle = encode(text[start:end])
        if not text[start:end].strip() or len(middle) >= LONGEST_LINE:
            continue
        prefix, suffix = encode(text[:start])[-PREFIX:], encode(text[end : end + 1000])[:SUFFIX]
        around, room = near(text[:start], text[end:]), int(CONTEXT_CHARACTERS_PER_TOKEN * OTHERS)
        others = neighbours.blocks(piece.path, piece.head, piece.others, around, room)
        prompts.append([BOS, BEGIN, *encode(others)[:OTHERS], *prefix, HOLE, *suffix, END])
        middles.append(middle)
        n_characters += end - start + 1
    return prompts, middles, n_characters


def token_to_line_end(text: str, encode: Encode, chance: random.Random) -> tuple[int, int]:
    """A random token boundary of the file, and the end of the line it is in."""
    offsets = encode.tokenizer.encode(text).offsets
    start = offsets[chance.randrange(len(offsets))][0] if offsets else 0
    return start, line_end(text, start)


def forward(network: Network, documents: list[list[int]], device: torch.device) -> tuple[Tensor, list[int]]:
    """(logits [T, V] fp32, where each document starts and the last one ends)."""
    starts = [0]
    for document in documents:
        starts.append(starts[-1] + len(document))
    ids = torch.tensor([i for document in documents for i in document], device=device)
    positions = torch.cat([torch.arange(len(document), device=device) for document in documents])
    begin = torch.tensor(starts, dtype=torch.int32, device=device)
    hidden, _ = network.hidden(Packed(ids, positions, begin, max(map(len, documents))))
    return torch.nn.functional.linear(hidden, network.embed_tokens).float(), starts
