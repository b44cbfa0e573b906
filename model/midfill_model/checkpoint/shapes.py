"""The tensors of a `deepseek_v2` checkpoint, by their names and shapes in the hub's format. No torch."""

from collections.abc import Iterator
from typing import Any


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
