"""Every kernel alone against its twin in plain torch (kernel_twins.py).

With a GPU at Lite's shape, in fp16, with the tiles that are used there; without one at small shapes in
Triton's interpreter, in fp32. What a kernel ought to write is poisoned before, and nothing else may change.
"""

import math
from collections.abc import Iterator

import pytest
import torch

pytest.importorskip("triton")

from midfill_model.network.gpu import attention_kernels, step_kernels
from midfill_model.network.gpu.prefill import lifted_kernels, prefill_kernels
from midfill_model.network.gpu.prefill.prefill import attention_block, lifted_tiles, tiles
from midfill_model.network.gpu.step import half_blocks, power_of_two

from . import kernel_twins as twins
from .kernel_room import (
    CODE,
    DEVICE,
    EPSILON,
    FAST,
    HALF,
    ON_GPU,
    PDL,
    SHAPES,
    SIZES,
    UNIT,
    Room,
    Shape,
    as_words,
    assert_near,
    experts_of,
    from_chunks,
    from_pairs,
    in_chunks,
    in_pairs,
    in_planes,
    state_of,
)

# The interpreter computes with numpy, which warns of what infinities become.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(params=list(SHAPES.values()), ids=list(SHAPES))
def s(request: pytest.FixtureRequest) -> Shape:
    shape: Shape = request.param
    return shape


@pytest.fixture
def room(request: pytest.FixtureRequest) -> Iterator[Room]:
    room = Room(torch.Generator(DEVICE).manual_seed(sum(map(ord, request.node.name))))
    yield room
    room.check_guards()


