"""transformers' own DeepseekV2ForCausalLM on tiny random shapes, written as a folder in the hub's names."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import DeepseekV2Config, DeepseekV2ForCausalLM

from midfill_model import synthetic, weights
from midfill_model.config import read_config
from midfill_model.deepseek import DeepseekV2

YARN = {
    "type": "yarn",
    "factor": 8,
    "beta_fast": 32,
    "beta_slow": 1,
    "mscale": 0.707,
    "mscale_all_dim": 0.707,
    "original_max_position_embeddings": 128,
}


def write_tiny(folder: Path, seed: int = 0, **changes: Any) -> Path:
    synthetic.write_checkpoint(synthetic.TINY | changes, folder, seed)
    return folder


def ours(folder: Path, context: int = 1024) -> DeepseekV2:
    return weights.load(folder, read_config(folder), context, "cpu", lambda _: None)


def theirs(folder: Path) -> DeepseekV2ForCausalLM:
    """The same weights in transformers, which stacks the experts of a layer."""
    raw = json.loads((folder / "config.json").read_text())
    model = DeepseekV2ForCausalLM(DeepseekV2Config(**raw)).eval()
    state = dict(load_file(folder / "model.safetensors"))
    for i in range(raw["first_k_dense_replace"], raw["num_hidden_layers"]):
        mlp = f"model.layers.{i}.mlp.experts"
        gate, up, down = (
            torch.stack([state.pop(f"{mlp}.{e}.{part}_proj.weight") for e in range(raw["n_routed_experts"])])
            for part in ("gate", "up", "down")
        )
        state |= {f"{mlp}.gate_up_proj": torch.cat((gate, up), dim=1), f"{mlp}.down_proj": down}
    if raw["tie_word_embeddings"]:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state)
    return model
