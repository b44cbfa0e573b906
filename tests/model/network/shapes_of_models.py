"""Models' shapes with random weights that are made where they are used: no checkpoint is written."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from midfill_model.checkpoint.config import Config, read_config
from midfill_model.checkpoint.fused.layout import FusedWeights, named_tensors
from midfill_model.lab.synthetic import CONFIGS


def config_of(shape: str, **changes: Any) -> Config:
    """Of `lab.synthetic`, with changes."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(
            json.dumps(CONFIGS[shape] | {"n_routed_experts": CONFIGS[shape]["n_routed_experts"]} | changes)
        )
        return read_config(Path(folder))


@torch.inference_mode()
def filled(config: Config, weights: FusedWeights, seed: int) -> FusedWeights:
    """Any nibbles, absmax by which rows have about unit gain, norms near one, an embedding of unit size."""
    generator = torch.Generator(weights.embedding.device).manual_seed(seed)
    for name, tensor in named_tensors(weights):
        if name.endswith(".packed"):
            flat = tensor.view(-1)
            for part in flat.split(1 << 28):
                part.random_(0, 256, generator=generator)
        elif name.endswith(".absmax"):
            columns = 64 * tensor.shape[-1]
            tensor.uniform_(0.5, 1.5, generator=generator).mul_(1.7 / columns**0.5)
        elif name.endswith("norm"):
            tensor.normal_(1, 0.1, generator=generator)
        else:
            scale = tensor.shape[-1] ** -0.5 if name.endswith("router") else 1.0
            tensor.normal_(0, scale, generator=generator)
    return weights
