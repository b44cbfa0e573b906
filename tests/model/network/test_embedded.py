"""The embedded model, as it is shipped: our way of computing it against transformers'."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from midfill_model.generation.cache import Slot
from midfill_model.generation.generate import generate
from midfill_model.generation.requests.prompt import Budgets, Parts, fim_prompt
from midfill_model.generation.task import Task
from midfill_model.generation.tokens import Tokenizer
from midfill_model.lab.reference import ours, theirs
from midfill_model.network.deepseek import DeepseekV2

N_TOKENS = 24
BUDGETS = Budgets(512, 128)


@pytest.fixture(scope="module")
def network(embedded_folder: Path) -> DeepseekV2:
    return ours(embedded_folder)


@pytest.fixture(scope="module")
def prompts(embedded_folder: Path) -> list[list[int]]:
    """Holes in a file of the standard library, a few lines apart, as when somebody types down the file."""
    text, tokenizer = Path(argparse.__file__).read_text("utf-8"), Tokenizer(embedded_folder)
    holes = range(6_000, 10_000, 700)
    parts = [Parts(text[4_000:hole], text[hole + 20 : hole + 500]) for hole in holes]
    return [fim_prompt(tokenizer, it, BUDGETS).ids for it in parts]


def answers(network: DeepseekV2, prompts: list[list[int]], slots: Iterator[Slot]) -> list[list[int | None]]:
    """Greedy tokens, eos among them."""
    return [
        [
            None if token is None else token.id
            for token in generate(network, slot, Task(prompt, N_TOKENS, 16_005))
            if token is not None
        ]
        for prompt, slot in zip(prompts, slots, strict=False)
    ]


def new_slots(network: DeepseekV2) -> Iterator[Slot]:
    while True:
        yield Slot(network.new_cache, network.context)


def test_tokens_equal_transformers(
    embedded_folder: Path, network: DeepseekV2, prompts: list[list[int]]
) -> None:
    reference = theirs(embedded_folder)
    reference.generation_config.eos_token_id = None
    expected = [
        reference.generate(
            torch.tensor([prompt]), max_new_tokens=N_TOKENS, do_sample=False, pad_token_id=16_001
        )[0, len(prompt) :].tolist()
        for prompt in prompts
    ]
    assert answers(network, prompts, new_slots(network)) == expected


def test_a_warm_cache_changes_no_token(network: DeepseekV2, prompts: list[list[int]]) -> None:
    one_slot = Slot(network.new_cache, network.context)
    warm = answers(network, prompts, iter([one_slot] * len(prompts)))
    assert warm == answers(network, prompts, new_slots(network))
