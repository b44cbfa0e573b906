"""The kernels of many tokens: 4-bit tiles are expanded on their way into the matrix units, never in memory.

Everything that depends on the request (where its cache lies, how many tokens there are) is read from `state` on
the device: {cache address, cache capacity, start, vocabulary, tokens}. So a CUDA graph serves every request that
has at most its number T of tokens; rows behind the last token are computed as zeros and go to no expert.

Vectors that a 4-bit matrix is applied to lie in chunk order (codebook.py): a row takes K columns, rounded up to
whole chunks of 128.

Shapes: T tokens, D hidden, H heads, R latent, r rotated, E routed experts, I inner size, K columns,
P = T * slots pairs of a token and one of its experts.
"""

import triton
import triton.language as tl

from midfill_model.network.gpu.codebook import (
    codes,
    eight_values,
    in_chunk,
    maxima,
    out_of_chunk,
    scaled_pairs,
    stored,
)
from midfill_model.network.gpu.step_kernels import STORED_SCALE


@triton.jit
def norm_rows(
    h_ptr, parts_ptr, gamma_ptr, normed_ptr, plain_ptr, state_ptr, eps,
    SLOTS: tl.constexpr, D: tl.constexpr, BLOCK: tl.constexpr, PLAIN: tl.constexpr,
):  # fmt: skip
    """h [T, D] += the parts [T, SLOTS, D] over STORED_SCALE; normed = norm(h) * gamma, zeros behind the last.

    With PLAIN it is also stored in the order of its columns, fp32 [T, D], for the router.
    """
    token = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    ok = column < D
    h = tl.load(h_ptr + token * D + column, mask=ok, other=0.0)
    for slot in tl.static_range(SLOTS):
        part = tl.load(parts_ptr + (token * SLOTS + slot) * D + column, mask=ok, other=0.0)
        h += part.to(tl.float32) / STORED_SCALE
    if SLOTS > 0:
        tl.store(h_ptr + token * D + column, h, mask=ok)
    gamma = tl.load(gamma_ptr + column, mask=ok, other=0.0).to(tl.float32)
    normed = h * tl.rsqrt(tl.sum(h * h, 0) / D + eps) * gamma
    normed = tl.where(token < tl.load(state_ptr + 4), normed, 0.0)
    out_ptr = normed_ptr + token * (tl.cdiv(D, 128) * 128)
    tl.store(out_ptr + in_chunk(column), normed.to(normed_ptr.dtype.element_ty), mask=ok)
    if PLAIN:
        tl.store(plain_ptr + token * D + column, normed, mask=ok)


