"""DeepSeek-V2's network: latent attention (MLA), a mixture of experts, and nothing else.

Knows no tokenizer, no file and no request. In shape comments: T tokens of this call, S positions so far,
D hidden size, H heads, R latent, r rotated, n plain and v value size of a head, E experts, I inner, V ids.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import Config

Fetch = Callable[..., Tensor]  # (name in the checkpoint, *shape) -> the weight


@dataclass(frozen=True, slots=True)
class Attention:
    norm: Tensor  # [D]
    inputs: Tensor  # [R + r + H*r + H*n, D] rows: latent, rotated key, rotated queries, plain queries
    latent_norm: Tensor  # [R]
    key: Tensor  # [H, n, R]
    value: Tensor  # [H, v, R]
    output: Tensor  # [D, H*v]


@dataclass(frozen=True, slots=True)
class Mlp:
    gate_up: Tensor  # [2*I, D]
    down: Tensor  # [D, I]


@dataclass(frozen=True, slots=True)
class Moe:
    router: Tensor  # [E, D]
    experts: tuple[Mlp, ...]
    shared: Mlp


@dataclass(frozen=True, slots=True)
class Layer:
    attention: Attention
    mlp_norm: Tensor  # [D]
    mlp: Mlp | Moe


class DeepseekV2:
    """The weights and `forward`. What requests leave behind is in the latent cache, which callers own."""

    def __init__(self, config: Config, fetch: Fetch, context: int) -> None:
        c = config
        self.config = config
        self.context = context  # positions
        self.n_parameters = 0

        def counted(name: str, *shape: int) -> Tensor:
            self.n_parameters += math.prod(shape)
            return fetch(name, *shape)

        self.embedding = counted("model.embed_tokens.weight", c.vocab_size, c.hidden_size)  # [V, D]
        self.layers = tuple(_fetch_layer(c, i, counted) for i in range(c.num_hidden_layers))
        self.norm = counted("model.norm.weight", c.hidden_size)  # [D]
        tied = c.tie_word_embeddings
        self.head = (
            self.embedding if tied else counted("lm_head.weight", c.vocab_size, c.hidden_size)
        )  # [V, D]
        self.rotations = _rotations(c, context).to(self.embedding.device)  # [context, r/2]
        last = self.layers[-1].attention
        self._last_latents = replace(last, inputs=last.inputs[: c.latent_dim])  # no queries

    def new_cache(self, length: int) -> Tensor:
        """Room for `length` tokens: [layers, length, R + r]."""
        return self.embedding.new_empty(self.config.num_hidden_layers, length, self.config.latent_dim)

    @torch.inference_mode()
    def forward(self, ids: Tensor, cache: Tensor, start: int, every_logit: bool = False) -> Tensor:
        """Compute `ids` [T] from position `start` on; write their latents; the last logits [V], or all [T, V]."""
        c, stop = self.config, start + len(ids)
        rotation = self.rotations[start:stop, None]  # [T, 1, r/2]
        mask = _causal_mask(start, stop, self.embedding) if len(ids) > 1 else None  # [T, S]
        x = F.embedding(ids, self.embedding)  # [T, D]
        for layer, latents in zip(self.layers, cache[:, :stop], strict=True):
            if layer is self.layers[-1] and len(x) > 1 and not every_logit:
                # The last layer's output is wanted for the last token only, of the others their latents.
                _project(c, self._last_latents, x, rotation, latents)
                x, rotation, mask = x[-1:], rotation[-1:], None
            x = x + _attend(c, layer.attention, x, rotation, latents, mask)
            h = F.rms_norm(x, x.shape[-1:], layer.mlp_norm, c.rms_norm_eps)
            x = x + (_mixture(c, layer.mlp, h) if isinstance(layer.mlp, Moe) else _mlp(layer.mlp, h))
        x = F.rms_norm(x, x.shape[-1:], self.norm, c.rms_norm_eps)
        return F.linear(x if every_logit else x[-1], self.head)


def _attend(
    c: Config, w: Attention, x: Tensor, rotation: Tensor, latents: Tensor, mask: Tensor | None
) -> Tensor:
    plain, rotated = _project(c, w, x, rotation, latents)
    heads = _attend_expanded if len(x) >= _expansion_pays_from(c) else _attend_latent
    return F.linear(heads(c, w, plain, rotated, latents, mask), w.output)  # [T, D]


def _project(c: Config, w: Attention, x: Tensor, rotation: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
    """Write the T last rows of `latents` [S, R+r]; return the queries [T, H, n] and [T, H, r], rotated."""
    rank, turn, flat = c.kv_lora_rank, c.qk_rope_head_dim, c.qk_nope_head_dim
    n_heads = (len(w.inputs) - c.latent_dim) // (turn + flat)
    h = F.rms_norm(x, x.shape[-1:], w.norm, c.rms_norm_eps)
    latent, turning, plain = F.linear(h, w.inputs).split_with_sizes(
        (rank, (1 + n_heads) * turn, n_heads * flat), -1
    )
    turned = _rotate(turning.view(len(x), 1 + n_heads, turn), rotation)  # [T, 1+H, r], first the key
    latents[-len(x) :, :rank] = F.rms_norm(
        latent, (rank,), w.latent_norm, 1e-6
    )  # DeepSeek fixes this epsilon
    latents[-len(x) :, rank:] = turned[:, 0]
    return plain.view(len(x), n_heads, flat), turned[:, 1:]


def _attend_latent(
    c: Config, w: Attention, plain: Tensor, rotated: Tensor, latents: Tensor, mask: Tensor | None
) -> Tensor:
    """Queries go down to the latents: per position and head R + r numbers are read, nothing is expanded."""
    queries = torch.cat((plain.transpose(0, 1) @ w.key, rotated.transpose(0, 1)), dim=-1)  # [H, T, R+r]
    shared = latents.expand(len(queries), -1, -1)  # [H, S, R+r] every head reads the same rows
    mixed = _softmax_attention(queries, shared, shared, mask, c.softmax_scale)[
        ..., : c.kv_lora_rank
    ]  # [H, T, R]
    return (mixed @ w.value.mT).transpose(0, 1).flatten(1)  # [T, H*v]


def _attend_expanded(
    c: Config, w: Attention, plain: Tensor, rotated: Tensor, latents: Tensor, mask: Tensor | None
) -> Tensor:
    """Latents go up to every head's keys and values, as the checkpoint has it: cheaper for many queries."""
    latent, turned = latents.split_with_sizes((c.kv_lora_rank, c.qk_rope_head_dim), -1)
    keys = torch.cat((latent @ w.key.mT, turned.expand(len(w.key), -1, -1)), dim=-1)  # [H, S, n+r]
    values = latent @ w.value.mT  # [H, S, v]
    queries = torch.cat((plain, rotated), dim=-1).transpose(0, 1)  # [H, T, n+r]
    return (
        _softmax_attention(queries, keys, values, mask, c.softmax_scale).transpose(0, 1).flatten(1)
    )  # [T, H*v]


