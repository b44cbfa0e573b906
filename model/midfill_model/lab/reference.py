"""transformers' own network with the weights of a model folder: what ours is measured against.

python -I -m midfill_model.lab.reference DIR      # decode and first token, theirs and ours in turn, as JSON
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from midfill_model.checkpoint import hub, weights
from midfill_model.checkpoint.config import read_config
from midfill_model.generation.cache import Slot
from midfill_model.generation.generate import generate
from midfill_model.generation.task import Task
from midfill_model.network.deepseek import DeepseekV2
from midfill_model.process.loading import plain_network

CONTEXT = 2048  # positions


def theirs(folder: Path) -> Any:
    """`DeepseekV2ForCausalLM` in fp32; it stacks the experts of a layer, the checkpoint does not."""
    from transformers import DeepseekV2Config, DeepseekV2ForCausalLM

    raw = json.loads((folder / "config.json").read_text("utf-8"))
    raw.pop("quantization_config", None)  # the weights are expanded here
    model = DeepseekV2ForCausalLM(DeepseekV2Config(**raw)).eval()
    with weights.Checkpoint(folder) as checkpoint, torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(_read(checkpoint, name, tuple(parameter.shape)))
    return model


def ours(folder: Path, context: int = CONTEXT) -> DeepseekV2:
    return plain_network(folder, read_config(folder), context, lambda _: None)


def _read(checkpoint: weights.Checkpoint, name: str, shape: tuple[int, ...]) -> Tensor:
    if not name.endswith((".experts.gate_up_proj", ".experts.down_proj")):
        return checkpoint.read(name, shape)
    stem, _, kind = name.rpartition(".")
    n_experts, rows, columns = shape
    if kind == "down_proj":
        return torch.stack(
            [checkpoint.read(f"{stem}.{e}.down_proj.weight", (rows, columns)) for e in range(n_experts)]
        )
    halves = [
        [checkpoint.read(f"{stem}.{e}.{half}_proj.weight", (rows // 2, columns)) for half in ("gate", "up")]
        for e in range(n_experts)
    ]
    return torch.stack([torch.cat(pair) for pair in halves])


def compare(folder: Path, n_prompt: int, n_new: int, runs: int) -> dict[str, dict[str, float]]:
    """{"transformers" and "midfill": {first_token_ms, decode_tok_s}}, medians of runs taken in turn."""
    network, model = ours(folder), theirs(folder)
    torch.manual_seed(0)
    prompts = [torch.randint(0, 10_000, (n_prompt,)).tolist() for _ in range(runs + 1)]
    sides: dict[str, Callable[[list[int], int], None]] = {
        "transformers": lambda ids, n: _their_run(model, ids, n),
        "midfill": lambda ids, n: _our_run(network, ids, n),
    }
    firsts: dict[str, list[float]] = {side: [] for side in sides}
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for i, ids in enumerate(prompts):
        for side, run in sides.items():
            first, whole = _seconds(run, ids, 1), _seconds(run, ids, n_new)
            if i:  # the first round warms both up
                firsts[side].append(first * 1000)
                rates[side].append((n_new - 1) / (whole - first))
    return {
        side: {
            "first_token_ms": round(statistics.median(firsts[side]), 1),
            "decode_tok_s": round(statistics.median(rates[side]), 1),
        }
        for side in sides
    }


def _their_run(model: Any, ids: list[int], n_new: int) -> None:
    prompt = torch.tensor([ids])
    model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=n_new,
        min_new_tokens=n_new,
        do_sample=False,
        pad_token_id=0,
    )


def _our_run(network: DeepseekV2, ids: list[int], n_new: int) -> None:
    slot = Slot(network.new_cache, network.context)
    written = list(generate(network, slot, Task(ids, n_new, network.config.vocab_size)))
    assert sum(token is not None for token in written) == n_new


def _seconds(run: Callable[[list[int], int], None], ids: list[int], n_new: int) -> float:
    started = time.perf_counter()
    run(ids, n_new)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare with transformers' generate on the same weights.")
    parser.add_argument("folder", type=hub.resolve)
    parser.add_argument("--prompt", type=int, default=1000, help="tokens")
    parser.add_argument("--new", type=int, default=48, help="tokens")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(compare(options.folder, options.prompt, options.new, options.runs)))


if __name__ == "__main__":
    main()
