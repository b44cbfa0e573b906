"""NF4 in registers: how the kernels turn a 32-bit word of eight nibbles into eight values.

On a GPU (FAST) a byte permutation looks four nibbles up at once: the sixteen values are fp16, kept as a plane
of high bytes and a plane of low bytes in eight registers. That beats a table in memory by far. Triton's
interpreter knows no assembly: there, and where values have to be exact, the fp32 table is read.

Word w of a row holds the columns 8w … 8w+7, the even one of each byte in the high nibble. A vector [K] that a
matrix is applied to lies in an order in which a thread loads the columns of its words at once:
plane order, column 8w+e at e * K/8 + w; pair order, at (e // 2) * K/4 + 2w + e % 2, ready for fp16x2;
or, for many tokens, chunk order, which is pair order within each 128 columns.
"""

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from midfill_model.checkpoint.nf4 import CODE

_BITS = np.array(CODE, dtype=np.float16).view(np.uint16).astype(int)


def _plane(shift: int) -> list[int]:
    """Four registers of four table bytes each."""
    table = (_BITS >> shift) & 0xFF
    registers = [sum(int(byte) << 8 * i for i, byte in enumerate(table[j : j + 4])) for j in (0, 4, 8, 12)]
    return [register - (register >> 31 << 32) for register in registers]


def code_table(fast: bool, device: torch.device) -> Tensor:
    """What `code_ptr` points to: int32 [8, 32], both planes for each lane; or fp32 [16], the values."""
    if fast:
        planes = torch.tensor(_plane(8) + _plane(0), dtype=torch.int32, device=device)
        return planes[:, None].expand(-1, 32).contiguous()
    return torch.tensor(CODE, device=device)


def _look_up(selectors: str, signs: str, first: str, second: str) -> str:
    """Four nibbles of `w` -> two fp16x2. `m` is 0xFF where the nibble is 8 or more: prmt copies the sign."""
    return f"""
    prmt.b32 m, w, l, {signs};
    prmt.b32 a, h0, h1, {selectors};
    prmt.b32 b, h2, h3, {selectors};
    lop3.b32 h, a, b, m, 0xD8;
    prmt.b32 a, l0, l1, {selectors};
    prmt.b32 b, l2, l3, {selectors};
    lop3.b32 a, a, b, m, 0xD8;
    prmt.b32 {first}, a, h, 0x4051;
    prmt.b32 {second}, a, h, 0x6273;
    """


def _decode(word: str, first_code: int) -> str:
    """`word` -> p0 … p3, four fp16x2; the planes are the operands from `first_code` on."""
    names = [f"{plane}{i}" for plane in "hl" for i in range(4)]
    return (
        f".reg .b32 w,l,m,a,b,h,s0,s1,p0,p1,p2,p3,sum,{','.join(names)};"
        + "".join(f"mov.b32 {name}, ${first_code + i};" for i, name in enumerate(names))
        + f"mov.b32 w, {word}; and.b32 s0, w, 0x77777777; shr.u32 s1, s0, 16; shl.b32 l, w, 4;"
        + _look_up("s0", "0x9D8C", "p0", "p1")
        + _look_up("s1", "0xBFAE", "p2", "p3")
    )


_DOT = tl.constexpr(
    "{ .reg .b16 even, odd; .reg .f32 x, y;"
    + _decode("$1", 6)
    + """
    mul.rn.f16x2 sum, p0, $2;
    fma.rn.f16x2 sum, p1, $3, sum;
    fma.rn.f16x2 sum, p2, $4, sum;
    fma.rn.f16x2 sum, p3, $5, sum;
    mov.b32 {even, odd}, sum;
    cvt.f32.f16 x, even; cvt.f32.f16 y, odd;
    add.f32 $0, x, y; }"""
)
_EIGHT = tl.constexpr(
    "{"
    + _decode("$8", 9)
    + "mov.b32 {$0,$1}, p0; mov.b32 {$2,$3}, p1; mov.b32 {$4,$5}, p2; mov.b32 {$6,$7}, p3; }"
)


LARGEST_IN_PAIRS = tl.constexpr(16_376.0)
"""What a vector for `dot_words` holds at most: it adds four products up in fp16, which ends at 65,504."""


@triton.jit
def stored(x, ptr, LARGEST: tl.constexpr = 65_504.0):
    """x as what `ptr` points to: fp16 holds at most LARGEST, and never an infinity."""
    if ptr.dtype.element_ty == tl.float16:
        x = tl.minimum(tl.maximum(x, -LARGEST), LARGEST)
    return x.to(ptr.dtype.element_ty)


