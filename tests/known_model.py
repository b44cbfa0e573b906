"""A real model, tiny and loaded in no time, whose words are known: each token alone decides on the next."""

from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from midfill_model.generation.tokens import BYTE_OF
from midfill_model.lab import synthetic

SAID = "x=1"
"""What it says wherever it is asked; then it ends the line, and stops. No character comes twice."""

_BOS, _EOS, _FIM_END = 256, 257, 260  # as synthetic's tokenizer counts its control tokens
_SURE = 10.0  # a logit far above all others


def write_known(folder: Path) -> Path:
    """Embeddings are one-hot, attention and MLPs add nothing, lm_head is the table of what follows what."""
    size = synthetic.TINY["vocab_size"]
    shape = {"hidden_size": size, "num_hidden_layers": 2, "tie_word_embeddings": False}
    synthetic.write_checkpoint(synthetic.TINY | shape | {"bos_token_id": _BOS, "eos_token_id": _EOS}, folder)
    weights = load_file(folder / "model.safetensors")
    for name, weight in weights.items():
        if "o_proj" in name or "down_proj" in name:
            weight.zero_()
    weights["model.embed_tokens.weight"] = torch.eye(size)
    weights["lm_head.weight"].zero_()
    id_of = {chr(byte): id_ for id_, byte in enumerate(BYTE_OF.values())}
    ids = [_FIM_END, *(id_of[character] for character in SAID + "\n"), _EOS]
    follows = dict.fromkeys(range(size), id_of[SAID[0]]) | dict(pairwise(ids))
    for id_, next_id in follows.items():
        weights["lm_head.weight"][next_id, id_] = _SURE
    save_file(weights, folder / "model.safetensors")
    return folder
