"""What each kernel computes, in plain torch: nothing of tiles, orders in memory, 4 bits or graphs.

All values are fp32. In shape comments: D hidden size, H heads, R latent, r rotated, n plain and v value size
of a head, S positions, T tokens, E routed experts, I inner size, K columns, N rows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LATENT_EPSILON = 1e-6
STORED_SCALE = 1 / 64


# One token.


def enter(rows: Tensor, row: int, gamma: Tensor) -> tuple[Tensor, Tensor]:
    """A row of [*, D] -> residual h [D]; h * gamma, which still has to be divided by h's root mean square."""
    h = rows[row].float()
    return h, h * gamma.float()


def project(w: Tensor, x: Tensor, sum_of_squares: Tensor, eps: float) -> Tensor:
    """w [N, K], x [K] as `enter` leaves it -> [N]."""
    return w @ (x * torch.rsqrt(sum_of_squares / len(x) + eps))


def route(router: Tensor, x: Tensor, sum_of_squares: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """router [E, D], x [D] as `enter` leaves it -> (normed [D], logits [E])."""
    normed = x * torch.rsqrt(sum_of_squares / len(x) + eps)
    return normed, router @ normed


def choose(logits: Tensor, n_top: int, n_shared: int, scale: float) -> tuple[Tensor, Tensor]:
    """logits [T, E] -> experts and weights [T, top + shared]; the shared ones are numbered from E on."""
    n_tokens, n_routed = logits.shape
    # A stable sort: of equal logits the lower expert comes first.
    chosen = logits.sort(dim=1, descending=True, stable=True).indices[:, :n_top]
    weights = logits.softmax(1).gather(1, chosen) * scale
    shared = torch.arange(n_routed, n_routed + n_shared, device=logits.device).expand(n_tokens, -1)
    return torch.cat((chosen, shared), 1), torch.cat((weights, torch.ones_like(shared)), 1)


def gate_up(gates: Tensor, ups: Tensor, x: Tensor, weights: Tensor) -> Tensor:
    """gates and ups [slots, I, D] of the chosen experts, x [D], weights [slots] -> [slots, I]."""
    return F.silu(gates @ x) * (ups @ x) * weights[:, None] * STORED_SCALE


def down(h: Tensor, w: Tensor, x: Tensor, scale: float) -> Tensor:
    """h [D] plus the sum over slots of w [slots, D, K] applied to x [slots, K], times scale."""
    return h + torch.einsum("sdk,sk->d", w, x) * scale


def best_of_blocks(logits: Tensor, vocabulary: int, block: int) -> tuple[Tensor, Tensor, Tensor]:
    """logits [V] -> of each block of ids below `vocabulary` the best: (logit, odds, id) [blocks].

    The odds are the sum of exp(logit - best).
    """
    n_blocks = -(-len(logits) // block)
    known = F.pad(logits[:vocabulary], (0, n_blocks * block - vocabulary), value=-torch.inf)
    best, place = known.view(n_blocks, block).max(1)
    odds = torch.exp(known.view(n_blocks, block) - best[:, None]).nan_to_num().sum(1)
    return best, odds, place + torch.arange(n_blocks, device=logits.device) * block


# Attention.


def turn(x: Tensor, turns: Tensor) -> Tensor:
    """Adjacent pairs of x [..., r], turned by complex [..., r/2]."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turns).flatten(-2)


def latent_rows(y: Tensor, gamma: Tensor, turns: Tensor) -> Tensor:
    """y [T, R + r]: latents and keys before norm and rotation; turns [T, r/2] -> what the cache holds."""
    latent, key = y.float().tensor_split((len(gamma),), -1)
    return torch.cat((F.rms_norm(latent, gamma.shape, gamma.float(), LATENT_EPSILON), turn(key, turns)), -1)


def absorb(query: Tensor, keys: Tensor, turns: Tensor, scale: float) -> Tensor:
    """query [H, n + r], keys [H, n, R] of each head, turns [r/2] -> queries of the latents [H, R + r]."""
    plain, rotated = query.tensor_split((keys.shape[1],), -1)
    return torch.cat((torch.einsum("hn,hnr->hr", plain, keys), turn(rotated, turns)), -1) * scale


def attend_share(q: Tensor, latents: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """q [H, R + r] over a share of the cache [S, R + r] -> weighted latents [H, R], maximum and sum [H].

    The weights are exp(score - maximum), not yet divided by their sum.
    """
    scores = q @ latents.T  # [H, S]
    top = scores.amax(1)
    weights = torch.exp(scores - top[:, None])
    return weights @ latents[:, :rank], top, weights.sum(1)


def combine(parts: Tensor, top: Tensor, total: Tensor) -> Tensor:
    """What `attend_share` gives for each share, stacked: [shares, H, R] and [shares, H] -> [H, R]."""
    weight = torch.exp(top - top.amax(0))
    return (parts * weight[..., None]).sum(0) / (total * weight).sum(0)[:, None] * STORED_SCALE


def values(mixed: Tensor, up: Tensor) -> Tensor:
    """mixed [H, R], up [H, v, R] -> [H * v]."""
    return torch.einsum("hr,hvr->hv", mixed, up).flatten()


# Many tokens.


def norm_rows(h: Tensor, parts: Tensor, gamma: Tensor, n_tokens: int, eps: float) -> tuple[Tensor, Tensor]:
    """h [T, D] plus parts [T, slots, D]; and its norm, zeros behind `n_tokens`."""
    h = h + parts.float().sum(1) / STORED_SCALE
    normed = F.rms_norm(h, gamma.shape, gamma.float(), eps)
    normed[n_tokens:] = 0
    return h, normed


def join_heads(heads: Tensor) -> Tensor:
    """[H, T, v] -> [T, H * v]."""
    return heads.transpose(0, 1).flatten(1)


def multiply(x: Tensor, w: Tensor) -> Tensor:
    """x [T, K], w [N, K] -> [T, N]."""
    return x @ w.T


def attend_rows(q: Tensor, latents: Tensor, start: int, scale: float, rank: int) -> Tensor:
    """q [T, H, R + r] of tokens `start` and on, latents [S, R + r] -> [T, H, R]; none looks behind itself."""
    scores = torch.einsum("thc,sc->ths", q, latents) * scale
    position = torch.arange(len(latents), device=q.device)
    unseen = position > start + torch.arange(len(q), device=q.device)[:, None, None]
    return scores.masked_fill(unseen, -torch.inf).softmax(-1) @ latents[:, :rank] * STORED_SCALE


def lift(latents: Tensor, w: Tensor) -> Tensor:
    """latents [S, R], w [H, n + v, R] -> keys and values of all heads [S, H * (n + v)]."""
    return latents @ w.flatten(0, 1).T


def gather_pairs(chosen: Tensor, n_experts: int) -> list[list[int]]:
    """chosen [P]: each pair's expert, or -1 -> the pairs of each expert, in order."""
    return [(chosen == expert).nonzero().flatten().tolist() for expert in range(n_experts)]


def lay_out_tiles(counts: list[int], rows: int) -> list[tuple[int, int]]:
    """How many pairs each expert has -> (expert, its first pair) of tiles of so many rows."""
    return [(e, first) for e, count in enumerate(counts) for first in range(0, count, rows)]


def gate_up_pairs(gates: Tensor, ups: Tensor, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """gates and ups [experts, I, D], x [T, D]; chosen and weights [T, slots] -> [T, slots, I]."""
    out = x.new_zeros(*chosen.shape, gates.shape[1])
    for expert in range(len(gates)):
        token, slot = (chosen == expert).nonzero(as_tuple=True)
        act = F.silu(x[token] @ gates[expert].T) * (x[token] @ ups[expert].T)
        out[token, slot] = act * weights[token, slot, None] * STORED_SCALE
    return out


def down_pairs(w: Tensor, x: Tensor, chosen: Tensor) -> Tensor:
    """w [experts, D, K], x [T, slots, K], chosen [T, slots] -> [T, slots, D]."""
    out = x.new_zeros(*chosen.shape, w.shape[1])
    for expert in range(len(w)):
        token, slot = (chosen == expert).nonzero(as_tuple=True)
        out[token, slot] = x[token, slot] @ w[expert].T
    return out