@triton.jit
def codes(code_ptr, FAST: tl.constexpr):
    """The table for `scaled_pairs`, as [1, 1] tensors: Triton carries no scalar through it.

    From the lane's own copy, for the reason of `codes_of_lane`.
    """
    if FAST:
        lane = tl.inline_asm_elementwise(
            "mov.u32 $0, %laneid;", "=r,r", [tl.zeros([1, 1], tl.int32)], dtype=tl.int32, is_pure=True, pack=1
        )
        at = code_ptr + lane
        return (
            tl.load(at),
            tl.load(at + 32),
            tl.load(at + 64),
            tl.load(at + 96),
            tl.load(at + 128),
            tl.load(at + 160),
            tl.load(at + 192),
            tl.load(at + 224),
        )
    else:
        return (code_ptr,)


@triton.jit
def codes_of_lane(code_ptr, FAST: tl.constexpr):
    """The table for `dot_words`, from the lane's own copy in memory.

    ptxas keeps what it knows to be the same in all threads in uniform registers, which prmt cannot read, and
    moves it from there anew for every word: a third more instructions.
    """
    if FAST:
        at = code_ptr.to(tl.int64)
        return (
            _of_lane(at),
            _of_lane(at + 128),
            _of_lane(at + 256),
            _of_lane(at + 384),
            _of_lane(at + 512),
            _of_lane(at + 640),
            _of_lane(at + 768),
            _of_lane(at + 896),
        )
    else:
        return (code_ptr,)


@triton.jit
def _of_lane(at):
    return tl.inline_asm_elementwise(
        "{ .reg .b32 l; .reg .b64 p; mov.u32 l, %laneid; mad.wide.u32 p, l, 4, $1; ld.global.b32 $0, [p]; }",
        "=r,l",
        [at],
        dtype=tl.int32,
        is_pure=True,
        pack=1,
    )


@triton.jit
def maxima(absmax, block, ok=None):
    """The absmax of some blocks. `absmax` is (fp32,); double-quantised (bytes, groups, map), see nf4.py."""
    if absmax[0].dtype.element_ty == tl.float32:
        return _load(absmax[0] + block, ok)
    else:
        group_ptr = absmax[1] + block // 256 * 2
        value = tl.load(absmax[2] + _load(absmax[0] + block, ok).to(tl.int32))
        return value * _load(group_ptr, ok) + _load(group_ptr + 1, ok)


@triton.jit
def _load(at, ok):
    if ok is None:
        return tl.load(at)
    else:
        return tl.load(at, mask=ok, other=0)


@triton.jit
def eight_values(w, code, FAST: tl.constexpr):
    """Words -> eight tensors of their shape: fp16 if FAST, else fp32."""
    if FAST:
        return tl.inline_asm_elementwise(
            _EIGHT,
            "=h,=h,=h,=h,=h,=h,=h,=h,r,r,r,r,r,r,r,r,r",
            [w, code[0], code[1], code[2], code[3], code[4], code[5], code[6], code[7]],
            dtype=(tl.float16,) * 8,
            is_pure=True,
            pack=1,
        )
    else:
        return (
            tl.load(code[0] + ((w >> 4) & 15)),
            tl.load(code[0] + (w & 15)),
            tl.load(code[0] + ((w >> 12) & 15)),
            tl.load(code[0] + ((w >> 8) & 15)),
            tl.load(code[0] + ((w >> 20) & 15)),
            tl.load(code[0] + ((w >> 16) & 15)),
            tl.load(code[0] + ((w >> 28) & 15)),
            tl.load(code[0] + ((w >> 24) & 15)),
        )


@triton.jit
def _pair(low, high):
    """Two fp32 as fp16x2 in 32 bits, `low` in the lower half."""
    return tl.inline_asm_elementwise(
        "cvt.rn.f16x2.f32 $0, $2, $1;", "=r,f,f", [low, high], dtype=tl.int32, is_pure=True, pack=1
    )


@triton.jit
def pairs_of_planes(x_ptr, word, ok, factor, W: tl.constexpr, FAST: tl.constexpr):
    """The columns of some words of a vector in plane order, times `factor`, as `dot_words` takes them.

    FAST: four tensors of fp16x2; otherwise eight of fp32.
    """
    x0 = tl.load(x_ptr + word, mask=ok, other=0.0) * factor
    x1 = tl.load(x_ptr + W + word, mask=ok, other=0.0) * factor
    x2 = tl.load(x_ptr + 2 * W + word, mask=ok, other=0.0) * factor
    x3 = tl.load(x_ptr + 3 * W + word, mask=ok, other=0.0) * factor
    x4 = tl.load(x_ptr + 4 * W + word, mask=ok, other=0.0) * factor
    x5 = tl.load(x_ptr + 5 * W + word, mask=ok, other=0.0) * factor
    x6 = tl.load(x_ptr + 6 * W + word, mask=ok, other=0.0) * factor
    x7 = tl.load(x_ptr + 7 * W + word, mask=ok, other=0.0) * factor
    if FAST:
        return _pair(x0, x1), _pair(x2, x3), _pair(x4, x5), _pair(x6, x7)
    else:
        return x0, x1, x2, x3, x4, x5, x6, x7


