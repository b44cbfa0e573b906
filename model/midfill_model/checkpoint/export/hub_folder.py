"""A model as a plain hub folder, for vLLM, SGLang and transformers: NF4 expanded, control tokens marked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from midfill_model import fim
from midfill_model.checkpoint.config import read_json
from midfill_model.checkpoint.shapes import tensor_shapes
from midfill_model.checkpoint.weights import Checkpoint

TYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


def write_hub_folder(source: Path, folder: Path, kind: str, for_vllm: bool) -> Path:
    """The folder. `for_vllm`: it does not tie embeddings, and its rope on a CPU is wrong without yarn."""
    config, dtype = read_json(source / "config.json"), TYPES[kind]
    shapes = dict(tensor_shapes(config))
    with Checkpoint(source) as checkpoint:
        tensors = {name: checkpoint.read(name, shape).to(dtype) for name, shape in shapes.items()}
    config.pop("quantization_config", None)
    config["torch_dtype"] = str(dtype).removeprefix("torch.")
    if for_vllm and config.get("tie_word_embeddings"):
        config["tie_word_embeddings"] = False
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    if for_vllm and not config.get("rope_scaling"):
        config["rope_scaling"] = _identity(config["max_position_embeddings"])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write(folder / "config.json", config)
    tokenizer = _marked(read_json(source / "tokenizer.json"), config["bos_token_id"])
    _write(folder / "tokenizer.json", tokenizer)
    _write(folder / "tokenizer_config.json", _settings(config, tokenizer))
    ids = {"bos_token_id": config["bos_token_id"], "eos_token_id": config["eos_token_id"], "do_sample": False}
    _write(folder / "generation_config.json", ids)
    return folder


def _identity(length: int) -> dict[str, Any]:
    """yarn that stretches nothing."""
    return {
        "type": "yarn",
        "rope_type": "yarn",
        "factor": 1.0,
        "original_max_position_embeddings": length,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
    }


def _marked(tokenizer: dict[str, Any], bos: int) -> dict[str, Any]:
    """Control tokens are special, so that no server prints them, and every text begins with bos."""
    for token in tokenizer["added_tokens"]:
        token["special"], token["normalized"] = True, False
    begin = {"SpecialToken": {"id": fim.BOS, "type_id": 0}}
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [begin, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {fim.BOS: {"id": fim.BOS, "ids": [bos], "tokens": [fim.BOS]}},
    }
    return tokenizer


def _settings(config: dict[str, Any], tokenizer: dict[str, Any]) -> dict[str, Any]:
    fields = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")
    added = {str(it["id"]): {name: it[name] for name in fields} for it in tokenizer["added_tokens"]}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": fim.BOS,
        "eos_token": fim.EOS,
        "pad_token": fim.EOS,
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": config["max_position_embeddings"],
        "added_tokens_decoder": added,
    }


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), "utf-8")
