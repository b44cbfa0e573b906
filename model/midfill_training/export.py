"""Trained masters as a model folder, and back: Lite's tensor names, bitsandbytes' NF4, the hub's config."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from midfill_model.checkpoint import nf4, weights
from midfill_training.network import Network, Shape
from midfill_training.optimizer import is_stored_in_4_bit
from midfill_training.text.samples import BOS, EOS


def export(
    masters: dict[str, Tensor], shape: Shape, tokenizer: Path, out: Path, four_bit: bool = True
) -> None:
    """`out` then holds config.json, tokenizer.json and model.safetensors: NF4, or for comparisons bf16."""
    out.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for name, tensor in named(masters):
        matrix = is_stored_in_4_bit(name.removesuffix(".weight"))
        if matrix and four_bit:
            packed, absmax = nf4.quantize(tensor)
            tensors |= {name: packed.cpu().contiguous(), f"{name}.absmax": absmax.cpu()}
        else:
            tensors[name] = tensor.to(torch.bfloat16 if matrix else torch.float32).cpu().contiguous()
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    settings = config(shape) | ({"quantization_config": QUANTISATION} if four_bit else {})
    (out / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    if tokenizer.resolve() != (out / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer, out / "tokenizer.json")


def shape_of(folder: Path) -> Shape:
    """Of what `config` wrote."""
    told = json.loads((folder / "config.json").read_text("utf-8"))
    shared = told["n_shared_experts"] * told["moe_intermediate_size"]
    return Shape(shared=shared, **{field: told[name] for field, name in NAMES.items()})


def masters_of(folder: Path, shape: Shape) -> dict[str, Tensor]:
    """What a folder holds as the trainer's parameters, in fp32. ModelError if it is of another shape."""
    with torch.device("meta"):
        wanted = Network(shape).state_dict()
        shapes = {name: tuple(part.shape) for name, part in named(wanted)}
    with weights.Checkpoint(folder) as checkpoint:
        found = {name: checkpoint.read(name, it) for name, it in shapes.items()}
    masters: dict[str, Tensor] = {}
    for name in wanted:
        stem = f"model.{name.rpartition('.')[0]}.experts"
        if name.endswith("mlp.gate_up"):
            halves = [
                [f"{stem}.{e}.{half}_proj.weight" for half in ("gate", "up")] for e in range(shape.experts)
            ]
            masters[name] = torch.stack([torch.cat([found[half] for half in pair]) for pair in halves])
        elif name.endswith("mlp.down"):
            masters[name] = torch.stack([found[f"{stem}.{e}.down_proj.weight"] for e in range(shape.experts)])
        else:
            masters[name] = found[f"model.{name}.weight"]
    return masters


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


NAMES = {
    "vocab": "vocab_size",
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "latent": "kv_lora_rank",
    "nope": "qk_nope_head_dim",
    "rope": "qk_rope_head_dim",
    "value": "v_head_dim",
    "dense": "intermediate_size",
    "experts": "n_routed_experts",
    "chosen": "num_experts_per_tok",
    "expert": "moe_intermediate_size",
    "scaling": "routed_scaling_factor",
    "eps": "rms_norm_eps",
}
"""Of `Shape`'s fields in the hub's config."""


def config(s: Shape) -> dict[str, object]:
    return {
        **{name: getattr(s, field) for field, name in NAMES.items()},
        "architectures": ["DeepseekV2ForCausalLM"],
        "model_type": "deepseek_v2",
        "num_key_value_heads": s.heads,
        "n_shared_experts": s.shared // s.expert,
        "first_k_dense_replace": 1,
        "moe_layer_freq": 1,
        "norm_topk_prob": False,
        "scoring_func": "softmax",
        "topk_method": "greedy",
        "n_group": 1,
        "topk_group": 1,
        "q_lora_rank": None,
        "rope_theta": 10000,
        "rope_scaling": None,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "trained_in": TRAINED_IN,
        "torch_dtype": "float32",
    }


TRAINED_IN = [
    *("python", "javascript", "javascriptreact", "typescript", "typescriptreact"),
    *("go", "rust", "java", "c", "cpp"),
]
"""By LSP's names, what makes up 94 % of the samples; of the others it saw a little."""

QUANTISATION = {
    "quant_method": "bitsandbytes",
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_compute_dtype": "float32",
    "bnb_4bit_use_double_quant": False,
}
