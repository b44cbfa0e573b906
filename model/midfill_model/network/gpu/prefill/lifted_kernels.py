"""Attention of many tokens over keys and values that have been lifted out of the latents, for all heads at once.

Over the latents themselves (prefill_kernels.attend_rows) a pair of a token and a position costs 2 * (2R + r)
operations a head. Lifted it costs 2 * (n + r + v), a third of that at Lite's shape, and each position once
2R * (n + v): with some hundreds of tokens that is less.

Shapes: T tokens, H heads, R latent, r rotated, n plain and v value size of a head, S positions.
"""

import triton
import triton.language as tl

from midfill_model.network.gpu.codebook import in_chunk, stored, to_chunks
from midfill_model.network.gpu.step_kernels import STORED_SCALE


@triton.jit
def lift(
    state_ptr, cache_ptr, layer, w_ptr, out_ptr, N,
    R: tl.constexpr, ROPE: tl.constexpr, BS: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, UNIT: tl.constexpr,
    FAST: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """out [S, N = H*(n+v)] = the cached latents [S, R] · Wᵀ, for all positions up to the last token's."""
    precision: tl.constexpr = "tf32" if FAST else "ieee"
    stop = (tl.load(state_ptr + 2) + tl.load(state_ptr + 4)).to(tl.int32)
    first = tl.program_id(1) * BS
    if first < stop:
        position = first + tl.arange(0, BS)
        there = (position < stop)[:, None]
        column = tl.program_id(0) * BN + tl.arange(0, BN)
        inside = (column < N)[:, None]
        k = tl.arange(0, BK)
        rows_ptr = cache_ptr + tl.load(state_ptr) * UNIT + layer * tl.load(state_ptr + 1) * (R + ROPE)
        x_at = rows_ptr + position[:, None].to(tl.int64) * (R + ROPE) + k[None, :]
        w_at = w_ptr + column[:, None].to(tl.int64) * R + k[None, :]
        sums = tl.zeros([BS, BN], tl.float32)
        for _ in tl.range(0, R, BK, num_stages=STAGES):
            x = tl.load(x_at, mask=there, other=0.0)
            w = tl.load(w_at, mask=inside, other=0.0)
            sums = tl.dot(x, tl.trans(w), sums, input_precision=precision)
            x_at += BK
            w_at += BK
        out = position[:, None].to(tl.int64) * N + column[None, :]
        tl.store(out_ptr + out, stored(sums, out_ptr), mask=there & (column < N)[None, :])


@triton.jit
def attend_heads(
    plain_ptr, q_ptr, lifted_ptr, state_ptr, cache_ptr, layer, scale, out_ptr, part_ptr, lse_ptr, T, H,
    R: tl.constexpr, ROPE: tl.constexpr, PLAIN: tl.constexpr, VALUE: tl.constexpr, BP: tl.constexpr,
    BV: tl.constexpr, BM: tl.constexpr, BS: tl.constexpr, SPLITS: tl.constexpr, UNIT: tl.constexpr,
    FAST: tl.constexpr, STAGES: tl.constexpr,
):  # fmt: skip
    """Causal attention of BM tokens in one head over a share of the positions, by `lift`ed keys and values.

    Queries: plain [T, H, n]; rotated, the last r of q [T, H, R+r]. out [T, H*v] in chunk order, times STORED_SCALE;
    or with shares part [SPLITS, T, H, v] and lse [SPLITS, T, H, 2] for `combine_heads`.
    """
    n_tokens = tl.load(state_ptr + 4).to(tl.int32)
    start = tl.load(state_ptr + 2).to(tl.int32)
    first_token = (tl.num_programs(0) - 1 - tl.program_id(0)) * BM  # the last ones see most: they begin first
    head = tl.program_id(1)
    split = tl.program_id(2)
    if first_token < n_tokens:
        token = first_token + tl.arange(0, BM)
        ok = token < n_tokens
        plain, rope, value = tl.arange(0, BP), tl.arange(0, ROPE), tl.arange(0, BV)
        at = token.to(tl.int64) * H + head
        q = tl.load(
            plain_ptr + at[:, None] * PLAIN + plain[None, :],
            mask=ok[:, None] & (plain < PLAIN)[None, :],
            other=0.0,
        )
        turned = tl.load(q_ptr + at[:, None] * (R + ROPE) + R + rope[None, :], mask=ok[:, None], other=0.0)
        rows_ptr = cache_ptr + tl.load(state_ptr) * UNIT + layer * tl.load(state_ptr + 1) * (R + ROPE) + R
        lifted_ptr += head * (PLAIN + VALUE)
        top = tl.full([BM], -1e30, tl.float32)
        total = tl.zeros([BM], tl.float32)
        mixed = tl.zeros([BM, BV], tl.float32)
        stop = start + tl.minimum(first_token + BM, n_tokens)
        share = tl.cdiv(tl.cdiv(stop, SPLITS), BS) * BS
        stop = tl.minimum(stop, (split + 1) * share)
        first = split * share
        seen_by_all = tl.minimum(stop, tl.maximum(first, (start + first_token + 1) // BS * BS))
        scale *= 1.4426950408889634  # powers of two
        for at_position in tl.range(first, seen_by_all, BS, num_stages=STAGES):
            top, total, mixed = _see(
                q, turned, lifted_ptr, rows_ptr, at_position, stop, start + token, scale, top, total, mixed, H,
                R, ROPE, PLAIN, VALUE, BP, BV, BS, FAST, False,
            )  # fmt: skip
        for at_position in tl.range(seen_by_all, stop, BS, num_stages=STAGES):
            top, total, mixed = _see(
                q, turned, lifted_ptr, rows_ptr, at_position, stop, start + token, scale, top, total, mixed, H,
                R, ROPE, PLAIN, VALUE, BP, BV, BS, FAST, True,
            )  # fmt: skip
        inside = ok[:, None] & (value < VALUE)[None, :]
        if SPLITS == 1:
            to_ptr = out_ptr + token[:, None].to(tl.int64) * (tl.cdiv(H * VALUE, 128) * 128)
            out = stored(mixed / total[:, None] * STORED_SCALE, out_ptr)
            _store_heads(out, to_ptr, (head * VALUE + value)[None, :], inside, BM, VALUE)
        else:
            at += split.to(tl.int64) * T * H
            tl.store(part_ptr + at[:, None] * VALUE + value[None, :], mixed, mask=inside)
            tl.store(lse_ptr + at * 2, top, mask=ok)
            tl.store(lse_ptr + at * 2 + 1, total, mask=ok)


@triton.jit
def _see(
    q, turned, lifted_ptr, rows_ptr, first, stop, last_seen, scale, top, total, mixed, H,
    R: tl.constexpr, ROPE: tl.constexpr, PLAIN: tl.constexpr, VALUE: tl.constexpr, BP: tl.constexpr,
    BV: tl.constexpr, BS: tl.constexpr, FAST: tl.constexpr, MASKED: tl.constexpr,
):  # fmt: skip
    """BS positions more. MASKED: some lie behind `stop`, or behind a token's own."""
    precision: tl.constexpr = "tf32" if FAST else "ieee"
    plain, rope, value = tl.arange(0, BP), tl.arange(0, ROPE), tl.arange(0, BV)
    position = first + tl.arange(0, BS)
    row = position[:, None].to(tl.int64)
    row_ptr = lifted_ptr + row * (H * (PLAIN + VALUE))
    ok = (position < stop)[:, None] if MASKED else None
    keys = _columns(row_ptr, plain, ok, PLAIN, BP)
    turned_keys = _columns(rows_ptr + row * (R + ROPE), rope, ok, ROPE, ROPE)
    values = _columns(row_ptr + PLAIN, value, ok, VALUE, BV)
    scores = tl.dot(q, tl.trans(keys), input_precision=precision)
    scores = tl.dot(turned, tl.trans(turned_keys), scores, input_precision=precision) * scale
    if MASKED:
        seen = (position < stop)[None, :] & (position[None, :] <= last_seen[:, None])
        scores = tl.where(seen, scores, float("-inf"))
    higher = tl.maximum(top, tl.max(scores, 1))
    shrink = tl.exp2(top - higher)
    weights = tl.exp2(scores - higher[:, None])
    total = total * shrink + tl.sum(weights, 1)
    mixed = tl.dot(weights.to(values.dtype), values, mixed * shrink[:, None], input_precision=precision)
    return higher, total, mixed


@triton.jit
def _columns(row_ptr, column, ok, N: tl.constexpr, BLOCK: tl.constexpr):
    """The first N columns of some rows, and zeros behind them; of rows that are not `ok` nothing but zeros."""
    if N == BLOCK and ok is None:
        return tl.load(row_ptr + column[None, :])
    else:
        inside = (column < N)[None, :]
        if ok is not None:
            inside = inside & ok
        return tl.load(row_ptr + column[None, :], mask=inside, other=0.0)


@triton.jit
def combine_heads(
    part_ptr, lse_ptr, out_ptr, state_ptr, T, H, VALUE: tl.constexpr, BH: tl.constexpr, BV: tl.constexpr,
    SPLITS: tl.constexpr,
):  # fmt: skip
    """The shares of one token -> out [T, H*v] in chunk order, times STORED_SCALE."""
    token = tl.program_id(0).to(tl.int64)
    if token < tl.load(state_ptr + 4):
        head, value = tl.arange(0, BH), tl.arange(0, BV)
        real = head < H
        inside = real[:, None] & (value < VALUE)[None, :]
        top = tl.full([BH], -1e30, tl.float32)
        for split in tl.static_range(SPLITS):
            at = (split * T + token) * H + head
            top = tl.maximum(top, tl.load(lse_ptr + at * 2, mask=real, other=-1e30))
        total = tl.zeros([BH], tl.float32)
        mixed = tl.zeros([BH, BV], tl.float32)
        for split in tl.static_range(SPLITS):
            at = (split * T + token) * H + head
            odds = tl.load(lse_ptr + at * 2 + 1, mask=real, other=0.0)
            weight = tl.exp2(tl.load(lse_ptr + at * 2, mask=real, other=-1e30) - top)
            part = tl.load(part_ptr + at[:, None] * VALUE + value[None, :], mask=inside, other=0.0)
            total += odds * weight
            mixed += part * weight[:, None]
        to_ptr = out_ptr + token * (tl.cdiv(H * VALUE, 128) * 128)
        out = stored(mixed / total[:, None] * STORED_SCALE, out_ptr)
        _store_heads(out, to_ptr, head[:, None] * VALUE + value[None, :], inside, BH, VALUE)


@triton.jit
def _store_heads(x, out_ptr, column, ok, ROWS: tl.constexpr, VALUE: tl.constexpr):
    """x [ROWS, v] of some columns, into chunk order. Heads of whole chunks are brought into it before: side by side."""
    if VALUE % 128 == 0 and x.shape[1] == VALUE:
        tl.store(out_ptr + column, to_chunks(x, ROWS, VALUE), mask=ok)
    else:
        tl.store(out_ptr + in_chunk(column), x, mask=ok)
