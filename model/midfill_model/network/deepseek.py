"""DeepSeek-V2's network: latent attention (MLA), a mixture of experts, and nothing else.

Knows no tokenizer, no file and no request. In shape comments: T tokens of this call, S positions so far,
D hidden size, H heads, R latent, r rotated, n plain and v value size of a head, E experts, I inner, V ids.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from midfill_model.checkpoint.config import Config

from .choice import best_of, likeliest
from .linear import Linear, pack
from .protocol import Cancelled, Places, Token, never
from .rotations import rotations

Fetch = Callable[..., Tensor]  # (name in the checkpoint, *shape) -> the weight
Stop = Callable[[], bool]  # whether to stop, asked between two layers


@dataclass(frozen=True, slots=True)
class Attention:
    inputs: Linear  # D -> R + r + H*r + H*n: latent, rotated key, rotated queries, plain queries
    latents: Linear  # D -> R + r: the first two alone
    latent_norm: Tensor  # [R]
    key: Tensor  # [H, n, R]
    value: Tensor  # [H, v, R]
    expand: Linear  # R -> H*(n+v): key and value as one matrix
    output: Linear  # H*v -> D


@dataclass(frozen=True, slots=True)
class Mlp:
    gate_up: Linear  # D -> 2*I
    down: Linear  # I -> D


@dataclass(frozen=True, slots=True)
class Moe:
    router: Tensor  # [E, D]
    experts: tuple[Mlp, ...]
    shared: Mlp


@dataclass(frozen=True, slots=True)
class Layer:
    norm: Tensor  # [D]
    attention: Attention
    mlp_norm: Tensor  # [D]
    mlp: Mlp | Moe


class DeepseekV2:
    """The weights and `forward`. What requests leave behind is in the latent cache, which callers own."""

    weights_dtype = "float32"
    prefill_chunk = 512
    n_guesses = 4  # on two cores five ids cost about as much as 1.3 alone, and two or three guesses are right
    beam_width = 4

    def __init__(self, config: Config, fetch: Fetch, context: int) -> None:
        c = config
        self.config = config
        self.context = context  # positions
        self.n_parameters = 0

        def counted(name: str, *shape: int) -> Tensor:
            self.n_parameters += math.prod(shape)
            return fetch(name, *shape)

        embedding = counted("model.embed_tokens.weight", c.vocab_size, c.hidden_size)
        tied = c.tie_word_embeddings
        # Tied, both share the memory of the head's layout: a lookup is hardly slower there.
        self.embedding = embedding.t().contiguous().t() if tied else embedding  # [V, D]
        self.layers = tuple(_fetch_layer(c, i, counted) for i in range(c.num_hidden_layers))
        self.norm = counted("model.norm.weight", c.hidden_size)  # [D]
        self.head = pack(self.embedding if tied else counted("lm_head.weight", c.vocab_size, c.hidden_size))
        self.rotations = rotations(c, context).to(self.embedding.device)  # [context, r/2]
        self._logits = self.embedding.new_empty(0)  # [V], of the last call of next_token

    def new_cache(self, length: int) -> Tensor:
        """Room for `length` tokens: [layers, length, R + r]."""
        return self.embedding.new_empty(self.config.num_hidden_layers, length, self.config.latent_dim)

    @property
    def device(self) -> torch.device:
        return self.embedding.device

    def next_token(
        self, ids: Sequence[int], cache: Tensor, start: int, vocabulary: int, cancelled: Stop = never
    ) -> Token:
        """Compute `ids` after the `start` tokens that `cache` holds; the best next one below `vocabulary`."""
        self._logits = self.forward(torch.tensor(ids, device=self.device), cache, start, cancelled=cancelled)
        return likeliest(self._logits[None, :vocabulary])[0]

    def next_tokens(self, ids: Sequence[int], cache: Tensor, start: int, vocabulary: int) -> list[Token]:
        """The best next one after each of `ids`."""
        logits = self.forward(torch.tensor(ids, device=self.device), cache, start, every_logit=True)
        return likeliest(logits[:, :vocabulary])

    def best_of(self, ids: Sequence[int]) -> Token:
        """Of these the best, after what the last call of next_token has computed."""
        return best_of(self._logits, ids)

    def scores(self, vocabulary: int) -> Tensor:
        """Log-probabilities [vocabulary] of what follows what the last call of next_token has computed."""
        return self._logits[:vocabulary].float().log_softmax(-1)

    def log_probabilities(
        self,
        ids: Sequence[int],
        cache: Tensor,
        start: int,
        vocabulary: int,
        n_last: int = 1,
        cancelled: Stop = never,
        places: Places | None = None,
    ) -> Tensor:
        """[n_last, vocabulary]: see network.Branching."""
        n_last = n_last if places is None else len(ids)
        tokens = torch.tensor(ids, device=self.device)
        logits = self.forward(tokens, cache, start, n_last > 1, cancelled, places)
        return logits.view(-1, logits.shape[-1])[-n_last:, :vocabulary].log_softmax(-1)

    def synchronize(self) -> None:
        """Until the device has nothing left to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def warm_up(self) -> None:
        """The first run of each path sets up kernels and threads."""
        cache = self.new_cache(64)
        for n in (64, 1):
            self.next_token([0] * n, cache, 0, 1)

    @torch.inference_mode()
    def forward(
        self,
        ids: Tensor,
        cache: Tensor,
        start: int,
        every_logit: bool = False,
        cancelled: Stop = never,
        places: Places | None = None,
    ) -> Tensor:
        """Logits [V] after `ids` [T], or after each [T, V]; their latents go into `cache` from `start` on.

        Cancelled, if `cancelled` says so before a layer. `places`: where ids stand that form a tree.
        """
        c, stop = self.config, start + len(ids)
        norm = partial(_norm, epsilon=c.rms_norm_eps)
        where = slice(start, stop) if places is None else places.positions
        rotation = self.rotations[where, None]  # [T, 1, r/2]
        mask = None if places is None else places.visible  # [T, S]
        if places is None and len(ids) > 1:
            mask = _causal_mask(start, stop, self.embedding)
        x = F.embedding(ids, self.embedding)  # [T, D]
        for layer, latents in zip(self.layers, cache[:, :stop], strict=True):
            if cancelled():
                raise Cancelled
            if layer is self.layers[-1] and len(x) > 1 and not every_logit:
                # The last layer's output is wanted for the last token only, of the others their latents.
                _remember(c, layer.attention, layer.attention.latents(norm(x, layer.norm)), rotation, latents)
                x, rotation, mask = x[-1:], rotation[-1:], None
            x = x + _attend(c, layer.attention, norm(x, layer.norm), rotation, latents, mask)
            h = norm(x, layer.mlp_norm)
            x = x + (_mixture(c, layer.mlp, h) if isinstance(layer.mlp, Moe) else _mlp(layer.mlp, h))
        logits = self.head(norm(x, self.norm))  # [T or 1, V]
        return logits if every_logit else logits[0]