@triton.jit
def join_heads(heads_ptr, out_ptr, T, V: tl.constexpr, N: tl.constexpr, BLOCK: tl.constexpr):
    """[H, T, V] -> [T, N = H * V], in chunk order."""
    token = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    ok = column < N
    value = tl.load(heads_ptr + (column // V * T + token) * V + column % V, mask=ok, other=0.0)
    out_ptr += token * (tl.cdiv(N, 128) * 128)
    tl.store(out_ptr + in_chunk(column), stored(value, out_ptr), mask=ok)


@triton.jit
def multiply(
    x_ptr, w_ptr, absmaxes, code_ptr, y_ptr, h_ptr, T, N,
    K: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, ADD: tl.constexpr, FAST: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """y [T, N] = x [T, K] · Wᵀ; with ADD h [T, N] grows by that over STORED_SCALE instead."""
    row = tl.program_id(0) * BN + tl.arange(0, BN)
    token = tl.program_id(1) * BM + tl.arange(0, BM)
    sums = _product(
        x_ptr, token, token < T, w_ptr, absmaxes, tl.minimum(row, N - 1) * (K // 64), code_ptr,
        K, BM, BN, FAST, STAGES,
    )  # fmt: skip
    out = token[:, None].to(tl.int64) * N + row[None, :]
    ok = (token < T)[:, None] & (row < N)[None, :]
    if ADD:
        tl.store(h_ptr + out, tl.load(h_ptr + out, mask=ok, other=0.0) + sums / STORED_SCALE, mask=ok)
    else:
        tl.store(y_ptr + out, stored(sums, y_ptr), mask=ok)


@triton.jit
def _product(
    x_ptr, x_row, ok, w_ptr, absmaxes, block, code_ptr,
    K: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, FAST: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """Rows `x_row` [BM] of x where `ok`, times the matrix rows that start at the blocks `block` [BN] -> fp32 [BM, BN].

    Weights times xᵀ: so the weights' rows fill the wide side of the matrix units, and go there from registers.
    """
    precision: tl.constexpr = "tf32" if FAST else "ieee"
    W: tl.constexpr = K // 8
    code = codes(code_ptr, FAST)
    word = tl.arange(0, 16)
    ok = ok[:, None]  # what is not loaded costs no bandwidth
    x_at = x_ptr + x_row[:, None].to(tl.int64) * (tl.cdiv(K, 128) * 128) + tl.arange(0, 32)[None, :]
    w_at = w_ptr + block[:, None].to(tl.int64) * 8 + word[None, :]
    block = block[:, None].to(tl.int64) + tl.arange(0, 2)[None, :]
    sums = tl.zeros([BN, BM], tl.float32)
    for first in tl.range(0, W, 16, num_stages=STAGES):
        if W % 16 == 0:
            w = tl.load(w_at)
            absmax = maxima(absmaxes, block)
        else:  # the last chunk is half of one
            w = tl.load(w_at, mask=(first + word < W)[None, :], other=0)
            absmax = maxima(absmaxes, block, (first + 8 * tl.arange(0, 2) < W)[None, :])
        w0, w1, w2, w3 = scaled_pairs(w, absmax, code, BN, FAST)
        sums = tl.dot(
            w0, tl.trans(tl.load(x_at, mask=ok, other=0.0).to(w0.dtype)), sums, input_precision=precision
        )
        sums = tl.dot(
            w1, tl.trans(tl.load(x_at + 32, mask=ok, other=0.0).to(w1.dtype)), sums, input_precision=precision
        )
        sums = tl.dot(
            w2, tl.trans(tl.load(x_at + 64, mask=ok, other=0.0).to(w2.dtype)), sums, input_precision=precision
        )
        sums = tl.dot(
            w3, tl.trans(tl.load(x_at + 96, mask=ok, other=0.0).to(w3.dtype)), sums, input_precision=precision
        )
        x_at += 128
        w_at += 16
        block += 2
    return tl.trans(sums)


@triton.jit
def expand(w_ptr, absmaxes, code_ptr, out_ptr, K: tl.constexpr, BN: tl.constexpr, FAST: tl.constexpr):
    """A whole matrix of 64-column blocks out of its 4 bits: [N, K]."""
    row = (tl.program_id(0) * BN + tl.arange(0, BN)).to(tl.int64)[:, None]
    block = tl.program_id(1)
    w = tl.load(w_ptr + row * (K // 8) + block * 8 + tl.arange(0, 8)[None, :])
    absmax = maxima(absmaxes, row * (K // 64) + block)
    v0, v1, v2, v3, v4, v5, v6, v7 = eight_values(w, codes(code_ptr, FAST), FAST)
    even = tl.join(tl.join(v0, v4), tl.join(v2, v6))
    odd = tl.join(tl.join(v1, v5), tl.join(v3, v7))
    values = tl.reshape(tl.join(even, odd), [BN, 64]) * absmax.to(v0.dtype)
    out = row * K + block * 64 + tl.arange(0, 64)[None, :]
    tl.store(out_ptr + out, values.to(out_ptr.dtype.element_ty))


@triton.jit
def turn_rows(
    y_ptr, gamma_ptr, cos_ptr, sin_ptr, state_ptr, cache_ptr, layer, plain_ptr, q_ptr, H,
    R: tl.constexpr, ROPE: tl.constexpr, PLAIN: tl.constexpr, BH: tl.constexpr, BP: tl.constexpr, UNIT: tl.constexpr,
):  # fmt: skip
    """One token of y [T, R + r + H*(n+r)]: its latent row into the cache, its plain queries into plain [T, H, n],
    its rotated queries into q [T, H, R+r].
    """
    token = tl.program_id(0)
    if token < tl.load(state_ptr + 4):
        position = tl.load(state_ptr + 2) + token
        width = R + ROPE + H * (PLAIN + ROPE)
        y_ptr += token.to(tl.int64) * width
        turn = tl.arange(0, ROPE // 2)
        cos = tl.load(cos_ptr + position * (ROPE // 2) + turn)
        sin = tl.load(sin_ptr + position * (ROPE // 2) + turn)
        row_ptr = (
            cache_ptr + tl.load(state_ptr) * UNIT + (layer * tl.load(state_ptr + 1) + position) * (R + ROPE)
        )
        column = tl.arange(0, R)
        latent = tl.load(y_ptr + column).to(tl.float32)
        latent *= tl.rsqrt(tl.sum(latent * latent, 0) / R + 1e-6)
        latent *= tl.load(gamma_ptr + column).to(tl.float32)
        tl.store(row_ptr + column, stored(latent, cache_ptr))
        even = tl.load(y_ptr + R + 2 * turn).to(tl.float32)
        odd = tl.load(y_ptr + R + 2 * turn + 1).to(tl.float32)
        tl.store(row_ptr + R + 2 * turn, stored(even * cos - odd * sin, cache_ptr))
        tl.store(row_ptr + R + 2 * turn + 1, stored(even * sin + odd * cos, cache_ptr))
        head = tl.arange(0, BH)
        ok = (head < H)[:, None] & (turn >= 0)[None, :]
        at = R + ROPE + head[:, None] * (PLAIN + ROPE) + PLAIN + 2 * turn[None, :]
        even = tl.load(y_ptr + at, mask=ok, other=0.0).to(tl.float32)
        odd = tl.load(y_ptr + at + 1, mask=ok, other=0.0).to(tl.float32)
        out_ptr = q_ptr + (token.to(tl.int64) * H + head[:, None]) * (R + ROPE) + R + 2 * turn[None, :]
        tl.store(out_ptr, stored(even * cos[None, :] - odd * sin[None, :], q_ptr), mask=ok)
        tl.store(out_ptr + 1, stored(even * sin[None, :] + odd * cos[None, :], q_ptr), mask=ok)
        plain = tl.arange(0, BP)
        ok = (head < H)[:, None] & (plain < PLAIN)[None, :]
        at = R + ROPE + head[:, None] * (PLAIN + ROPE) + plain[None, :]
        query = tl.load(y_ptr + at, mask=ok, other=0.0)
        out_ptr = plain_ptr + (token.to(tl.int64) * H + head[:, None]) * PLAIN + plain[None, :]
        tl.store(out_ptr, stored(query, plain_ptr), mask=ok)


@triton.jit
def attend_rows(
    q_ptr, state_ptr, cache_ptr, layer, scale, part_ptr, lse_ptr, n_rows, H,
    R: tl.constexpr, ROPE: tl.constexpr, BM: tl.constexpr, BS: tl.constexpr, SPLITS: tl.constexpr, UNIT: tl.constexpr,
    FAST: tl.constexpr,
):  # fmt: skip
    """Causal attention of q [T, H, R+r] over one share of the cached latents, which are key and value.

    Heads share the latents, so a row is a (token, head). part [SPLITS, T*H, R], lse [SPLITS, T*H, 2].
    """
    precision: tl.constexpr = "tf32" if FAST else "ieee"
    dtype = cache_ptr.dtype.element_ty
    n_tokens = tl.load(state_ptr + 4).to(tl.int32)
    start = tl.load(state_ptr + 2).to(tl.int32)
    first_row = tl.program_id(0) * BM
    split = tl.program_id(1)
    row = first_row + tl.arange(0, BM)
    token = row // H
    ok = token < n_tokens
    if first_row // H < n_tokens:
        latent, rope = tl.arange(0, R), tl.arange(0, ROPE)
        at = row[:, None].to(tl.int64) * (R + ROPE)
        q = tl.load(q_ptr + at + latent[None, :], mask=ok[:, None], other=0.0)
        turned = tl.load(q_ptr + at + R + rope[None, :], mask=ok[:, None], other=0.0)
        rows_ptr = cache_ptr + tl.load(state_ptr) * UNIT + layer * tl.load(state_ptr + 1) * (R + ROPE)
        top = tl.full([BM], -1e30, tl.float32)
        total = tl.zeros([BM], tl.float32)
        mixed = tl.zeros([BM, R], tl.float32)
        stop = start + tl.minimum((first_row + BM - 1) // H + 1, n_tokens)
        share = tl.cdiv(tl.cdiv(stop, SPLITS), BS) * BS
        stop = tl.minimum(stop, (split + 1) * share)
        for first in range(split * share, stop, BS):
            position = first + tl.arange(0, BS)
            there = position < stop
            row_ptr = rows_ptr + position[:, None].to(tl.int64) * (R + ROPE)
            latents = tl.load(row_ptr + latent[None, :], mask=there[:, None], other=0.0)
            keys = tl.load(row_ptr + R + rope[None, :], mask=there[:, None], other=0.0)
            scores = tl.dot(q, tl.trans(latents), input_precision=precision)
            scores = tl.dot(turned, tl.trans(keys), scores, input_precision=precision) * scale
            seen = there[None, :] & (position[None, :] <= start + token[:, None])
            scores = tl.where(seen, scores, float("-inf"))
            higher = tl.maximum(top, tl.max(scores, 1))
            shrink = tl.exp(top - higher)
            weights = tl.exp(scores - higher[:, None])
            total = total * shrink + tl.sum(weights, 1)
            mixed = tl.dot(weights.to(dtype), latents, mixed * shrink[:, None], input_precision=precision)
            top = higher
        out = (split.to(tl.int64) * n_rows + row) * R
        if SPLITS == 1:
            mixed = mixed / total[:, None] * STORED_SCALE
        tl.store(
            part_ptr + out[:, None] + latent[None, :], mixed.to(part_ptr.dtype.element_ty), mask=ok[:, None]
        )
        if SPLITS > 1:
            tl.store(lse_ptr + (split * n_rows + row) * 2, top, mask=ok)
            tl.store(lse_ptr + (split * n_rows + row) * 2 + 1, total, mask=ok)


@triton.jit
def gather_pairs(
    chosen_ptr, pairs_ptr, count_ptr, tile_expert_ptr, tile_first_ptr, P, n_tiles,
    EXPERTS: tl.constexpr, BM: tl.constexpr, BT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """For each expert (program): its pairs, in order, into row `expert` of pairs [experts, P]; how many.

    And their tiles of BM: tile -> expert and place of its first pair, in the experts' order; -1 behind the last.
    There are fewer experts than EXPERTS.
    """
    expert = tl.program_id(0)
    n_found = 0
    counts = tl.zeros([EXPERTS], tl.int32)
    for first in range(0, P, BLOCK):
        pair = first + tl.arange(0, BLOCK)
        whose = tl.load(chosen_ptr + pair, mask=pair < P, other=-1)
        mine = whose == expert
        place = n_found + tl.cumsum(mine.to(tl.int32), 0) - 1
        tl.store(pairs_ptr + expert * P + place, pair, mask=mine)
        n_found += tl.sum(mine.to(tl.int32), 0)
        counts += tl.histogram(tl.where(whose < 0, EXPERTS - 1, whose), EXPERTS)
    tl.store(count_ptr + expert, n_found)
    before = tl.where(tl.arange(0, EXPERTS) < expert, tl.cdiv(counts, BM), 0)
    number = tl.sum(before, 0) + tl.arange(0, BT)
    stop = tl.sum(before, 0) + tl.cdiv(n_found, BM)
    tl.store(tile_expert_ptr + number, expert, mask=number < stop)
    tl.store(tile_first_ptr + number, tl.arange(0, BT) * BM, mask=number < stop)
    if expert == tl.num_programs(0) - 1:
        for first in range(stop, n_tiles, BT):
            number = first + tl.arange(0, BT)
            tl.store(tile_expert_ptr + number, -1, mask=number < n_tiles)


@triton.jit
def gate_up_pairs(
    x_ptr, w_ptr, absmaxes, code_ptr, tile_expert_ptr, tile_first_ptr, count_ptr, pairs_ptr, weight_ptr, act_ptr,
    P, I, E: tl.constexpr, SLOTS: tl.constexpr, SHARED: tl.constexpr, K: tl.constexpr, BM: tl.constexpr,
    BN: tl.constexpr, FAST: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """act [P, I] = silu(gate) * up * the pair's weight, for one tile of one expert's pairs.

    Gate and up rows alternate in one tile of BN weights' rows.
    """
    number = tl.program_id(1)
    expert = tl.load(tile_expert_ptr + number)
    if expert >= 0:
        place = tl.load(tile_first_ptr + number) + tl.arange(0, BM)
        ok = place < tl.load(count_ptr + expert)
        pair = tl.load(pairs_ptr + expert.to(tl.int64) * P + place, mask=ok, other=0)
        first = tl.program_id(0) * (BN // 2)  # in chunk order: so what is stored lies side by side
        row = tl.arange(0, BN)
        inner = tl.minimum(out_of_chunk(first + row // 2), I - 1)
        routed = expert < E
        gate = tl.where(routed, expert * 2 * I, E * 2 * I + (expert - E) * I)
        gate_or_up = gate + inner + row % 2 * tl.where(routed, I, SHARED * I)
        sums = _product(
            x_ptr, pair // SLOTS, ok, w_ptr, absmaxes, gate_or_up * (K // 64), code_ptr, K, BM, BN, FAST, STAGES,
        )  # fmt: skip
        gates, ups = tl.split(tl.reshape(sums, [BM, BN // 2, 2]))
        weight = tl.load(weight_ptr + pair, mask=ok, other=0.0)
        act = gates / (1.0 + tl.exp(-gates)) * ups * weight[:, None] * STORED_SCALE
        at = first + tl.arange(0, BN // 2)
        out = pair[:, None].to(tl.int64) * (tl.cdiv(I, 128) * 128) + at[None, :]
        tl.store(act_ptr + out, stored(act, act_ptr), mask=ok[:, None] & (out_of_chunk(at) < I)[None, :])


@triton.jit
def down_pairs(
    x_ptr, w_ptr, absmaxes, code_ptr, tile_expert_ptr, tile_first_ptr, count_ptr, pairs_ptr, out_ptr, P, D,
    E: tl.constexpr, SHARED: tl.constexpr, K: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, FAST: tl.constexpr,
    STAGES: tl.constexpr,
):  # fmt: skip
    """out [P, D] = the expert's down [D, K] applied to x [P, K], for one tile of one expert's pairs.

    As x is stored smaller by STORED_SCALE, so is out.
    """
    number = tl.program_id(1)
    expert = tl.load(tile_expert_ptr + number)
    if expert >= 0:
        place = tl.load(tile_first_ptr + number) + tl.arange(0, BM)
        ok = place < tl.load(count_ptr + expert)
        pair = tl.load(pairs_ptr + expert.to(tl.int64) * P + place, mask=ok, other=0)
        row = tl.program_id(0) * BN + tl.arange(0, BN)
        B: tl.constexpr = K // 64
        block = tl.minimum(row, D - 1) * B
        if E > 0:
            shared = E * D * B + tl.minimum(row, D - 1) * (SHARED * B) + (expert - E) * B
            block = tl.where(expert < E, expert * (D * B) + block, shared)
        sums = _product(x_ptr, pair, ok, w_ptr, absmaxes, block, code_ptr, K, BM, BN, FAST, STAGES)
        out = pair[:, None].to(tl.int64) * D + row[None, :]
        tl.store(out_ptr + out, stored(sums, out_ptr), mask=ok[:, None] & (row < D)[None, :])