def test_enter(s: Shape, room: Room) -> None:
    rows, gamma = room.random(9, s.hidden, dtype=torch.bfloat16), room.random(s.hidden)
    state, _ = state_of(0, 1, row=7)
    n_parts = -(-s.hidden // 256)
    h, x, squares = room.output(s.hidden), room.output(s.hidden), room.output(n_parts)
    step_kernels.enter[(n_parts,)](
        rows, state[5:], gamma, h, x, squares, D=s.hidden, BLOCK=256, PDL=False
    )  # fmt: skip
    wanted, wanted_x = twins.enter(rows, 7, gamma)
    assert torch.equal(h, wanted)
    assert_near(x, in_planes(wanted_x))
    assert_near(squares.sum(), wanted.square().sum())


@pytest.mark.parametrize("rows", [37, 102_397] if ON_GPU else [37])
def test_project(s: Shape, room: Room, rows: int) -> None:
    matrix, x = room.matrix(rows, s.hidden, double=s.double), room.random(s.hidden)
    squares = room.random(7).square()
    y = room.output(rows)
    n_rows, stored = 4 if ON_GPU else 16, matrix.words
    step_kernels.project[(-(-rows // n_rows),)](
        in_planes(x), squares, 7, EPSILON, stored.words, stored.scales, CODE, y, rows,
        K=s.hidden, PARTS=8, BN=n_rows, NH=half_blocks(s.hidden // 64), num_warps=2, **FAST, **PDL,
    )  # fmt: skip
    assert_near(y, twins.project(matrix.dense(), x, squares.sum(), EPSILON))


def test_route(s: Shape, room: Room) -> None:
    router, x, squares = room.random(s.routed, s.hidden), room.random(s.hidden), room.random(5).square()
    normed, logits = room.output(s.hidden, dtype=HALF), room.output(s.routed)
    step_kernels.route[(-(-s.routed // 4),)](
        in_planes(x), squares, 5, EPSILON, in_planes(router).contiguous(), normed, logits, s.routed,
        D=s.hidden, PARTS=8, BLOCK=power_of_two(s.hidden), BE=4, num_warps=4, **PDL,
    )  # fmt: skip
    wanted = twins.route(router, x, squares.sum(), EPSILON)
    assert_near(from_pairs(normed), wanted[0])
    assert_near(logits, wanted[1])


def test_choose(s: Shape, room: Room) -> None:
    """Equal logits, too: the lower expert wins. Behind the last token there is nobody to choose for."""
    logits = room.whole(6, 11, s.routed).float()
    state, _ = state_of(0, 9)
    chosen, weights = room.output(11, s.slots, dtype=torch.int32), room.output(11, s.slots)
    step_kernels.choose[(11,)](
        logits, state, chosen, weights, 2.5, E=s.routed, TOP=s.chosen, SHARED=s.shared,
        EXPERTS=power_of_two(max(2, s.routed)), SLOTS=power_of_two(s.slots), num_warps=4, **PDL,
    )  # fmt: skip
    wanted_chosen, wanted_weights = twins.choose(logits, s.chosen, s.shared, 2.5)
    wanted_chosen[9:] = -1
    assert torch.equal(chosen.long(), wanted_chosen)
    assert_near(weights[:9], wanted_weights[:9])


@pytest.mark.parametrize("dense", [False, True])
def test_gate_up(s: Shape, room: Room, dense: bool) -> None:
    """The last of the routed experts among the chosen; a dense layer is one expert without a choice."""
    x = room.random(s.hidden).to(HALF).float()
    matrix = room.matrix(1 if dense else s.routed + s.shared, 2 * s.inner, s.hidden, double=s.double)
    slots = 1 if dense else s.slots
    chosen, weights = choice(s, room)
    act, stored, n_rows = room.output(slots * s.inner, dtype=HALF), matrix.words, 2 if ON_GPU else 128
    step_kernels.gate_up[(-(-s.inner // n_rows), slots)](
        as_words(in_pairs(x)), chosen, weights, stored.words, stored.scales, CODE, act, s.inner,
        E=0 if dense else s.routed, SHARED=1 if dense else s.shared, K=s.hidden, BN=n_rows,
        NH=half_blocks(s.hidden // 64), num_warps=2, **FAST, **PDL,
    )  # fmt: skip
    if dense:
        gates, ups = matrix.dense().tensor_split(2, 1)
        weights = torch.ones_like(weights[:1])
    else:
        every = experts_of(matrix.dense(), room.random(s.routed + s.shared, s.hidden, s.inner), s)
        gates, ups = (part[chosen.long()] for part in every[:2])
    assert_near(from_pairs(act).view(slots, -1), twins.gate_up(gates, ups, x, weights))


@pytest.mark.parametrize("dense", [False, True])
def test_down(s: Shape, room: Room, dense: bool) -> None:
    slots = 1 if dense else s.slots
    matrix = room.matrix(1 if dense else s.routed + s.shared, s.hidden, s.inner, double=s.double)
    chosen, _ = choice(s, room)
    x = room.random(slots * s.inner).to(HALF).float()
    h, gamma = room.random(s.hidden), room.random(s.hidden)
    n_parts = s.hidden // 4
    residual, squares, next_x = room.output(s.hidden), room.output(n_parts), room.output(s.hidden)
    residual.copy_(h)
    stored = matrix.words
    step_kernels.down[(n_parts,)](
        as_words(in_pairs(x)), chosen, stored.words, stored.scales, CODE, gamma, residual, next_x, squares,
        64.0, E=0 if dense else s.routed, TOP=0 if dense else s.chosen, SHARED=1 if dense else s.shared,
        D=s.hidden, K=s.inner, BN=4, NH=half_blocks(s.inner // 64 * slots), num_warps=4, **FAST, **PDL,
    )  # fmt: skip
    downs = matrix.dense()
    if not dense:
        gate_up = room.random(s.routed + s.shared, 2 * s.inner, s.hidden)
        downs = experts_of(gate_up, downs, s)[2][chosen.long()]
    wanted = twins.down(h, downs, x.view(slots, -1), 64.0)
    assert_near(residual, wanted)
    assert_near(next_x, in_planes(residual * gamma))
    assert_near(squares.sum(), residual.square().sum())


def choice(s: Shape, room: Room) -> tuple[torch.Tensor, torch.Tensor]:
    """The experts of one token and their weights, as `choose` leaves them."""
    logits = room.random(1, s.routed)
    logits[0, s.routed - 1] = 9
    chosen, weights = twins.choose(logits, s.chosen, s.shared, 1.5)
    return chosen[0].int(), weights[0].contiguous()


def test_best_id(s: Shape, room: Room) -> None:
    """In each block, and of all: the first of equals, none from the vocabulary's end on. How likely it is."""
    logits = room.whole(40, s.vocabulary).float()
    logits[-2:] = 99
    known = s.vocabulary - 2
    logits[[known - 1, known // 2]] = 50
    state, _ = state_of(0, 1, vocabulary=known)
    n_blocks = -(-s.vocabulary // 1024)
    highest, odds = room.output(n_blocks), room.output(n_blocks)
    where = room.output(n_blocks, dtype=torch.int32)
    step_kernels.best_of_block[(n_blocks,)](logits, state, highest, odds, where, BLOCK=1024, **PDL)
    wanted = twins.best_of_blocks(logits, known, 1024)
    assert torch.equal(highest, wanted[0])
    assert_near(odds, wanted[1])
    assert torch.equal(where.long(), wanted[2])
    best = room.output(2, dtype=torch.float64)
    step_kernels.best_of_all[(1,)](
        highest, odds, where, best, n_blocks, PARTS=power_of_two(n_blocks), **PDL
    )  # fmt: skip
    assert best[0].item() == known // 2
    assert best[1].item() == pytest.approx(logits[:known].log_softmax(0).max().item(), abs=1e-5)


@pytest.mark.parametrize("position", [0, 1, 33, -1])
def test_absorb(s: Shape, room: Room, position: int) -> None:
    """The queries; and of the cache one row of one layer, no other."""
    position %= s.positions
    matrix, gamma = room.matrix(s.heads * (s.plain + s.value), s.rank, double=s.double), room.random(s.rank)
    y = room.random(s.rank + s.rope + s.heads * (s.plain + s.rope))
    turns, cache = room.turns(s.positions, s.rope), room.random(3, s.positions, s.rank + s.rope, dtype=HALF)
    before = cache.clone()
    state, anchor = state_of(position, 1, cache)
    q, parts, stored = room.output(s.heads, s.rank + s.rope, dtype=HALF), s.rank // 64, matrix.words
    attention_kernels.absorb[(s.heads, parts + 1)](
        y, gamma, stored.words, stored.scales, CODE, turns.real.contiguous(), turns.imag.contiguous(), state,
        anchor, 1, 0.3, q, R=s.rank, ROPE=s.rope, PLAIN=s.plain, VALUE=s.value, PARTS=parts, num_warps=1,
        **UNIT, **FAST, **PDL,
    )  # fmt: skip
    keys = matrix.dense().view(s.heads, -1, s.rank)[:, : s.plain]
    query = y[s.rank + s.rope :].view(s.heads, -1)
    assert_near(q, twins.absorb(query, keys, turns[position], 0.3))
    row = twins.latent_rows(y[None, : s.rank + s.rope], gamma, turns[position : position + 1])[0]
    assert_near(cache[1, position], row)
    before[1, position] = cache[1, position]
    assert torch.equal(cache, before)


@pytest.mark.parametrize("n_positions", [1, 32, 33, -1])
def test_attend(s: Shape, room: Room, n_positions: int) -> None:
    """Each share of the positions; of those behind the last nothing is seen, though they hold NaN."""
    n_positions %= s.positions + 1
    splits = 64 if ON_GPU else 2
    q = room.random(s.heads, s.rank + s.rope, dtype=HALF, scale=0.3)
    cache = room.random(2, s.positions, s.rank + s.rope, dtype=HALF)
    cache[0] = cache[1, n_positions:] = torch.nan
    state, anchor = state_of(n_positions - 1, 1, cache)
    parts, told = room.output(splits, s.heads, s.rank), room.output(splits, s.heads, 2)
    attention_kernels.attend[(splits,)](
        q, state, anchor, 1, parts, told, s.heads, R=s.rank, ROPE=s.rope,
        BH=max(16, power_of_two(s.heads)), BS=32, SPLITS=splits, num_warps=8, **UNIT, **FAST, **PDL,
    )  # fmt: skip
    share = 32 * math.ceil(n_positions / splits / 32)
    for split, first in enumerate(range(0, splits * share, share)):
        latents = cache[1, first : min(first + share, n_positions)].float()
        if len(latents):
            mixed, top, total = twins.attend_share(q.float(), latents, s.rank)
            assert_near(from_pairs(parts[split]), mixed)
            assert_near(told[split, :, 0], top)
            assert_near(told[split, :, 1], total)
        else:  # such a share is not even written, and counts for nothing
            assert (told[split, :, 1] == 0).all()


def test_combine(s: Shape, room: Room) -> None:
    """Shares that saw nothing hold whatever was there before."""
    splits = 64 if ON_GPU else 4
    parts, told = room.random(splits, s.heads, s.rank), room.random(splits, s.heads, 2).exp()
    parts[2], told[2, :, 0], told[2, :, 1] = torch.nan, -1e30, 0
    mixed = room.output(s.heads, s.rank, dtype=HALF)
    attention_kernels.combine[(s.heads, s.rank // 64)](
        parts, told, mixed, s.heads, R=s.rank, SPLITS=splits, BLOCK=64, **PDL
    )  # fmt: skip
    wanted = twins.combine(parts.nan_to_num(), told[..., 0], told[..., 1])
    assert_near(mixed, wanted)


def test_values(s: Shape, room: Room) -> None:
    matrix = room.matrix(s.heads * (s.plain + s.value), s.rank, double=s.double)
    mixed = room.random(s.heads, s.rank).to(HALF).float()
    out, stored = room.output(s.heads * s.value, dtype=HALF), matrix.words
    attention_kernels.values[(s.heads, s.value // 16)](
        as_words(in_pairs(mixed).contiguous()), stored.words, stored.scales, CODE, out, s.heads,
        R=s.rank, PLAIN=s.plain, VALUE=s.value, BN=16, NH=half_blocks(s.rank // 64), num_warps=2,
        **FAST, **PDL,
    )  # fmt: skip
    up = matrix.dense().view(s.heads, -1, s.rank)[:, s.plain :]
    assert_near(from_pairs(out), twins.values(mixed, up))


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("with_parts", [False, True])
def test_norm_rows(s: Shape, room: Room, plain: bool, with_parts: bool) -> None:
    n, slots = 13, s.slots if with_parts else 0
    h, gamma, parts = room.random(n, s.hidden), room.random(s.hidden), room.random(n, slots, s.hidden)
    parts = parts.to(HALF)
    state, _ = state_of(0, n - 2)
    residual, normed = room.output(n, s.hidden), room.output(n, -(-s.hidden // 128) * 128, dtype=HALF)
    in_order = room.output(n, s.hidden)
    residual.copy_(h)
    prefill_kernels.norm_rows[(n,)](
        residual, parts, gamma, normed, in_order, state, EPSILON,
        SLOTS=slots, D=s.hidden, BLOCK=power_of_two(s.hidden), PLAIN=plain, num_warps=8,
    )  # fmt: skip
    wanted_h, wanted = twins.norm_rows(h, parts, gamma, n - 2, EPSILON)
    assert_near(residual, wanted_h)
    assert_near(from_chunks(normed, s.hidden), wanted)
    if plain:
        assert_near(in_order, wanted)
    else:
        assert in_order.isnan().all()


def test_join_heads(s: Shape, room: Room) -> None:
    heads, width = room.random(s.heads, 13, s.value, dtype=HALF), s.heads * s.value
    out = room.output(13, -(-width // 128) * 128, dtype=HALF)
    prefill_kernels.join_heads[(13,)](
        heads, out, 13, V=s.value, N=width, BLOCK=power_of_two(width), num_warps=8
    )  # fmt: skip
    assert torch.equal(from_chunks(out, width), twins.join_heads(heads))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("add", [False, True])
def test_multiply(s: Shape, room: Room, size: int, add: bool) -> None:
    rows, tile = s.rank + s.rope + 4, tiles(size, ON_GPU, experts=False)
    matrix, x = room.matrix(rows, s.hidden, double=s.double), room.random(size, s.hidden).to(HALF)
    before, out = room.random(size, rows), room.output(size, rows, dtype=torch.float32 if add else HALF)
    if add:
        out.copy_(before)
    stored = matrix.words
    prefill_kernels.multiply[(-(-rows // tile["BN"]), -(-size // tile["BM"]))](
        in_chunks(x), stored.words, stored.scales, CODE, out, out, size, rows, K=s.hidden, ADD=add, **tile,
    )  # fmt: skip
    product = twins.multiply(x.float(), matrix.dense())
    assert_near(out, before + product / twins.STORED_SCALE if add else product)


def test_expand(s: Shape, room: Room) -> None:
    matrix = room.matrix(s.heads * (s.plain + s.value), s.rank, double=s.double)
    out, stored = room.output(*matrix.shape, dtype=HALF), matrix.words
    prefill_kernels.expand[(matrix.shape[0] // 16, s.rank // 64)](
        stored.words, stored.scales, CODE, out, K=s.rank, BN=16, num_warps=4, **FAST
    )  # fmt: skip
    assert_near(out, matrix.dense())


def test_turn_rows(s: Shape, room: Room) -> None:
    """Latents of real tokens into the cache, none of the two behind them; their rotated queries."""
    n, start = 13, s.positions - 11
    turns, cache = room.turns(s.positions, s.rope), room.random(3, s.positions, s.rank + s.rope, dtype=HALF)
    before, gamma = cache.clone(), room.random(s.rank)
    y = room.random(n, s.rank + s.rope + s.heads * (s.plain + s.rope))
    state, anchor = state_of(start, n - 2, cache)
    q, plain = (room.output(n, s.heads, width, dtype=HALF) for width in (s.rank + s.rope, s.plain))
    prefill_kernels.turn_rows[(n,)](
        y, gamma, turns.real.contiguous(), turns.imag.contiguous(), state, anchor, 2, plain, q, s.heads,
        R=s.rank, ROPE=s.rope, PLAIN=s.plain, BH=power_of_two(s.heads), BP=power_of_two(s.plain), num_warps=4,
        **UNIT,
    )  # fmt: skip
    here = turns[start:]
    queries, rotated = y[:-2, s.rank + s.rope :].view(n - 2, s.heads, -1).tensor_split((s.plain,), -1)
    assert_near(plain[:-2], queries)
    assert plain[-2:].isnan().all()
    assert_near(q[:-2, :, s.rank :], twins.turn(rotated, here[:, None]))
    assert q[:, :, : s.rank].isnan().all()
    assert_near(cache[2, start:], twins.latent_rows(y[:-2, : s.rank + s.rope], gamma, here))
    before[2, start:] = cache[2, start:]
    assert torch.equal(cache, before)


@pytest.mark.parametrize("block", sorted({32, attention_block(DEVICE)}) if ON_GPU else [16])
@pytest.mark.parametrize("splits", [1, 4])
@pytest.mark.parametrize("start", [0, 23])
def test_attend_rows(s: Shape, room: Room, start: int, splits: int, block: int) -> None:
    n, n_real = (70, 67) if ON_GPU else (13, 11)
    start = start * (s.positions - n) // 23
    q = room.random(n, s.heads, s.rank + s.rope, dtype=HALF)
    cache = room.random(2, s.positions, s.rank + s.rope, dtype=HALF)
    cache[0] = cache[1, start + n_real :] = torch.nan
    state, anchor = state_of(start, n_real, cache)
    rows = n * s.heads
    mixed = room.output(n, s.heads, s.rank, dtype=HALF)
    parts = room.output(splits, rows, s.rank) if splits > 1 else mixed
    told = room.output(splits, rows, 2)
    prefill_kernels.attend_rows[(-(-rows // block), splits)](
        q, state, anchor, 1, 0.1, parts, told, rows, s.heads, R=s.rank, ROPE=s.rope, BM=block, BS=block,
        SPLITS=splits, num_warps=8, num_stages=2, **UNIT, **FAST,
    )  # fmt: skip
    if splits > 1:
        attention_kernels.combine[(n_real * s.heads, 1)](
            parts, told, mixed, rows, R=s.rank, SPLITS=splits, BLOCK=s.rank, PDL=False
        )
    latents = cache[1, : start + n_real].float()
    wanted = twins.attend_rows(q[:n_real].float(), latents, start, 0.1, s.rank)
    assert_near(mixed[:n_real], wanted)


@pytest.mark.parametrize("splits", [1, 4])
@pytest.mark.parametrize("start", [0, 23])
@pytest.mark.parametrize("value", [None, 128])
def test_attention_over_lifted_heads(
    s: Shape, room: Room, value: int | None, start: int, splits: int
) -> None:
    """`lift`, then `attend_heads`: as over the latents. Heads of a whole chunk of columns, too."""
    n, n_real = (70, 67) if ON_GPU else (13, 11)
    start = start * (s.positions - n) // 23
    value = value or s.value
    columns = s.heads * (s.plain + value)
    lift, tile = lifted_tiles(DEVICE)
    w = room.random(s.heads, s.plain + value, s.rank, dtype=HALF, scale=s.rank**-0.5)
    plain, q = (room.random(n, s.heads, width, dtype=HALF) for width in (s.plain, s.rank + s.rope))
    cache = room.random(2, s.positions, s.rank + s.rope, dtype=HALF)
    cache[0] = cache[1, start + n_real :] = torch.nan
    state, anchor = state_of(start, n_real, cache)
    sizes = {"R": s.rank, "ROPE": s.rope}
    lifted = room.output(s.positions, columns, dtype=HALF)
    lifted_kernels.lift[(-(-columns // lift["BN"]), -(-s.positions // lift["BS"]))](
        state, anchor, 1, w, lifted, columns, **sizes, **lift, **UNIT, **FAST
    )
    keys, values = w.float().split_with_sizes((s.plain, value), 1)
    latents = cache[1, : start + n_real].float()
    assert_near(lifted[: start + n_real], twins.lift(latents[:, : s.rank], w.float()))
    assert lifted[start + n_real :].isnan().all()

    out = room.output(n, -(-s.heads * value // 128) * 128, dtype=HALF)
    parts, told = room.output(splits, n, s.heads, value), room.output(splits, n, s.heads, 2)
    lifted_kernels.attend_heads[(-(-n // tile["BM"]), s.heads, splits)](
        plain, q, lifted, state, anchor, 1, 0.1, out, parts, told, n, s.heads, PLAIN=s.plain, VALUE=value,
        BP=power_of_two(s.plain), BV=power_of_two(value), SPLITS=splits, **sizes, **tile, **UNIT, **FAST,
    )  # fmt: skip
    if splits > 1:
        lifted_kernels.combine_heads[(n,)](
            parts, told, out, state, n, s.heads, VALUE=value, BH=power_of_two(s.heads),
            BV=power_of_two(value), SPLITS=splits, num_warps=8,
        )  # fmt: skip
    queries = torch.cat((torch.einsum("thn,hnr->thr", plain.float(), keys), q[..., s.rank :].float()), -1)
    mixed = twins.attend_rows(queries[:n_real], latents, start, 0.1, s.rank)
    wanted = torch.einsum("thr,hvr->thv", mixed, values).flatten(1)
    assert_near(from_chunks(out, s.heads * value)[:n_real], wanted)


def test_gather_pairs(s: Shape, room: Room) -> None:
    """An expert with none, one with more than a tile, and pairs of nobody; all tiles, none behind them."""
    n_experts, n_pairs, rows = s.routed + s.shared, 2100, 16
    chosen = room.whole(n_experts, n_pairs) - 1  # so the last expert has none
    n_tiles = n_pairs // rows + n_experts
    pairs, counts, experts, firsts = (
        room.output(*shape, dtype=torch.int32)
        for shape in ((n_experts, n_pairs), (n_experts,), (n_tiles,), (n_tiles,))
    )
    prefill_kernels.gather_pairs[(n_experts,)](
        chosen.int(), pairs, counts, experts, firsts, n_pairs, n_tiles,
        EXPERTS=power_of_two(n_experts + 1), BM=rows, BT=power_of_two(n_pairs // rows + 1), BLOCK=1024,
    )  # fmt: skip
    wanted = twins.gather_pairs(chosen, n_experts)
    assert counts.tolist() == [len(found) for found in wanted]
    assert [row[:n].tolist() for row, n in zip(pairs, counts.tolist(), strict=True)] == wanted
    laid_out = twins.lay_out_tiles(counts.tolist(), rows)
    n_used = len(laid_out)
    assert list(zip(experts[:n_used].tolist(), firsts[:n_used].tolist(), strict=True)) == laid_out
    assert (experts[n_used:] == -1).all()


@pytest.mark.parametrize("size", SIZES)
def test_experts_of_many_tokens(s: Shape, room: Room, size: int) -> None:
    """gate_up_pairs, then down_pairs on what the twin of the first gives."""
    tile, n_experts, n_pairs = tiles(size, ON_GPU, experts=True), s.routed + s.shared, size * s.slots
    gate_up = room.matrix(n_experts, 2 * s.inner, s.hidden, double=s.double)
    down = room.matrix(n_experts, s.hidden, s.inner, double=s.double)
    gates, ups, downs = experts_of(gate_up.dense(), down.dense(), s)
    chosen, weights = twins.choose(room.random(size, s.routed), s.chosen, s.shared, 1.5)
    chosen[-1] = -1  # behind the last token
    x = room.random(size, s.hidden).to(HALF)
    where, n_tiles = laid_out(chosen, n_experts, tile["BM"])

    chunks = -(-s.inner // 128) * 128
    act, stored = room.output(size, s.slots, chunks, dtype=HALF), gate_up.words
    prefill_kernels.gate_up_pairs[(-(-2 * chunks // tile["BN"]), n_tiles)](
        in_chunks(x), stored.words, stored.scales, CODE, *where, weights, act, n_pairs, s.inner,
        E=s.routed, SLOTS=s.slots, SHARED=s.shared, K=s.hidden, **tile,
    )  # fmt: skip
    wanted = twins.gate_up_pairs(gates, ups, x.float(), chosen, weights)
    assert_near(from_chunks(act, s.inner)[:-1], wanted[:-1])
    assert act[-1].isnan().all()

    x = wanted.to(HALF)
    out, stored = room.output(size, s.slots, s.hidden, dtype=HALF), down.words
    prefill_kernels.down_pairs[(-(-s.hidden // tile["BN"]), n_tiles)](
        in_chunks(x), stored.words, stored.scales, CODE, *where, out, n_pairs, s.hidden,
        E=s.routed, SHARED=s.shared, K=s.inner, **tile,
    )  # fmt: skip
    assert_near(out[:-1], twins.down_pairs(downs, x.float(), chosen)[:-1])
    assert out[-1].isnan().all()


def laid_out(chosen: torch.Tensor, n_experts: int, rows: int) -> tuple[tuple[torch.Tensor, ...], int]:
    """(tiles' experts, their first pairs, counts, pairs of each expert), tiles; one of those is of none."""
    found = twins.gather_pairs(chosen.flatten(), n_experts)
    counts = [len(pairs) for pairs in found]
    tile_list = [*twins.lay_out_tiles(counts, rows), (-1, 0)]
    padded = [pairs + [0] * (chosen.numel() - len(pairs)) for pairs in found]
    parts = ([e for e, _ in tile_list], [first for _, first in tile_list], counts, padded)
    where = tuple(torch.tensor(part, dtype=torch.int32, device=DEVICE) for part in parts)
    return where, len(tile_list)