def _attend(
    c: Config, w: Attention, x: Tensor, rotation: Tensor, latents: Tensor, mask: Tensor | None
) -> Tensor:
    n_heads, plain_dim = c.num_attention_heads, c.qk_nope_head_dim
    kept, plain = w.inputs(x).tensor_split((-n_heads * plain_dim,), -1)
    rotated = _remember(c, w, kept, rotation, latents)  # [T, H, r]
    heads = _attend_expanded if len(x) >= _expansion_pays_from(c) else _attend_latent
    return w.output(heads(c, w, plain.view(-1, n_heads, plain_dim), rotated, latents, mask))  # [T, D]


def _remember(c: Config, w: Attention, inputs: Tensor, rotation: Tensor, latents: Tensor) -> Tensor:
    """Write the last T rows of `latents` [S, R+r] from `inputs` [T, R+r …]; return the rest, turned."""
    rank, n_tokens = c.kv_lora_rank, len(inputs)
    turned = _rotate(inputs[:, rank:].view(n_tokens, -1, c.qk_rope_head_dim), rotation)  # [T, 1 or 1+H, r]
    # DeepSeek fixes this epsilon, whatever config.json says of the others.
    latents[-n_tokens:, :rank] = _norm(inputs[:, :rank], w.latent_norm, 1e-6)
    latents[-n_tokens:, rank:] = turned[:, 0]
    return turned[:, 1:]


def _attend_latent(
    c: Config, w: Attention, plain: Tensor, rotated: Tensor, latents: Tensor, mask: Tensor | None
) -> Tensor:
    """Queries go down to the latents, which all heads share: so heads are simply more queries."""
    queries = torch.cat((plain.transpose(0, 1) @ w.key, rotated.transpose(0, 1)), dim=-1)  # [H, T, R+r]
    rows = None if mask is None else mask.repeat(len(queries), 1)  # [H*T, S]
    mixed = _softmax_attention(
        queries.flatten(0, 1)[None], latents[None], latents[None], rows, c.softmax_scale
    )
    mixed = mixed.view(queries.shape)[..., : c.kv_lora_rank]  # [H, T, R]
    return (mixed @ w.value.mT).transpose(0, 1).flatten(1)  # [T, H*v]


def _attend_expanded(
    c: Config, w: Attention, plain: Tensor, rotated: Tensor, latents: Tensor, mask: Tensor | None
) -> Tensor:
    """Latents go up to every head's keys and values, as the checkpoint has it: less work for many queries."""
    latent, turned = latents.split_with_sizes((c.kv_lora_rank, c.qk_rope_head_dim), -1)
    expanded = w.expand(latent).view(len(latents), c.num_attention_heads, -1).transpose(0, 1)  # [H, S, n+v]
    plain_keys, values = expanded.split_with_sizes((c.qk_nope_head_dim, c.v_head_dim), -1)
    keys = torch.cat((plain_keys, turned.expand(len(expanded), -1, -1)), dim=-1)  # [H, S, n+r]
    queries = torch.cat((plain, rotated), dim=-1).transpose(0, 1)  # [H, T, n+r]
    from_start = len(plain) == len(latents)  # then half of the scores need not even be computed
    mixed = F.scaled_dot_product_attention(
        queries[None],
        keys[None],
        values[None],
        attn_mask=None if from_start else mask,
        is_causal=from_start,
        scale=c.softmax_scale,
    )
    return mixed[0].transpose(0, 1).flatten(1)


