"""`python -m midfill_model.lab.synthetic tiny|demo|lite DIR`: random weights in exact shapes and names.

Proves loading, memory and speed without any real weights. Its text is noise.
"""

import argparse
import json
import math
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from midfill_model import fim
from midfill_model.checkpoint.safetensors_writer import write_tensors
from midfill_model.checkpoint.shapes import tensor_shapes
from midfill_model.generation.tokens import BYTE_OF

_COMMON: dict[str, Any] = {
    "architectures": ["DeepseekV2ForCausalLM"],
    "model_type": "deepseek_v2",
    "hidden_act": "silu",
    "q_lora_rank": None,
    "first_k_dense_replace": 1,
    "n_shared_experts": 2,
    "norm_topk_prob": False,
    "scoring_func": "softmax",
    "routed_scaling_factor": 1.0,
    "topk_method": "greedy",
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000,
    "attention_bias": False,
}

DEMO = _COMMON | {
    "vocab_size": 16128,
    "hidden_size": 384,
    "intermediate_size": 1024,
    "moe_intermediate_size": 256,
    "num_hidden_layers": 9,
    "num_attention_heads": 6,
    "num_key_value_heads": 6,
    "kv_lora_rank": 128,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 32,
    "v_head_dim": 64,
    "n_routed_experts": 12,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "bos_token_id": 16000,
    "eos_token_id": 16001,
    "torch_dtype": "float32",
}

TINY = DEMO | {
    "vocab_size": 384,
    "hidden_size": 64,
    "intermediate_size": 128,
    "moe_intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "kv_lora_rank": 32,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "n_routed_experts": 4,
    "max_position_embeddings": 1024,
    "bos_token_id": 256,
    "eos_token_id": 257,
}

LITE = _COMMON | {
    "vocab_size": 102400,
    "hidden_size": 2048,
    "intermediate_size": 10944,
    "moe_intermediate_size": 1408,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "n_routed_experts": 64,
    "num_experts_per_tok": 6,
    "max_position_embeddings": 163840,
    "tie_word_embeddings": False,
    "bos_token_id": 100000,
    "eos_token_id": 100001,
    "rope_scaling": {
        "type": "yarn",
        "factor": 40,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 0.707,
        "mscale_all_dim": 0.707,
        "original_max_position_embeddings": 4096,
    },
    "torch_dtype": "bfloat16",
}

CONFIGS = {"tiny": TINY, "demo": DEMO, "lite": LITE}
_SHARD_BYTES = 4 << 30
_SEEDS_APART = 1_000_003  # more than a checkpoint has tensors
_N_THREADS = min(8, os.cpu_count() or 1)


def write_checkpoint(
    config: dict[str, Any],
    folder: Path,
    seed: int = 0,
    shard_bytes: int = _SHARD_BYTES,
    device: str = "cpu",
    progress: Callable[[float], None] = lambda _: None,
) -> None:
    """Write config.json, a tokenizer of single bytes and the weights, whose numbers come from `device`.

    Several shards at once, each tensor from a seed of its own; a few tensors are in memory at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "tokenizer.json").write_text(json.dumps(_byte_tokenizer(config["bos_token_id"])))
    dtype: torch.dtype = getattr(torch, config["torch_dtype"])
    shapes = dict(tensor_shapes(config))
    n_bytes = sum(map(_size, shapes.values())) * dtype.itemsize
    seeds = {name: seed * _SEEDS_APART + i for i, name in enumerate(shapes)}
    shards = _plan_shards(shapes, dtype.itemsize, shard_bytes)
    counted = _Counted(n_bytes, progress)

    def write(file: str) -> None:
        layout = {name: (dtype, shapes[name]) for name, holder in shards.items() if holder == file}
        tensors = (_random(name, shapes[name], seeds[name], device).to(dtype) for name in layout)
        with (folder / file).open("wb") as opened:
            write_tensors(opened, layout, {"format": "pt"}, tensors, counted)

    files = list(dict.fromkeys(shards.values()))
    with ThreadPoolExecutor(_N_THREADS) as pool:
        list(pool.map(write, files))  # the list raises what a thread raised
    if len(files) > 1:
        index = {"metadata": {"total_size": n_bytes}, "weight_map": shards}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


class _Counted:
    """Bytes that threads write, as a share of all."""

    def __init__(self, n_bytes: int, progress: Callable[[float], None]) -> None:
        self._n_bytes = n_bytes
        self._progress = progress
        self._n_written = 0
        self._lock = threading.Lock()  # guards _n_written, and that progress only grows

    def __call__(self, n: int) -> None:
        with self._lock:
            self._n_written += n
            self._progress(self._n_written / self._n_bytes)


def _plan_shards(shapes: dict[str, tuple[int, ...]], itemsize: int, shard_bytes: int) -> dict[str, str]:
    """Which file holds which tensor, filled in order like the hub's."""
    shards: list[list[str]] = [[]]
    room = shard_bytes
    for name, shape in shapes.items():
        room -= _size(shape) * itemsize
        if room < 0 and shards[-1]:
            shards.append([])
            room = shard_bytes - _size(shape) * itemsize
        shards[-1].append(name)
    if len(shards) == 1:
        return dict.fromkeys(shapes, "model.safetensors")
    n = len(shards)
    return {
        name: f"model-{i:05}-of-{n:06}.safetensors" for i, names in enumerate(shards, 1) for name in names
    }


def _random(name: str, shape: tuple[int, ...], seed: int, device: str) -> Tensor:
    noise = torch.randn(shape, generator=torch.Generator(device).manual_seed(seed), device=device)
    # Rows of about unit gain keep a deep random network's logits apart.
    return noise.mul_(0.1).add_(1) if "norm" in name else noise.div_(math.sqrt(shape[-1]))


def _size(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()


def _byte_tokenizer(bos: int) -> dict[str, Any]:
    """A vocabulary without merges: each byte is a token; the control tokens stand from bos on."""
    control = (fim.BOS, fim.EOS, fim.FIM_HOLE, fim.FIM_BEGIN, fim.FIM_END)
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "added_tokens": [{"id": bos + i, "content": text, **flags} for i, text in enumerate(control)],
        "pre_tokenizer": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "vocab": {c: i for i, c in enumerate(BYTE_OF)},
            "merges": [],
        },
    }


def _told_in_tenths() -> Callable[[float], None]:
    """A line on stderr for each tenth that is done."""
    told = 0

    def tell(done: float) -> None:
        nonlocal told
        if int(done * 10) > told:
            told = int(done * 10)
            print(f"{told * 10} % written", file=sys.stderr)

    return tell


def main(argv: list[str]) -> int:
    """Write one of the three shapes."""
    parser = argparse.ArgumentParser(prog="python -m midfill_model.lab.synthetic", description=__doc__)
    parser.add_argument("shape", choices=sorted(CONFIGS))
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    # A GPU's generator gives other numbers than a CPU's: only where a CPU would take minutes.
    device = "cuda" if options.shape == "lite" and torch.cuda.is_available() else "cpu"
    write_checkpoint(
        CONFIGS[options.shape], options.folder, options.seed, device=device, progress=_told_in_tenths()
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
