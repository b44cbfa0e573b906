"""Small random models whose matrices all have whole blocks of 64: what the fused weights need."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from midfill_model.checkpoint.config import Config, read_config
from midfill_model.checkpoint.fused.fuse import dequantised, fuse
from midfill_model.checkpoint.fused.layout import FusedWeights
from midfill_model.checkpoint.weights import Checkpoint
from midfill_model.lab import synthetic
from midfill_model.network.deepseek import DeepseekV2

SMALL = synthetic.TINY | {
    "hidden_size": 128,
    "kv_lora_rank": 64,
    "v_head_dim": 32,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


WHOLE_GROUPS = {
    "moe_intermediate_size": 128,
    "qk_nope_head_dim": 64,
    "qk_rope_head_dim": 64,
    "v_head_dim": 64,
}
"""Every matrix is whole groups of 256 blocks: what double quantisation needs."""


def write_small(folder: Path, shard_bytes: int = 200_000, **changes: Any) -> Path:
    """In several shards, as on the hub."""
    synthetic.write_checkpoint(SMALL | changes, folder, shard_bytes=shard_bytes)
    return folder


def fused(
    folder: Path, device: str = "cpu", real: torch.dtype = torch.float32, double: bool = False
) -> tuple[Config, FusedWeights]:
    config = read_config(folder)
    with Checkpoint(folder) as checkpoint:
        return config, fuse(config, checkpoint, torch.device(device), real, lambda _: None, double)


def plain_twin(weights: FusedWeights, config: Config, context: int) -> DeepseekV2:
    """The plain network with exactly the values that the fused weights stand for, in fp32."""
    return DeepseekV2(replace(config, tie_word_embeddings=False), dequantised(weights, config), context)