def _expansion_pays_from(c: Config) -> float:
    """How many queries it takes for `_attend_expanded` to multiply less, whatever S and H are."""
    expand = c.kv_lora_rank * (c.qk_nope_head_dim + c.v_head_dim)  # per position and head
    saved_per_query = (c.latent_dim + c.kv_lora_rank) - (c.qk_head_dim + c.v_head_dim)
    return expand / saved_per_query if saved_per_query > 0 else math.inf


def _softmax_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    return F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask, scale=scale)[0]


def _mlp(w: Mlp, h: Tensor) -> Tensor:
    gate, up = w.gate_up(h).chunk(2, dim=-1)  # [T, I]
    return w.down(F.silu(gate) * up)  # [T, D]


def _mixture(c: Config, w: Moe, h: Tensor) -> Tensor:
    scores = F.linear(h, w.router).softmax(dim=-1)  # [T, E]
    weights, chosen = scores.topk(c.num_experts_per_tok, dim=-1)  # [T, k]
    weights = weights * c.routed_scaling_factor
    mix = _mix_one if len(h) == 1 else _mix_grouped
    return mix(w.experts, h, weights, chosen, _mlp(w.shared, h))


def _mix_one(experts: tuple[Mlp, ...], h: Tensor, weights: Tensor, chosen: Tensor, total: Tensor) -> Tensor:
    for expert, weight in zip(chosen[0].tolist(), weights[0].tolist(), strict=True):
        total = torch.add(total, _mlp(experts[expert], h), alpha=weight)
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
    return total.index_add_(0, tokens, mixed * weights.flatten()[by_expert, None])


def _norm(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return F.rms_norm(x, weight.shape, weight, epsilon)


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    """Turn adjacent pairs of `x` [T, heads, r] by `rotation` [T, 1, r/2]."""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))  # [T, heads, r/2]
    return torch.view_as_real(pairs * rotation).flatten(-2)


def _causal_mask(start: int, stop: int, like: Tensor) -> Tensor:
    """[T, S]: 0 where a token may look, -inf behind it."""
    return like.new_full((stop - start, stop), -math.inf).triu_(start + 1)


def _fetch_layer(c: Config, index: int, fetch: Fetch) -> Layer:
    name = f"model.layers.{index}"
    dense = index < c.first_k_dense_replace
    mlp = _fetch_mlp(c, f"{name}.mlp", c.intermediate_size, fetch) if dense else _fetch_moe(c, name, fetch)
    return Layer(
        norm=fetch(f"{name}.input_layernorm.weight", c.hidden_size),
        attention=_fetch_attention(c, f"{name}.self_attn", fetch),
        mlp_norm=fetch(f"{name}.post_attention_layernorm.weight", c.hidden_size),
        mlp=mlp,
    )


def _fetch_attention(c: Config, name: str, fetch: Fetch) -> Attention:
    heads, rank, plain_dim = c.num_attention_heads, c.kv_lora_rank, c.qk_nope_head_dim
    query = fetch(f"{name}.q_proj.weight", heads * c.qk_head_dim, c.hidden_size)
    plain, turning = query.view(heads, c.qk_head_dim, -1).tensor_split((plain_dim,), 1)
    latent = fetch(f"{name}.kv_a_proj_with_mqa.weight", c.latent_dim, c.hidden_size)
    key_value = fetch(f"{name}.kv_b_proj.weight", heads * (plain_dim + c.v_head_dim), rank)
    key, value = key_value.view(heads, -1, rank).tensor_split((plain_dim,), 1)
    return Attention(
        inputs=pack(torch.cat((latent, turning.flatten(0, 1), plain.flatten(0, 1)))),
        latents=pack(latent),
        latent_norm=fetch(f"{name}.kv_a_layernorm.weight", rank),
        key=key.contiguous(),
        value=value.contiguous(),
        expand=pack(key_value),
        output=pack(fetch(f"{name}.o_proj.weight", c.hidden_size, heads * c.v_head_dim)),
    )


def _fetch_moe(c: Config, layer: str, fetch: Fetch) -> Moe:
    name, inner = f"{layer}.mlp", c.moe_intermediate_size
    return Moe(
        router=fetch(f"{name}.gate.weight", c.n_routed_experts, c.hidden_size),
        experts=tuple(_fetch_mlp(c, f"{name}.experts.{e}", inner, fetch) for e in range(c.n_routed_experts)),
        shared=_fetch_mlp(c, f"{name}.shared_experts", inner * c.n_shared_experts, fetch),
    )


def _fetch_mlp(c: Config, name: str, inner: int, fetch: Fetch) -> Mlp:
    gate = fetch(f"{name}.gate_proj.weight", inner, c.hidden_size)
    up = fetch(f"{name}.up_proj.weight", inner, c.hidden_size)
    down = fetch(f"{name}.down_proj.weight", c.hidden_size, inner)
    return Mlp(pack(torch.cat((gate, up))), pack(down))
