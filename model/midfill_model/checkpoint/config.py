"""config.json of a `deepseek_v2` model, checked key by key. No torch."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midfill_model import seam

_LONGEST = 1 << 28  # bytes of a JSON file


class ModelError(Exception):
    """A model that cannot be used, in one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Yarn:
    """RoPE stretched over a longer context (https://arxiv.org/abs/2309.00071)."""

    factor: float
    original_context: int
    beta_fast: float
    beta_slow: float
    mscale: float
    mscale_all_dim: float

    @property
    def softmax_factor(self) -> float:
        """What DeepSeek multiplies the softmax scale by."""
        return self._mscale(self.mscale_all_dim) ** 2 if self.mscale_all_dim else 1.0

    @property
    def rotation_factor(self) -> float:
        """What cos and sin are multiplied by."""
        if self.mscale and self.mscale_all_dim:
            return self._mscale(self.mscale) / self._mscale(self.mscale_all_dim)
        return self._mscale(1.0)

    def _mscale(self, weight: float) -> float:
        return 0.1 * weight * math.log(self.factor) + 1.0 if self.factor > 1 else 1.0


@dataclass(frozen=True, slots=True)
class Config:
    """The keys of config.json that the network needs, under their names there."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    kv_lora_rank: int
    qk_nope_head_dim: int
    qk_rope_head_dim: int
    v_head_dim: int
    n_routed_experts: int
    num_experts_per_tok: int
    n_shared_experts: int
    moe_intermediate_size: int
    first_k_dense_replace: int
    max_position_embeddings: int
    rms_norm_eps: float
    routed_scaling_factor: float
    rope_theta: float
    yarn: Yarn | None
    tie_word_embeddings: bool
    fim_trained: bool | None  # if the file says so: the hub's files do not
    trained_in: tuple[str, ...] | None  # the languages that it saw much of, if the file says so

    @property
    def latent_dim(self) -> int:
        """Numbers per token and layer in the KV cache: the latent and the rotated key part."""
        return self.kv_lora_rank + self.qk_rope_head_dim

    @property
    def qk_head_dim(self) -> int:
        return self.qk_nope_head_dim + self.qk_rope_head_dim

    @property
    def softmax_scale(self) -> float:
        return (self.yarn.softmax_factor if self.yarn else 1.0) / math.sqrt(self.qk_head_dim)


# Variants of the architecture that no FIM model uses: (key, the only values that the network computes).
_REFUSED_UNLESS: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("q_lora_rank", (None,)),
    ("hidden_act", ("silu",)),
    ("attention_bias", (False,)),
    ("mlp_bias", (False,)),
    ("scoring_func", ("softmax",)),
    ("topk_method", ("greedy",)),
    ("norm_topk_prob", (False,)),
    ("moe_layer_freq", (1,)),
)


def read_config(folder: Path) -> Config:
    """Read and check `folder/config.json`."""
    path = folder / "config.json"
    raw = read_json(path)
    if (kind := raw.get("model_type")) != "deepseek_v2":
        raise ModelError(f"{path} describes a {kind!r} model; Midfill runs deepseek_v2 models only.")
    for key, allowed in _REFUSED_UNLESS:
        if raw.get(key, allowed[0]) not in allowed:
            raise ModelError(f"{path}: {key} = {raw[key]!r} is not supported, only {allowed[0]!r}.")
    reader = _Reader(path, raw)
    # transformers 5 writes this; hub files have theta and scaling apart
    rope = reader.table("rope_parameters")
    return Config(
        **{key: reader.whole(key, lowest=0 if key in _MAY_BE_NONE else 1) for key in _WHOLE_KEYS},
        rms_norm_eps=reader.number("rms_norm_eps", 1e-6),
        routed_scaling_factor=reader.number("routed_scaling_factor", 1.0),
        rope_theta=_Reader(path, {**raw, **rope}).number("rope_theta", 10_000.0),
        yarn=_yarn(path, rope or reader.table("rope_scaling")),
        tie_word_embeddings=bool(raw.get("tie_word_embeddings", False)),
        fim_trained=bool(raw["fim_trained"]) if "fim_trained" in raw else None,
        trained_in=tuple(map(str, raw["trained_in"])) if isinstance(raw.get("trained_in"), list) else None,
    )


_WHOLE_KEYS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "kv_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
    "n_routed_experts",
    "num_experts_per_tok",
    "n_shared_experts",
    "moe_intermediate_size",
    "first_k_dense_replace",
    "max_position_embeddings",
)


_MAY_BE_NONE = {"first_k_dense_replace", "n_shared_experts"}


def _yarn(path: Path, scaling: dict[str, Any]) -> Yarn | None:
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "default":
        return None
    if kind != "yarn":
        raise ModelError(f"{path}: rope scaling {kind!r} is not supported, only yarn.")
    reader = _Reader(path, scaling)
    return Yarn(
        factor=reader.number("factor"),
        original_context=reader.whole("original_max_position_embeddings"),
        beta_fast=reader.number("beta_fast", 32.0),
        beta_slow=reader.number("beta_slow", 1.0),
        mscale=reader.number("mscale", 0.0),
        mscale_all_dim=reader.number("mscale_all_dim", 0.0),
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or a ModelError that names the file."""
    try:
        raw = json.loads(seam.read_plain(path, _LONGEST))
    except FileNotFoundError:
        raise ModelError(f"{path} is missing; point --model at a complete model folder.") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); check its permissions.") from None
    except (ValueError, RecursionError):
        raise ModelError(f"{path} is not valid JSON; download the model again.") from None
    if not isinstance(raw, dict):
        raise ModelError(f"{path} does not hold a JSON object; download the model again.")
    return raw


def added_tokens(path: Path, raw: Mapping[str, Any]) -> dict[str, int]:
    """What a tokenizer.json adds to its vocabulary, and under which ids; `raw` is its JSON. ModelError."""
    listed = raw.get("added_tokens", [])
    entries = listed if isinstance(listed, list) else [None]
    added: dict[str, int] = {}
    for it in entries:
        text, id_ = (it.get("content"), it.get("id")) if isinstance(it, dict) else (None, None)
        if not isinstance(text, str) or type(id_) is not int or not 0 <= id_ < _MOST_TOKENS:
            raise ModelError(f"{path} has added tokens that are none; download the model again.")
        added[text] = id_
    return added


_MOST_TOKENS = 1 << 24  # a table of all is made
_LARGEST = 1 << 40  # of any number; memory ends long before


@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path
    raw: dict[str, Any]

    def whole(self, key: str, lowest: int = 1) -> int:
        value = self.raw.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= _LARGEST:
            told = f"{value!r}"[:60]
            raise ModelError(f"{self.path}: {key} must be a whole number from {lowest} up, not {told}.")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        value = self.raw.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _LARGEST:
            raise ModelError(f"{self.path}: {key} must be a number, not {f'{value!r}'[:60]}.")
        return float(value)

    def table(self, key: str) -> dict[str, Any]:
        """Empty where there is none."""
        value = self.raw.get(key) or {}
        if not isinstance(value, dict):
            raise ModelError(f"{self.path}: {key} must be an object, not {f'{value!r}'[:60]}.")
        return value
