"""A `deepseek_v2` model as GGUF, which llama.cpp, Ollama and LM Studio read.

What llama.cpp's `deepseek2` wants and does not say: `q_lora_rank` must be written, and be 0; latent attention
goes as attention with one KV head, kv_b split into k_b (transposed) and v_b; tied embeddings have no
`output.weight`. Its pre-tokenizer nearest to ours is `dbrx`: 890 of 900 windows of code had the same ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType

from midfill_model import fim
from midfill_model.checkpoint.config import ModelError, read_json
from midfill_model.checkpoint.hub import name_of, resolve
from midfill_model.checkpoint.shapes import tensor_shapes
from midfill_model.checkpoint.weights import Checkpoint

PRE_TOKENIZER = "dbrx"
TYPES = {  # -> (of a tensor, of the file)
    "f32": (GGMLQuantizationType.F32, 0),
    "f16": (GGMLQuantizationType.F16, 1),
    "q4_0": (GGMLQuantizationType.Q4_0, 2),
    "q8_0": (GGMLQuantizationType.Q8_0, 7),
    "bf16": (GGMLQuantizationType.BF16, 32),
}
OF_A_LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
    "self_attn.kv_a_layernorm": "attn_kv_a_norm",
    "self_attn.o_proj": "attn_output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate": "ffn_gate_inp",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "mlp.shared_experts.gate_proj": "ffn_gate_shexp",
    "mlp.shared_experts.up_proj": "ffn_up_shexp",
    "mlp.shared_experts.down_proj": "ffn_down_shexp",
}
WHOLE = {
    "model.embed_tokens.weight": "token_embd",
    "model.norm.weight": "output_norm",
    "lm_head.weight": "output",
}
Array = np.ndarray[Any, np.dtype[np.float32]]


def write_gguf(source: Path, folder: Path, kind: str) -> Path:
    """The file. Raises ModelError for a model that this cannot write."""
    config = read_json(source / "config.json")
    if config.get("rope_scaling") or config.get("q_lora_rank"):
        raise ModelError(
            f"{source}: models with rope_scaling or q_lora_rank are not exported; "
            "llama.cpp's own convert_hf_to_gguf.py does that."
        )
    name = "midfill-demo" if source == resolve("demo") else name_of(source)
    path = folder / f"{name}-{kind}.gguf"
    writer = GGUFWriter(path, "deepseek2")
    writer.add_name(name)
    writer.add_file_type(TYPES[kind][1])
    _add_shape(writer, config)
    _add_vocabulary(writer, config, read_json(source / "tokenizer.json"))
    with Checkpoint(source) as checkpoint:
        for tensor, array in _tensors(config, checkpoint):
            _add(writer, f"{tensor}.weight", array, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    writer.close()
    return path


def _add_shape(writer: GGUFWriter, c: dict[str, Any]) -> None:
    rank, rotated = c["kv_lora_rank"], c["qk_rope_head_dim"]
    writer.add_block_count(c["num_hidden_layers"])
    writer.add_context_length(c["max_position_embeddings"])
    writer.add_embedding_length(c["hidden_size"])
    writer.add_feed_forward_length(c["intermediate_size"])
    writer.add_head_count(c["num_attention_heads"])
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
    writer.add_rope_freq_base(float(c["rope_theta"]))
    writer.add_rope_dimension_count(rotated)
    writer.add_vocab_size(c["vocab_size"])
    writer.add_leading_dense_block_count(c["first_k_dense_replace"])
    writer.add_q_lora_rank(0)
    writer.add_kv_lora_rank(rank)
    writer.add_key_length(rank + rotated)
    writer.add_value_length(rank)
    writer.add_key_length_mla(c["qk_nope_head_dim"] + rotated)
    writer.add_value_length_mla(c["v_head_dim"])
    writer.add_expert_feed_forward_length(c["moe_intermediate_size"])
    writer.add_expert_count(c["n_routed_experts"])
    writer.add_expert_used_count(c["num_experts_per_tok"])
    writer.add_expert_shared_count(c["n_shared_experts"])
    writer.add_expert_weights_scale(float(c["routed_scaling_factor"]))
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SOFTMAX)


def _add_vocabulary(writer: GGUFWriter, config: dict[str, Any], tokenizer: dict[str, Any]) -> None:
    size = config["vocab_size"]
    tokens, types = [f"[PAD{i}]" for i in range(size)], [TokenType.UNUSED] * size
    for text, id_ in tokenizer["model"]["vocab"].items():
        tokens[id_], types[id_] = text, TokenType.NORMAL
    added = {it["content"]: it["id"] for it in tokenizer["added_tokens"]}
    for text, id_ in added.items():
        tokens[id_], types[id_] = text, TokenType.CONTROL
    merges = tokenizer["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([it if isinstance(it, str) else " ".join(it) for it in merges])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["eos_token_id"])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    for key, sign in (("pre", fim.FIM_BEGIN), ("suf", fim.FIM_HOLE), ("mid", fim.FIM_END)):
        if sign in added:
            writer.add_uint32(f"tokenizer.ggml.fim_{key}_token_id", added[sign])


def _tensors(c: dict[str, Any], checkpoint: Checkpoint) -> Iterator[tuple[str, Array]]:
    """llama.cpp's names and values; the experts of a layer as one tensor [experts, out, in]."""
    heads, plain, value, rank = (
        c[it] for it in ("num_attention_heads", "qk_nope_head_dim", "v_head_dim", "kv_lora_rank")
    )
    shapes = dict(tensor_shapes(c))

    def read(name: str) -> Array:
        array: Array = checkpoint.read(name, shapes[name]).numpy()
        return array

    for name in shapes:
        if name in WHOLE:
            yield WHOLE[name], read(name)
            continue
        _, _, layer, inner = name.removesuffix(".weight").split(".", 3)
        block = f"blk.{layer}"
        if inner in OF_A_LAYER:
            yield f"{block}.{OF_A_LAYER[inner]}", read(name)
        elif inner == "self_attn.kv_b_proj":
            both = read(name).reshape(heads, plain + value, rank)
            yield f"{block}.attn_k_b", both[:, :plain].transpose(0, 2, 1)
            yield f"{block}.attn_v_b", both[:, plain:]
        elif inner.startswith("mlp.experts.0."):
            part = inner.removeprefix("mlp.experts.0.")
            each = [
                read(f"model.layers.{layer}.mlp.experts.{i}.{part}.weight")
                for i in range(c["n_routed_experts"])
            ]
            yield f"{block}.ffn_{part.removesuffix('_proj')}_exps", np.stack(each)


def _add(writer: GGUFWriter, name: str, array: Array, kind: str) -> None:
    array = np.ascontiguousarray(array)
    wanted = TYPES[kind][0]
    if array.ndim == 1 or ".ffn_gate_inp." in name or wanted is GGMLQuantizationType.F32:
        writer.add_tensor(name, array)
    else:
        try:
            writer.add_tensor(name, gguf.quants.quantize(array, wanted), raw_dtype=wanted)
        except gguf.quants.QuantError:
            rows = array.shape[-1]
            raise ModelError(
                f"{kind} cannot hold {name}, whose rows have {rows} values; use --type f16."
            ) from None