def _expansion_pays_from(c: Config) -> float:
    """How many queries it takes for `_attend_expanded` to multiply less, whatever S and H are."""
    expand = c.kv_lora_rank * (c.qk_nope_head_dim + c.v_head_dim)  # per position and head
    latent_query = c.latent_dim + c.kv_lora_rank
    expanded_query = c.qk_nope_head_dim + c.qk_rope_head_dim + c.v_head_dim
    return expand / (latent_query - expanded_query) if latent_query > expanded_query else math.inf


def _softmax_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    return F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask, scale=scale)[0]


def _mlp(w: Mlp, h: Tensor) -> Tensor:
    gate, up = F.linear(h, w.gate_up).chunk(2, dim=-1)  # [T, I]
    return F.linear(F.silu(gate) * up, w.down)  # [T, D]


def _mixture(c: Config, w: Moe, h: Tensor) -> Tensor:
    scores = F.linear(h.float(), w.router.float()).softmax(dim=-1)  # [T, E]
    weights, chosen = scores.topk(c.num_experts_per_tok, dim=-1)  # [T, k]
    weights = weights * c.routed_scaling_factor
    mix = _mix_one if len(h) == 1 else _mix_grouped
    return mix(w.experts, h, weights, chosen, _mlp(w.shared, h))


def _mix_one(experts: tuple[Mlp, ...], h: Tensor, weights: Tensor, chosen: Tensor, total: Tensor) -> Tensor:
    for expert, weight in zip(chosen[0].tolist(), weights[0].tolist(), strict=True):
        total = total + weight * _mlp(experts[expert], h)
    return total


