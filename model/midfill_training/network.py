"""The training network: deepseek_v2 over packed documents. Knows tensors, nothing of text or steps.

The same function as `midfill_model.network.deepseek`, written for throughput instead of for a cache: whole
documents packed end to end, attention expanded, experts in one grouped product. Parameters carry the
checkpoint's names, but for the experts, which are stacked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Shape:
    vocab: int = 16128
    hidden: int = 384
    layers: int = 9
    heads: int = 6
    latent: int = 128  # kv_lora_rank
    nope: int = 32
    rope: int = 32
    value: int = 64
    dense: int = 1024  # intermediate size of layer 0
    experts: int = 32
    chosen: int = 2
    shared: int = 512  # n_shared_experts * moe_intermediate_size
    expert: int = 256
    scaling: float = 5.0  # routed_scaling_factor
    eps: float = 1e-6


@dataclass(frozen=True, slots=True)
class Packed:
    """Documents end to end: ids, position inside the document, and where each begins."""

    ids: Tensor  # [T] int64
    positions: Tensor  # [T] int64
    starts: Tensor  # [D + 1] int32, padded at its end with T
    longest: int


class Attention(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.s = s
        self.q_proj = linear(s.hidden, s.heads * (s.nope + s.rope))
        self.kv_a_proj_with_mqa = linear(s.hidden, s.latent + s.rope)
        self.kv_a_layernorm = nn.Parameter(torch.ones(s.latent))
        self.kv_b_proj = linear(s.latent, s.heads * (s.nope + s.value))
        self.o_proj = linear(s.heads * s.value, s.hidden, zero=True)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, pack: Packed) -> Tensor:
        s, n = self.s, x.shape[0]
        q = F.linear(x, self.q_proj).view(n, s.heads, s.nope + s.rope)
        latent, k_rope = F.linear(x, self.kv_a_proj_with_mqa).split([s.latent, s.rope], dim=-1)
        latent = F.rms_norm(latent, (s.latent,), self.kv_a_layernorm, s.eps)
        k_nope, v = F.linear(latent, self.kv_b_proj).view(n, s.heads, -1).split([s.nope, s.value], dim=-1)
        q_rope = rotate(q[..., s.nope :], cos, sin)
        k_rope = rotate(k_rope.view(n, 1, s.rope), cos, sin).expand(n, s.heads, s.rope)
        q = torch.cat([q[..., : s.nope], q_rope], dim=-1)
        k = torch.cat([k_nope, k_rope], dim=-1)
        return F.linear(attend(q, k, v.contiguous(), pack).reshape(n, -1), self.o_proj)


class Mlp(nn.Module):
    def __init__(self, hidden: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = linear(hidden, inner)
        self.up_proj = linear(hidden, inner)
        self.down_proj = linear(inner, hidden, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(F.silu(F.linear(x, self.gate_proj)) * F.linear(x, self.up_proj), self.down_proj)


class Moe(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.s = s
        self.gate = linear(s.hidden, s.experts)
        self.gate_up = nn.Parameter(torch.randn(s.experts, 2 * s.expert, s.hidden) * s.hidden**-0.5)
        self.down = nn.Parameter(torch.zeros(s.experts, s.hidden, s.expert))
        self.shared_experts = Mlp(s.hidden, s.shared)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's output and its balance loss, 1.0 when the experts share the tokens evenly."""
        s, n = self.s, x.shape[0]
        scores = F.linear(x, self.gate).float().softmax(dim=-1)  # [T, E]
        weight, chosen = scores.topk(s.chosen, dim=-1)  # [T, K]
        order = chosen.flatten().argsort(stable=True)  # [T * K] grouped by expert
        counts = F.one_hot(chosen.flatten(), s.experts).sum(dim=0)
        ends = counts.cumsum(0).to(torch.int32)
        rows = x[order // s.chosen]
        gate, up = grouped(rows, self.gate_up, ends).chunk(2, dim=-1)
        out = grouped(F.silu(gate) * up, self.down, ends)
        back = torch.empty_like(order).scatter_(0, order, torch.arange(n * s.chosen, device=x.device))
        routed = out[back].view(n, s.chosen, s.hidden) * (weight * s.scaling).unsqueeze(-1).to(x.dtype)
        share = counts.float() / (n * s.chosen)
        balance = s.experts * (share * scores.mean(dim=0)).sum()
        return routed.sum(dim=1) + self.shared_experts(x), balance


class Layer(nn.Module):
    def __init__(self, s: Shape, index: int) -> None:
        super().__init__()
        self.s = s
        self.input_layernorm = nn.Parameter(torch.ones(s.hidden))
        self.self_attn = Attention(s)
        self.post_attention_layernorm = nn.Parameter(torch.ones(s.hidden))
        self.mlp: Moe | Mlp = Moe(s) if index else Mlp(s.hidden, s.dense)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, pack: Packed) -> tuple[Tensor, Tensor]:
        s = self.s
        x = x + self.self_attn(F.rms_norm(x, (s.hidden,), self.input_layernorm, s.eps), cos, sin, pack)
        h = F.rms_norm(x, (s.hidden,), self.post_attention_layernorm, s.eps)
        if isinstance(self.mlp, Mlp):
            return x + self.mlp(h), x.new_zeros((), dtype=torch.float32)
        out, balance = self.mlp(h)
        return x + out, balance


