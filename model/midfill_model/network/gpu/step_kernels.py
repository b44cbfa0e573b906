"""The kernels of one token but attention's own: every matrix is read once, straight from its 4-bit form.

Vectors that a matrix is applied to lie in plane order or pair order (codebook.py).

Shapes: D hidden, I inner size, K columns, N rows.
"""

import triton
import triton.language as tl

from .codebook import (
    LARGEST_IN_PAIRS,
    codes_of_lane,
    dot_words,
    in_pairs,
    maxima,
    pairs,
    pairs_of_planes,
    places,
    stored,
)
from .overlap import launch_next, wait

STORED_SCALE = tl.constexpr(1 / 64)
"""What can leave the range of fp16 is stored so much smaller, which is exact: activations, the parts that experts
give, attended values. Sums are fp32."""


@triton.jit
def _root_mean_square(ssq_ptr, n_parts, eps, D: tl.constexpr, PARTS: tl.constexpr):
    part = tl.arange(0, PARTS)
    total = tl.sum(tl.load(ssq_ptr + part, mask=part < n_parts, other=0.0), 0)
    return tl.rsqrt(total / D + eps)


@triton.jit
def enter(
    rows_ptr,
    row_ptr,
    gamma_ptr,
    h_ptr,
    x_ptr,
    ssq_ptr,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    PDL: tl.constexpr,
):
    """Row `*row_ptr` of a table [*, D] becomes the residual h; x = h * gamma in plane order; sums of squares."""
    wait(PDL)
    part = tl.program_id(0)
    column = part * BLOCK + tl.arange(0, BLOCK)
    ok = column < D
    row = tl.load(row_ptr).to(tl.int64)
    h = tl.load(rows_ptr + row * D + column, mask=ok, other=0.0).to(tl.float32)
    gamma = tl.load(gamma_ptr + column, mask=ok, other=0.0).to(tl.float32)
    launch_next(PDL)
    tl.store(h_ptr + column, h, mask=ok)
    tl.store(x_ptr + (column % 8) * (D // 8) + column // 8, h * gamma, mask=ok)
    tl.store(ssq_ptr + part, tl.sum(h * h, 0))


@triton.jit
def project(
    x_ptr, ssq_ptr, n_parts, eps, w_ptr, absmaxes, code_ptr, y_ptr, N,
    K: tl.constexpr, PARTS: tl.constexpr, BN: tl.constexpr, NH: tl.constexpr, FAST: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """y [N] = W [N, K] · x / rms."""
    W: tl.constexpr = K // 8
    B: tl.constexpr = K // 64
    code = codes_of_lane(code_ptr, FAST)
    first_row = tl.program_id(0).to(tl.int64) * BN
    row, half = places(BN, NH)
    row = tl.minimum(first_row + row, N - 1)
    sums = tl.zeros([BN * NH], tl.float32)
    for first in tl.static_range(0, 2 * B, NH):
        word = (first + half)[:, None] * 4 + tl.arange(0, 4)[None, :]
        there = first + half < 2 * B
        w = tl.load(w_ptr + row[:, None] * W + word, mask=there[:, None], other=0)
        absmax = maxima(absmaxes, row * B + (first + half) // 2, there)
        if first == 0:
            wait(PDL)
            rms = _root_mean_square(ssq_ptr, n_parts, eps, K, PARTS)
        x = pairs_of_planes(x_ptr, word, there[:, None], rms, W, FAST)
        sums += dot_words(w, x, code, FAST) * absmax
    launch_next(PDL)
    row = first_row + tl.arange(0, BN)
    tl.store(y_ptr + row, tl.sum(tl.reshape(sums, [BN, NH]), 1), mask=row < N)


@triton.jit
def route(
    x_ptr, ssq_ptr, n_parts, eps, router_ptr, normed_ptr, logits_ptr, E,
    D: tl.constexpr, PARTS: tl.constexpr, BLOCK: tl.constexpr, BE: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """Logits of the experts (router in plane order); program 0 also stores the normed input, in pair order."""
    expert = tl.program_id(0) * BE + tl.arange(0, BE)
    column = tl.arange(0, BLOCK)
    inside = column < D
    ok = (expert < E)[:, None] & inside[None, :]
    router = tl.load(router_ptr + expert[:, None] * D + column[None, :], mask=ok, other=0.0).to(tl.float32)
    wait(PDL)
    rms = _root_mean_square(ssq_ptr, n_parts, eps, D, PARTS)
    x = tl.load(x_ptr + column, mask=inside, other=0.0) * rms
    if tl.program_id(0) == 0:
        true = column % (D // 8) * 8 + column // (D // 8)
        tl.store(normed_ptr + in_pairs(true, D), x.to(normed_ptr.dtype.element_ty), mask=inside)
    launch_next(PDL)
    tl.store(logits_ptr + expert, tl.sum(router * x[None, :], 1), mask=expert < E)


@triton.jit
def choose(
    logits_ptr, state_ptr, chosen_ptr, weight_ptr, routed_scale,
    E: tl.constexpr, TOP: tl.constexpr, SHARED: tl.constexpr, EXPERTS: tl.constexpr, SLOTS: tl.constexpr,
    PDL: tl.constexpr,
):  # fmt: skip
    """Per token: the TOP experts and their weights, then the SHARED ones behind the E routed; -1 behind the last."""
    wait(PDL)
    token = tl.program_id(0)
    i = tl.arange(0, EXPERTS)
    logit = tl.load(logits_ptr + token * E + i, mask=i < E, other=float("-inf"))
    other = tl.load(logits_ptr + token * E + i, mask=i < E, other=float("-inf"))
    before = (other[None, :] > logit[:, None]) | (
        (other[None, :] == logit[:, None]) & (i[None, :] < i[:, None])
    )
    rank = tl.sum(before.to(tl.int32), 1)
    odds = tl.exp(logit - tl.max(logit, 0))
    weight = odds / tl.sum(odds, 0) * routed_scale
    launch_next(PDL)
    there = token < tl.load(state_ptr + 4)
    tl.store(chosen_ptr + token * (TOP + SHARED) + rank, tl.where(there, i, -1), mask=rank < TOP)
    tl.store(weight_ptr + token * (TOP + SHARED) + rank, weight, mask=rank < TOP)
    slot = tl.arange(0, SLOTS)
    shared = (slot >= TOP) & (slot < TOP + SHARED)
    at = token * (TOP + SHARED) + slot
    tl.store(chosen_ptr + at, tl.where(there, E + slot - TOP, -1), mask=shared)
    tl.store(weight_ptr + at, tl.full([SLOTS], 1.0, tl.float32), mask=shared)


@triton.jit
def gate_up(
    x_ptr, chosen_ptr, weight_ptr, w_ptr, absmaxes, code_ptr, act_ptr, I,
    E: tl.constexpr, SHARED: tl.constexpr, K: tl.constexpr,
    BN: tl.constexpr, NH: tl.constexpr, FAST: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """silu(gate) * up * weight of each slot's expert: act [slots * I], in pair order.

    SHARED experts lie behind the E routed ones. E = 0 is a dense layer: one slot, no choice, no weight.
    """
    W: tl.constexpr = K // 8
    B: tl.constexpr = K // 64
    code = codes_of_lane(code_ptr, FAST)
    wait(PDL)
    slot = tl.program_id(1)
    weight = 1.0
    gate = 0
    up = I
    if E > 0:
        expert = tl.load(chosen_ptr + slot)
        weight = tl.load(weight_ptr + slot)
        routed = expert < E
        gate = tl.where(routed, expert * 2 * I, E * 2 * I + (expert - E) * I)
        up = gate + tl.where(routed, I, SHARED * I)
    row, half = places(BN, NH)
    row = tl.minimum(tl.program_id(0) * BN + row, I - 1).to(tl.int64)
    gates = tl.zeros([BN * NH], tl.float32)
    ups = tl.zeros([BN * NH], tl.float32)
    for first in tl.static_range(0, 2 * B, NH):
        word = (first + half)[:, None] * 4 + tl.arange(0, 4)[None, :]
        there = first + half < 2 * B
        g = tl.load(w_ptr + (gate + row)[:, None] * W + word, mask=there[:, None], other=0)
        u = tl.load(w_ptr + (up + row)[:, None] * W + word, mask=there[:, None], other=0)
        g_max = maxima(absmaxes, (gate + row) * B + (first + half) // 2, there)
        u_max = maxima(absmaxes, (up + row) * B + (first + half) // 2, there)
        x = pairs(x_ptr, word, there[:, None], W, FAST)
        gates += dot_words(g, x, code, FAST) * g_max
        ups += dot_words(u, x, code, FAST) * u_max
    launch_next(PDL)
    g_sum = tl.sum(tl.reshape(gates, [BN, NH]), 1)
    u_sum = tl.sum(tl.reshape(ups, [BN, NH]), 1)
    act = g_sum / (1.0 + tl.exp(-g_sum)) * u_sum * weight * STORED_SCALE
    inner = tl.program_id(0) * BN + tl.arange(0, BN)
    at = in_pairs(slot * I + inner, tl.num_programs(1) * I)
    tl.store(act_ptr + at, stored(act, act_ptr, LARGEST_IN_PAIRS), mask=inner < I)


@triton.jit
def down(
    x_ptr, chosen_ptr, w_ptr, absmaxes, code_ptr, gamma_ptr, h_ptr, next_ptr, ssq_ptr, scale,
    E: tl.constexpr, TOP: tl.constexpr, SHARED: tl.constexpr, D: tl.constexpr, K: tl.constexpr,
    BN: tl.constexpr, NH: tl.constexpr, FAST: tl.constexpr, PDL: tl.constexpr,
):  # fmt: skip
    """h [D] += the sum over slots of W[slot] [D, K] · x[slot] [K] * scale; x for the next norm; sums of squares.

    The half blocks of all slots are one long row. E = 0 is one matrix: a dense layer's, or attention's output.
    """
    SLOTS: tl.constexpr = TOP + SHARED
    W: tl.constexpr = K // 8
    B: tl.constexpr = K // 64
    code = codes_of_lane(code_ptr, FAST)
    wait(PDL)
    part = tl.program_id(0)
    row, half = places(BN, NH)
    row = part * BN + row
    sums = tl.zeros([BN * NH], tl.float32)
    for first in tl.static_range(0, 2 * SLOTS * B, NH):
        place = first + half
        there = place < 2 * SLOTS * B
        stride, offset = _matrix(chosen_ptr, place // (2 * B), E, TOP, SHARED, D, B)
        at = row * stride + offset + place % (2 * B) // 2  # in blocks
        in_half = tl.arange(0, 4)[None, :]
        w_at = w_ptr + at[:, None] * 8 + (place % 2 * 4)[:, None] + in_half
        w = tl.load(w_at, mask=there[:, None], other=0)
        absmax = maxima(absmaxes, at, there)
        x = pairs(x_ptr, place[:, None] * 4 + in_half, there[:, None], SLOTS * W, FAST)
        sums += dot_words(w, x, code, FAST) * absmax
    launch_next(PDL)
    row = part * BN + tl.arange(0, BN)
    h = tl.load(h_ptr + row) + tl.sum(tl.reshape(sums, [BN, NH]), 1) * scale
    tl.store(h_ptr + row, h)
    gamma = tl.load(gamma_ptr + row).to(tl.float32)
    tl.store(next_ptr + (row % 8) * (D // 8) + row // 8, h * gamma)
    tl.store(ssq_ptr + part, tl.sum(h * h, 0))


@triton.jit
def _matrix(
    chosen_ptr,
    slot,
    E: tl.constexpr,
    TOP: tl.constexpr,
    SHARED: tl.constexpr,
    D: tl.constexpr,
    B: tl.constexpr,
):
    """Where the matrix of each slot lies, in blocks: from row to row, and its first one."""
    if E > 0:
        offset = E * D * B + (slot - TOP).to(tl.int64) * B
        for choice in tl.static_range(TOP):
            expert = tl.load(chosen_ptr + choice).to(tl.int64)
            offset = tl.where(slot == choice, expert * D * B, offset)
        return tl.where(slot < TOP, B, SHARED * B), offset
    else:
        return B, 0


@triton.jit
def best_of_block(
    logits_ptr, state_ptr, highest_ptr, odds_ptr, where_ptr, BLOCK: tl.constexpr, PDL: tl.constexpr
):  # fmt: skip
    """Of a block's logits below the vocabulary's size the highest, the sum of exp(logit - highest), and its id.

    The lowest id of equals.
    """
    wait(PDL)
    part = tl.program_id(0)
    id_ = part * BLOCK + tl.arange(0, BLOCK)
    known = id_ < tl.load(state_ptr + 3)
    logit = tl.load(logits_ptr + id_, mask=known, other=float("-inf"))
    launch_next(PDL)
    highest = tl.max(logit, 0)
    tl.store(highest_ptr + part, highest)
    tl.store(odds_ptr + part, tl.sum(tl.where(known, tl.exp(logit - highest), 0.0), 0))
    tl.store(where_ptr + part, part * BLOCK + tl.argmax(logit, 0))


@triton.jit
def best_of_all(
    highest_ptr, odds_ptr, where_ptr, best_ptr, n_parts, PARTS: tl.constexpr, PDL: tl.constexpr
):  # fmt: skip
    """The id of the highest logit, and its log-probability: best [2], fp64."""
    wait(PDL)
    part = tl.arange(0, PARTS)
    there = part < n_parts
    highest = tl.load(highest_ptr + part, mask=there, other=float("-inf"))
    odds = tl.load(odds_ptr + part, mask=there, other=0.0) * tl.exp(highest - tl.max(highest, 0))
    tl.store(best_ptr, tl.load(where_ptr + tl.argmax(highest, 0)).to(tl.float64))
    tl.store(best_ptr + 1, -tl.log(tl.sum(odds, 0)).to(tl.float64))