def _mix_grouped(
    experts: tuple[Mlp, ...], h: Tensor, weights: Tensor, chosen: Tensor, total: Tensor
) -> Tensor:
    """Sort the (token, expert) pairs by expert, so that each expert multiplies all its tokens at once."""
    by_expert = chosen.flatten().argsort()  # [T*k]
    tokens = by_expert // chosen.shape[1]
    counts = chosen.flatten().bincount(minlength=len(experts)).tolist()
    parts = h[tokens].split_with_sizes(counts)
    mixed = torch.cat([_mlp(w, part) for w, part in zip(experts, parts, strict=True) if len(part)])
    return total.index_add_(0, tokens, mixed * weights.flatten()[by_expert, None].to(h.dtype))


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn adjacent pairs of `x` [T, …, r] by `rotation` [T, 1, r/2]."""
    pairs = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))  # [T, …, r/2]
    return torch.view_as_real(pairs * rotation).flatten(-2).to(x.dtype)


def _rotations(c: Config, context: int) -> Tensor:
    """cos + i·sin of every position and pair, complex [context, r/2]; stretched when the config says yarn."""
    pair = torch.arange(0, c.qk_rope_head_dim, 2) / c.qk_rope_head_dim  # [r/2]
    frequency = 1.0 / c.rope_theta**pair
    if c.yarn is None:
        angles = torch.outer(torch.arange(context), frequency)
        return torch.polar(torch.ones_like(angles), angles)

    def pair_turning(times: float) -> float:  # the pair that turns so often within the original context
        assert c.yarn
        wavelength = c.yarn.original_context / (times * 2 * math.pi)
        return c.qk_rope_head_dim * math.log(wavelength) / (2 * math.log(c.rope_theta))

    low = max(math.floor(pair_turning(c.yarn.beta_fast)), 0)
    high = min(math.ceil(pair_turning(c.yarn.beta_slow)), c.qk_rope_head_dim - 1)
    ramp = ((torch.arange(len(pair)) - low) / max(high - low, 0.001)).clamp(0, 1)  # 0 keep, 1 stretch
    angles = torch.outer(torch.arange(context), frequency * (1 - ramp) + frequency / c.yarn.factor * ramp)
    return torch.polar(torch.full_like(angles, c.yarn.rotation_factor), angles)


def _causal_mask(start: int, stop: int, like: Tensor) -> Tensor:
    """[T, S]: 0 where a token may look, -inf behind it."""
    return like.new_full((stop - start, stop), -math.inf).triu_(start + 1)


def _fetch_layer(c: Config, index: int, fetch: Fetch) -> Layer:
    name = f"model.layers.{index}"
    dense = index < c.first_k_dense_replace
    return Layer(
        attention=_fetch_attention(c, name, fetch),
        mlp_norm=fetch(f"{name}.post_attention_layernorm.weight", c.hidden_size),
        mlp=_fetch_mlp(c, f"{name}.mlp", c.intermediate_size, fetch)
        if dense
        else _fetch_moe(c, f"{name}.mlp", fetch),
    )


def _fetch_attention(c: Config, name: str, fetch: Fetch) -> Attention:
    heads, flat, turn = c.num_attention_heads, c.qk_nope_head_dim, c.qk_rope_head_dim
    attention = f"{name}.self_attn"
    query = fetch(f"{attention}.q_proj.weight", heads * (flat + turn), c.hidden_size)
    plain, turning = query.view(heads, flat + turn, -1).split_with_sizes((flat, turn), 1)
    latent = fetch(f"{attention}.kv_a_proj_with_mqa.weight", c.latent_dim, c.hidden_size)
    key_value = fetch(f"{attention}.kv_b_proj.weight", heads * (flat + c.v_head_dim), c.kv_lora_rank)
    key, value = key_value.view(heads, -1, c.kv_lora_rank).split_with_sizes((flat, c.v_head_dim), 1)
    return Attention(
        norm=fetch(f"{name}.input_layernorm.weight", c.hidden_size),
        inputs=torch.cat((latent, turning.flatten(0, 1), plain.flatten(0, 1))),
        latent_norm=fetch(f"{attention}.kv_a_layernorm.weight", c.kv_lora_rank),
        key=key.contiguous(),
        value=value.contiguous(),
        output=fetch(f"{attention}.o_proj.weight", c.hidden_size, heads * c.v_head_dim),
    )


def _fetch_moe(c: Config, name: str, fetch: Fetch) -> Moe:
    inner = c.moe_intermediate_size
    return Moe(
        router=fetch(f"{name}.gate.weight", c.n_routed_experts, c.hidden_size),
        experts=tuple(_fetch_mlp(c, f"{name}.experts.{e}", inner, fetch) for e in range(c.n_routed_experts)),
        shared=_fetch_mlp(c, f"{name}.shared_experts", inner * c.n_shared_experts, fetch),
    )


def _fetch_mlp(c: Config, name: str, inner: int, fetch: Fetch) -> Mlp:
    gate = fetch(f"{name}.gate_proj.weight", inner, c.hidden_size)
    up = fetch(f"{name}.up_proj.weight", inner, c.hidden_size)
    return Mlp(torch.cat((gate, up)), fetch(f"{name}.down_proj.weight", c.hidden_size, inner))