class Network(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.s = s
        self.embed_tokens = nn.Parameter(torch.randn(s.vocab, s.hidden) * 0.02)
        self.layers = nn.ModuleList(Layer(s, i) for i in range(s.layers))
        self.norm = nn.Parameter(torch.ones(s.hidden))

    def hidden(self, pack: Packed) -> tuple[Tensor, Tensor]:
        s = self.s
        frequency = 10_000 ** (-torch.arange(0, s.rope, 2, device=pack.ids.device) / s.rope)
        angle = pack.positions.float().unsqueeze(-1) * frequency  # [T, rope / 2]
        cos, sin = angle.cos().unsqueeze(1), angle.sin().unsqueeze(1)
        x = F.embedding(pack.ids, self.embed_tokens)
        balance = x.new_zeros((), dtype=torch.float32)
        for layer in self.layers:
            x, part = layer(x, cos, sin, pack)
            balance = balance + part / (s.layers - 1)
        return F.rms_norm(x, (s.hidden,), self.norm, s.eps), balance

    def loss(self, pack: Packed, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(sum of weight * cross-entropy, the same over weight-1 tokens alone, balance); targets [T]."""
        x, balance = self.hidden(pack)
        total = middle = balance.new_zeros(())
        for rows, target, weight in zip(*(t.split(32_768) for t in (x, targets, weights)), strict=True):
            logits = F.linear(
                rows, self.embed_tokens
            ).float()  # [32768, V]: all at once would pass 2**31 elements
            nll = F.cross_entropy(logits, target, reduction="none")
            total, middle = total + (nll * weight).sum(), middle + (nll * (weight == 1)).sum()
        return total, middle, balance


def linear(inputs: int, outputs: int, zero: bool = False) -> nn.Parameter:
    scale = 0.0 if zero else 1 / math.sqrt(inputs)
    return nn.Parameter(torch.randn(outputs, inputs) * scale)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """DeepSeek's rotary embedding: adjacent pairs, [T, H, rope]."""
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).to(x.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, pack: Packed) -> Tensor:
    """Causal attention inside each document, [T, H, D]."""
    if q.is_cuda:
        out = torch.ops.aten._flash_attention_forward(
            q, k, v, pack.starts, pack.starts, pack.longest, pack.longest, 0.0, True, False
        )
        return out[0]  # type: ignore[no-any-return]
    parts = []
    for start, end in zip(pack.starts.tolist(), pack.starts.tolist()[1:], strict=False):
        if end > start:
            one = [t[start:end].transpose(0, 1) for t in (q, k, v)]  # [H, T, D]
            out = F.scaled_dot_product_attention(one[0], one[1], one[2], is_causal=True)
            parts.append(out.transpose(0, 1))
    return torch.cat(parts)


def grouped(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    """Rows ends[e-1]:ends[e] of x times weight[e] transposed: [T, in], [E, out, in] -> [T, out]."""
    if x.is_cuda:
        return torch._grouped_mm(x, weight.transpose(-2, -1), offs=ends)
    bounds = [0, *ends.tolist()]
    return torch.cat([F.linear(x[a:b], w) for a, b, w in zip(bounds, bounds[1:], weight, strict=False)])
