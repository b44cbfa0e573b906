"""The tensors of a `deepseek_v2` checkpoint, by their names and shapes in the hub's format. No torch."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .config import ModelError, read_config

NF4_BLOCK = 64  # weights that share an absmax

_KINDS = ("BF16", "F16", "F32")


def tensor_shapes(c: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of a checkpoint, in the hub's names."""
    hidden, heads, rank = c["hidden_size"], c["num_attention_heads"], c["kv_lora_rank"]
    plain, rotated, value = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
    yield "model.embed_tokens.weight", (c["vocab_size"], hidden)
    for i in range(c["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        yield f"{layer}.input_layernorm.weight", (hidden,)
        yield f"{layer}.self_attn.q_proj.weight", (heads * (plain + rotated), hidden)
        yield f"{layer}.self_attn.kv_a_proj_with_mqa.weight", (rank + rotated, hidden)
        yield f"{layer}.self_attn.kv_a_layernorm.weight", (rank,)
        yield f"{layer}.self_attn.kv_b_proj.weight", (heads * (plain + value), rank)
        yield f"{layer}.self_attn.o_proj.weight", (hidden, heads * value)
        yield f"{layer}.post_attention_layernorm.weight", (hidden,)
        yield from _mlp_shapes(c, i, f"{layer}.mlp")
    yield "model.norm.weight", (hidden,)
    if not c["tie_word_embeddings"]:
        yield "lm_head.weight", (c["vocab_size"], hidden)


def _mlp_shapes(c: dict[str, Any], index: int, name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, inner = c["hidden_size"], c["moe_intermediate_size"]
    if index < c["first_k_dense_replace"]:
        mlps = {name: c["intermediate_size"]}
    else:
        yield f"{name}.gate.weight", (c["n_routed_experts"], hidden)
        mlps = {f"{name}.experts.{e}": inner for e in range(c["n_routed_experts"])}
        mlps[f"{name}.shared_experts"] = inner * c["n_shared_experts"]
    for mlp, size in mlps.items():
        yield f"{mlp}.gate_proj.weight", (size, hidden)
        yield f"{mlp}.up_proj.weight", (size, hidden)
        yield f"{mlp}.down_proj.weight", (hidden, size)


Header = Callable[[str], tuple[tuple[int, ...], str]]
"""Name of a tensor -> (shape, kind); ModelError if missing."""


def check_tensors(folder: Path, headers: Mapping[str, Any]) -> None:
    """ModelError unless each tensor that config.json asks for can be read; `headers`: of all files."""

    def header(tensor: str) -> tuple[tuple[int, ...], str]:
        if tensor not in headers:
            raise missing_tensor(folder, tensor)
        return tuple(headers[tensor]["shape"]), str(headers[tensor]["dtype"])

    for tensor, shape in tensor_shapes(asdict(read_config(folder))):
        check_header(folder, tensor, shape, header)


def check_header(folder: Path, name: str, shape: tuple[int, ...], header: Header) -> None:
    """ModelError unless a weight is stored in a way that can be read, and in the shape that is asked for."""
    found, kind = header(name)
    if kind == "U8":
        absmax, absmax_kind = header(f"{name}.absmax")
        if absmax_kind != "F32":
            raise ModelError(f"{folder}: {name} is quantised twice; store it without double quantisation.")
        size = math.prod(shape)
        if math.prod(found) * 2 != size or math.prod(absmax) * NF4_BLOCK != size:
            raise _mismatch(folder, name, (math.prod(found) * 2,), shape)
    elif kind not in _KINDS:
        raise ModelError(
            f"{folder}: {name} is stored as {kind}; Midfill reads 16 and 32 bit floats and NF4, "
            "so download a model in one of these."
        )
    elif found != shape:
        raise _mismatch(folder, name, found, shape)


def _mismatch(folder: Path, name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> ModelError:
    return ModelError(
        f"{folder}: {name} has the shape {list(found)}, but config.json asks for {list(wanted)}; "
        "the files belong to different models."
    )


def missing_tensor(folder: Path, name: str) -> ModelError:
    return ModelError(
        f"{folder} lacks the tensor {name}; download the model again, or one whose weights are not quantised."
    )