@triton.jit
def pairs(x_ptr, word, ok, W: tl.constexpr, FAST: tl.constexpr):
    """The same of a vector in pair order: FAST, its pointer counts fp16x2, otherwise fp32."""
    if FAST:
        return (
            tl.load(x_ptr + word, mask=ok, other=0),
            tl.load(x_ptr + W + word, mask=ok, other=0),
            tl.load(x_ptr + 2 * W + word, mask=ok, other=0),
            tl.load(x_ptr + 3 * W + word, mask=ok, other=0),
        )
    else:
        at = x_ptr + 2 * word
        return (
            tl.load(at, mask=ok, other=0.0),
            tl.load(at + 1, mask=ok, other=0.0),
            tl.load(at + 2 * W, mask=ok, other=0.0),
            tl.load(at + 2 * W + 1, mask=ok, other=0.0),
            tl.load(at + 4 * W, mask=ok, other=0.0),
            tl.load(at + 4 * W + 1, mask=ok, other=0.0),
            tl.load(at + 6 * W, mask=ok, other=0.0),
            tl.load(at + 6 * W + 1, mask=ok, other=0.0),
        )


@triton.jit
def in_pairs(column, K):
    """Where a column of K lies in pair order."""
    return (column % 8) // 2 * (K // 4) + column // 8 * 2 + column % 2


@triton.jit
def dot_words(w, x, code, FAST: tl.constexpr):
    """Words [N, 4] of half blocks and `pairs` of their columns -> sums over half blocks [N], without absmax.

    A thread holds the four words of a half block, so that adding them up moves nothing.
    """
    if FAST:
        products = tl.inline_asm_elementwise(
            _DOT,
            "=f,r,r,r,r,r,r,r,r,r,r,r,r,r",
            [
                w, x[0], x[1], x[2], x[3],
                code[0], code[1], code[2], code[3], code[4], code[5], code[6], code[7],
            ],
            dtype=tl.float32,
            is_pure=True,
            pack=1,
        )  # fmt: skip
    else:
        v0, v1, v2, v3, v4, v5, v6, v7 = eight_values(w, code, FAST)
        products = (
            v0 * x[0] + v1 * x[1] + v2 * x[2] + v3 * x[3] + v4 * x[4] + v5 * x[5] + v6 * x[6] + v7 * x[7]
        )
    return tl.sum(products, 1)


@triton.jit
def places(BN: tl.constexpr, NH: tl.constexpr):
    """(row, half block) of each thread: as one long row of both, so that with NH = 32 a warp has a row."""
    place = tl.arange(0, BN * NH)
    return place // NH, place % NH


@triton.jit
def in_chunk(column):
    """Where a column lies in chunk order: pair order within each chunk of 128 columns, for `scaled_pairs`."""
    return column // 128 * 128 + column % 8 // 2 * 32 + column % 128 // 8 * 2 + column % 2


@triton.jit
def out_of_chunk(place):
    """The column that lies there: the inverse of `in_chunk`."""
    return place // 128 * 128 + place % 32 // 2 * 8 + place % 128 // 32 * 2 + place % 2


@triton.jit
def to_chunks(x, ROWS: tl.constexpr, N: tl.constexpr):
    """x [ROWS, N] with its columns, whole chunks, in chunk order: so they are stored side by side."""
    split = tl.reshape(x, [ROWS, N // 128, 16, 4, 2])
    return tl.reshape(tl.permute(split, (0, 1, 3, 2, 4)), [ROWS, N])


@triton.jit
def scaled_pairs(w, absmax, code, N: tl.constexpr, FAST: tl.constexpr):
    """A chunk's words [N, 16] and absmax [N, 2] -> its columns in four tensors [N, 32], in pair order.

    Nothing but element-wise operations and views: so Triton loads the words as the matrix units take their
    operand, and the values never go through shared memory.
    """
    v0, v1, v2, v3, v4, v5, v6, v7 = eight_values(w, code, FAST)
    scale = absmax.to(v0.dtype)[:, :, None]
    scale = tl.reshape(tl.broadcast_to(scale, [N, 2, 8]), [N, 16])
    return (
        tl.reshape(tl.join(v0 * scale, v1 * scale), [N, 32]),
        tl.reshape(tl.join(v2 * scale, v3 * scale), [N, 32]),
        tl.reshape(tl.join(v4 * scale, v5 * scale), [N, 32]),
        tl.reshape(tl.join(v6 * scale, v7 * scale), [N, 32]),
    )
