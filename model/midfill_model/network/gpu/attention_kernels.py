"""Attention of one token over the latent cache: queries go down to the latents, values come up from them.

Vectors that a matrix is applied to lie in plane order or pair order (codebook.py).

Shapes: H heads, R latent, r rotated, n plain and v value size of a head.
"""

import triton
import triton.language as tl

from .codebook import (
    LARGEST_IN_PAIRS,
    codes_of_lane,
    dot_words,
    eight_values,
    in_pairs,
    maxima,
    pairs,
    places,
    stored,
)
from .overlap import launch_next, wait
from .step_kernels import STORED_SCALE


@triton.jit
def absorb(
    y_ptr, gamma_ptr, w_ptr, absmaxes, code_ptr, cos_ptr, sin_ptr, state_ptr, cache_ptr, layer, scale, q_ptr,
    R: tl.constexpr, ROPE: tl.constexpr, PLAIN: tl.constexpr, VALUE: tl.constexpr, PARTS: tl.constexpr,
    UNIT: tl.constexpr, FAST: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """Queries q [H, R + r], times `scale`, go down to the latents; the token's latent row goes into the cache.

    y holds latent, rotated key and the heads' queries. Program (h, part) takes one part of R; (h, PARTS) rotates.
    """
    head, part = tl.program_id(0), tl.program_id(1)
    query_ptr = y_ptr + R + ROPE + head * (PLAIN + ROPE)
    out_ptr = q_ptr + head * (R + ROPE)
    if part < PARTS:
        WORDS: tl.constexpr = R // 8 // PARTS
        code = codes_of_lane(code_ptr, FAST)
        plain = tl.arange(0, PLAIN)
        word = part * WORDS + tl.arange(0, WORDS)
        row = head * (PLAIN + VALUE) + plain
        w = tl.load(w_ptr + row[:, None] * (R // 8) + word[None, :])
        absmax = maxima(absmaxes, row[:, None] * (R // 64) + word[None, :] // 8)
        wait(PDL)
        factor = absmax * tl.load(query_ptr + plain)[:, None] * scale
        v0, v1, v2, v3, v4, v5, v6, v7 = eight_values(w, code, FAST)
        tl.store(out_ptr + word * 8, stored(tl.sum(v0 * factor, 0), q_ptr))
        tl.store(out_ptr + word * 8 + 1, stored(tl.sum(v1 * factor, 0), q_ptr))
        tl.store(out_ptr + word * 8 + 2, stored(tl.sum(v2 * factor, 0), q_ptr))
        tl.store(out_ptr + word * 8 + 3, stored(tl.sum(v3 * factor, 0), q_ptr))
        tl.store(out_ptr + word * 8 + 4, stored(tl.sum(v4 * factor, 0), q_ptr))
        tl.store(out_ptr + word * 8 + 5, stored(tl.sum(v5 * factor, 0), q_ptr))
        tl.store(out_ptr + word * 8 + 6, stored(tl.sum(v6 * factor, 0), q_ptr))
        tl.store(out_ptr + word * 8 + 7, stored(tl.sum(v7 * factor, 0), q_ptr))
    else:
        wait(PDL)
        position = tl.load(state_ptr + 2)
        turn = tl.arange(0, ROPE // 2)
        cos = tl.load(cos_ptr + position * (ROPE // 2) + turn)
        sin = tl.load(sin_ptr + position * (ROPE // 2) + turn)
        even = tl.load(query_ptr + PLAIN + 2 * turn) * scale
        odd = tl.load(query_ptr + PLAIN + 2 * turn + 1) * scale
        tl.store(out_ptr + R + 2 * turn, stored(even * cos - odd * sin, q_ptr))
        tl.store(out_ptr + R + 2 * turn + 1, stored(even * sin + odd * cos, q_ptr))
        if head == 0:
            offset = tl.load(state_ptr) * UNIT + (layer * tl.load(state_ptr + 1) + position) * (R + ROPE)
            column = tl.arange(0, R)
            latent = tl.load(y_ptr + column)
            latent *= tl.rsqrt(tl.sum(latent * latent, 0) / R + 1e-6)
            latent *= tl.load(gamma_ptr + column).to(tl.float32)
            tl.store(cache_ptr + offset + column, stored(latent, cache_ptr))
            even = tl.load(y_ptr + R + 2 * turn)
            odd = tl.load(y_ptr + R + 2 * turn + 1)
            tl.store(cache_ptr + offset + R + 2 * turn, stored(even * cos - odd * sin, cache_ptr))
            tl.store(cache_ptr + offset + R + 2 * turn + 1, stored(even * sin + odd * cos, cache_ptr))
    launch_next(PDL)


@triton.jit
def attend(
    q_ptr, state_ptr, cache_ptr, layer, part_ptr, lse_ptr, H,
    R: tl.constexpr, ROPE: tl.constexpr, BH: tl.constexpr, BS: tl.constexpr, SPLITS: tl.constexpr,
    UNIT: tl.constexpr, FAST: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """One share of the positions: softmax-weighted latents [SPLITS, H, R] in pair order, maximum and sum of each."""
    precision: tl.constexpr = "tf32" if FAST else "ieee"
    wait(PDL)
    dtype = cache_ptr.dtype.element_ty
    split = tl.program_id(0)
    n_positions = (tl.load(state_ptr + 2) + 1).to(tl.int32)
    share = tl.cdiv(tl.cdiv(n_positions, SPLITS), BS) * BS
    head, latent, rope = tl.arange(0, BH), tl.arange(0, R), tl.arange(0, ROPE)
    real = head < H
    q = tl.load(q_ptr + head[:, None] * (R + ROPE) + latent[None, :], mask=real[:, None], other=0.0)
    turned = tl.load(q_ptr + head[:, None] * (R + ROPE) + R + rope[None, :], mask=real[:, None], other=0.0)
    rows_ptr = cache_ptr + tl.load(state_ptr) * UNIT + layer * tl.load(state_ptr + 1) * (R + ROPE)
    top = tl.full([BH], -1e30, tl.float32)
    total = tl.zeros([BH], tl.float32)
    mixed = tl.zeros([BH, R], tl.float32)
    stop = tl.minimum((split + 1) * share, n_positions)
    for first in range(split * share, stop, BS):
        position = first + tl.arange(0, BS)
        ok = position < stop
        row_ptr = rows_ptr + position[:, None].to(tl.int64) * (R + ROPE)
        latents = tl.load(row_ptr + latent[None, :], mask=ok[:, None], other=0.0)
        keys = tl.load(row_ptr + R + rope[None, :], mask=ok[:, None], other=0.0)
        scores = tl.dot(q, tl.trans(latents), input_precision=precision)
        scores = tl.dot(turned, tl.trans(keys), scores, input_precision=precision)
        scores = tl.where(ok[None, :], scores, float("-inf"))
        higher = tl.maximum(top, tl.max(scores, 1))
        shrink = tl.exp(top - higher)
        weights = tl.exp(scores - higher[:, None])
        total = total * shrink + tl.sum(weights, 1)
        mixed = mixed * shrink[:, None]
        mixed = tl.dot(weights.to(dtype), latents, mixed, input_precision=precision)
        top = higher
    launch_next(PDL)
    out = (split * H + head[:, None]) * R + in_pairs(latent, R)[None, :]
    if split * share < stop:
        tl.store(part_ptr + out, mixed, mask=real[:, None])
    tl.store(lse_ptr + (split * H + head) * 2, top, mask=real)
    tl.store(lse_ptr + (split * H + head) * 2 + 1, total, mask=real)


@triton.jit
def combine(
    part_ptr,
    lse_ptr,
    mixed_ptr,
    H,
    R: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK: tl.constexpr,
    PDL: tl.constexpr,
):
    """The shares of all splits -> mixed [H, R] times STORED_SCALE, in the order they are in."""
    wait(PDL)
    head = tl.program_id(0)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    split = tl.arange(0, SPLITS)
    top = tl.load(lse_ptr + (split * H + head) * 2)
    total = tl.load(lse_ptr + (split * H + head) * 2 + 1)
    weight = tl.exp(top - tl.max(top, 0))
    weight = weight / tl.sum(weight * total, 0)
    used = total > 0
    parts = tl.load(
        part_ptr + (split[:, None] * H + head) * R + column[None, :], mask=used[:, None], other=0.0
    )
    launch_next(PDL)
    mixed = tl.sum(parts * tl.where(used, weight, 0.0)[:, None], 0) * STORED_SCALE
    tl.store(mixed_ptr + head * R + column, mixed.to(mixed_ptr.dtype.element_ty))


@triton.jit
def values(
    mixed_ptr, w_ptr, absmaxes, code_ptr, out_ptr, H,
    R: tl.constexpr, PLAIN: tl.constexpr, VALUE: tl.constexpr, BN: tl.constexpr, NH: tl.constexpr,
    FAST: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """Each head's mixed latents [R] up to its values [v]: out [H*v], in pair order."""
    W: tl.constexpr = R // 8
    head = tl.program_id(0)
    code = codes_of_lane(code_ptr, FAST)
    row, half = places(BN, NH)
    row = head * (PLAIN + VALUE) + PLAIN + tl.program_id(1) * BN + row
    word = half[:, None] * 4 + tl.arange(0, 4)[None, :]
    there = half < R // 32
    w = tl.load(w_ptr + row[:, None] * W + word, mask=there[:, None], other=0)
    absmax = maxima(absmaxes, row * (R // 64) + half // 2, there)
    wait(PDL)
    x = pairs(mixed_ptr + head * (R // 2 if FAST else R), word, there[:, None], W, FAST)
    out = tl.sum(tl.reshape(dot_words(w, x, code, FAST) * absmax, [BN, NH]), 1)
    value = tl.program_id(1) * BN + tl.arange(0, BN)
    launch_next(PDL)
    column = head * VALUE + value
    tl.store(out_ptr + in_pairs(column, H * VALUE), stored(out, out_ptr, LARGEST_IN_PAIRS))
