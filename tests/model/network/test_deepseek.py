"""The network against transformers', and its own ways of computing against each other."""

from pathlib import Path
from typing import Any

import pytest
import torch

from midfill_model.lab.reference import ours, theirs
from midfill_model.network.deepseek import DeepseekV2
from midfill_model.network.protocol import Network

from ..tiny import YARN, write_tiny

SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "yarn": {"rope_scaling": YARN},
    "yarn without mscale": {"rope_scaling": {k: v for k, v in YARN.items() if "mscale" not in k}},
    "one shared expert": {"n_shared_experts": 1},
    "three shared experts": {"n_shared_experts": 3},
    "two dense layers": {"first_k_dense_replace": 2},
    "no dense layer": {"first_k_dense_replace": 0},
    "top-3, scaled, own head": {
        "num_experts_per_tok": 3,
        "routed_scaling_factor": 1.7,
        "tie_word_embeddings": False,
    },
    "Lite's proportions": {"kv_lora_rank": 64, "v_head_dim": 16, "qk_rope_head_dim": 8, "rms_norm_eps": 1e-5},
}


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES.keys())
def test_logits_equal_transformers(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = write_tiny(tmp_path, **changes)
    ids = torch.randint(0, 256, (300,), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = theirs(folder)(ids[None]).logits[0]
    network = ours(folder)
    found = network.forward(ids, network.new_cache(300), 0, every_logit=True)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("changes", [{}, {"rope_scaling": YARN}], ids=["plain", "yarn"])
def test_greedy_tokens_equal_transformers(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = write_tiny(tmp_path, **changes)
    prompt = torch.randint(0, 256, (1, 40), generator=torch.Generator().manual_seed(2))
    reference = theirs(folder)
    reference.generation_config.eos_token_id = None
    expected = reference.generate(prompt, max_new_tokens=48, do_sample=False, pad_token_id=0)[0, 40:]
    assert greedy(ours(folder), prompt[0].tolist(), 48) == expected.tolist()


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 150])
def test_chunks_equal_one_pass(tmp_path: Path, chunk: int) -> None:
    """Short chunks attend in latent space, long ones expand it: all fill the same cache."""
    network = ours(write_tiny(tmp_path, rope_scaling=YARN))
    ids = torch.randint(0, 256, (150,), generator=torch.Generator().manual_seed(3))
    whole, parts = network.new_cache(150), network.new_cache(160)
    expected = network.forward(ids, whole, 0)
    for start in range(0, 150, chunk):
        found = network.forward(ids[start : start + chunk], parts, start)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(parts[:, :150], whole, rtol=1e-4, atol=1e-4)


def test_the_last_logits_need_no_other(tmp_path: Path) -> None:
    network = ours(write_tiny(tmp_path))
    ids = torch.arange(100)
    every = network.forward(ids, network.new_cache(100), 0, every_logit=True)
    torch.testing.assert_close(
        network.forward(ids, network.new_cache(100), 0), every[-1], rtol=1e-4, atol=1e-4
    )


def greedy(network: Network, prompt: list[int], n: int) -> list[int]:
    """By whole logits, with nothing but the network's own forward."""
    assert isinstance(network, DeepseekV2)
    cache, chosen = network.new_cache(len(prompt) + n), list(prompt)
    pending, start = prompt, 0
    for _ in range(n):
        logits = network.forward(torch.tensor(pending), cache, start)
        start += len(pending)
        pending = [int(logits.argmax())]
        chosen += pending
    return chosen[len(prompt) :]
