"""Write trained masters as a model folder: Lite's tensor names, bitsandbytes' NF4, the hub's config."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from midfill_model import nf4
from midfill_model.demo.training.network import Shape
from midfill_model.demo.training.optimizer import is_stored_in_4_bit
from midfill_model.demo.training.samples import BOS, EOS


def export(masters: dict[str, Tensor], shape: Shape, tokenizer: Path, out: Path) -> None:
    """`out` then holds config.json, tokenizer.json and model.safetensors."""
    out.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, tensor in named(masters):
        if is_stored_in_4_bit(name.removesuffix(".weight")):
            packed, absmax = nf4.quantize(tensor)
            tensors |= {name: packed.cpu().contiguous(), f"{name}.absmax": absmax.cpu()}
        else:
            tensors[name] = tensor.float().cpu().contiguous()
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "config.json").write_text(json.dumps(config(shape), indent=2) + "\n")
    if tokenizer.resolve() != (out / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer, out / "tokenizer.json")


def named(masters: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Our parameters under the checkpoint's names, experts one by one."""
    for name, tensor in masters.items():
        if name.endswith(("mlp.gate_up", "mlp.down")):
            stem = name.rpartition(".")[0]
            for index, expert in enumerate(tensor):
                if name.endswith("gate_up"):
                    gate, up = expert.chunk(2)
                    yield f"model.{stem}.experts.{index}.gate_proj.weight", gate
                    yield f"model.{stem}.experts.{index}.up_proj.weight", up
                else:
                    yield f"model.{stem}.experts.{index}.down_proj.weight", expert
        else:
            yield f"model.{name}.weight", tensor


def config(s: Shape) -> dict[str, object]:
    return {
        "architectures": ["DeepseekV2ForCausalLM"],
        "model_type": "deepseek_v2",
        "vocab_size": s.vocab,
        "hidden_size": s.hidden,
        "intermediate_size": s.dense,
        "moe_intermediate_size": s.expert,
        "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads,
        "num_key_value_heads": s.heads,
        "n_routed_experts": s.experts,
        "n_shared_experts": s.shared // s.expert,
        "num_experts_per_tok": s.chosen,
        "first_k_dense_replace": 1,
        "moe_layer_freq": 1,
        "norm_topk_prob": False,
        "scoring_func": "softmax",
        "topk_method": "greedy",
        "n_group": 1,
        "topk_group": 1,
        "routed_scaling_factor": s.scaling,
        "q_lora_rank": None,
        "kv_lora_rank": s.latent,
        "qk_nope_head_dim": s.nope,
        "qk_rope_head_dim": s.rope,
        "v_head_dim": s.value,
        "rope_theta": 10000,
        "rope_scaling": None,
        "rms_norm_eps": s.eps,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "torch_dtype": "float32",
        "quantization_config": {
            "quant_method": "bitsandbytes",
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": "float32",
            "bnb_4bit_use_double_quant": False,
        },
    }
