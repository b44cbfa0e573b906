"""Tiny random models on disk."""

from pathlib import Path
from typing import Any

from midfill_model.lab import synthetic

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
