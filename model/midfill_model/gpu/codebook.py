"""NF4 in registers: how the kernels turn a 32-bit word of eight nibbles into eight values.

On a GPU (FAST) a byte permutation looks four nibbles up at once: the sixteen values are fp16, kept as a plane
of high bytes and a plane of low bytes in eight registers. That beats a table in memory by far. Triton's
interpreter knows no assembly: there, and where values have to be exact, the fp32 table is read.

Word w of a row holds the columns 8w … 8w+7, the even one of each byte in the high nibble. A vector [K] that a
matrix is applied to lies in one of two orders, so that a thread loads the columns of four words at once:
plane order, column 8w+e at e * K/8 + w; or pair order, at (e // 2) * K/4 + 2w + e % 2, ready for fp16x2.
"""

import numpy as np
import triton
import triton.language as tl

from midfill_model.nf4 import CODE

_BITS = np.array(CODE, dtype=np.float16).view(np.uint16).astype(int)


def _plane(shift: int) -> list[int]:
    """Four registers of four table bytes each."""
    table = (_BITS >> shift) & 0xFF
    return [int(sum(int(byte) << 8 * i for i, byte in enumerate(table[j : j + 4]))) for j in (0, 4, 8, 12)]


_HIGH, _LOW = _plane(8), _plane(0)


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


def _decode(word: str) -> str:
    tables = (*((f"h{i}", v) for i, v in enumerate(_HIGH)), *((f"l{i}", v) for i, v in enumerate(_LOW)))
    return (
        ".reg .b32 w,l,m,a,b,h,s0,s1,p0,p1,p2,p3,sum;"
        + f".reg .b32 {','.join(name for name, _ in tables)};"
        + "".join(f"mov.b32 {name}, {value:#x};" for name, value in tables)
        + f"mov.b32 w, {word}; and.b32 s0, w, 0x77777777; shr.u32 s1, s0, 16; shl.b32 l, w, 4;"
        + _look_up("s0", "0x9D8C", "p0", "p1")
        + _look_up("s1", "0xBFAE", "p2", "p3")
    )


_DOT = tl.constexpr(
    "{ .reg .b16 even, odd; .reg .f32 x, y;"
    + _decode("$1")
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
    + _decode("$8")
    + "mov.b32 {$0,$1}, p0; mov.b32 {$2,$3}, p1; mov.b32 {$4,$5}, p2; mov.b32 {$6,$7}, p3; }"
)


@triton.jit
def eight_values(w, code_ptr, FAST: tl.constexpr):
    """Words -> eight tensors of their shape: fp16 if FAST, else fp32."""
    if FAST:
        return tl.inline_asm_elementwise(
            _EIGHT, "=h,=h,=h,=h,=h,=h,=h,=h,r", [w], dtype=(tl.float16,) * 8, is_pure=True, pack=1
        )
    else:
        return (
            tl.load(code_ptr + ((w >> 4) & 15)),
            tl.load(code_ptr + (w & 15)),
            tl.load(code_ptr + ((w >> 12) & 15)),
            tl.load(code_ptr + ((w >> 8) & 15)),
            tl.load(code_ptr + ((w >> 20) & 15)),
            tl.load(code_ptr + ((w >> 16) & 15)),
            tl.load(code_ptr + ((w >> 28) & 15)),
            tl.load(code_ptr + ((w >> 24) & 15)),
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

    FAST: four tensors of fp16x2 (and four to fill up); otherwise eight of fp32.
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
        return _pair(x0, x1), _pair(x2, x3), _pair(x4, x5), _pair(x6, x7), x0, x0, x0, x0
    else:
        return x0, x1, x2, x3, x4, x5, x6, x7


@triton.jit
def pairs(x_ptr, word, ok, W: tl.constexpr, FAST: tl.constexpr):
    """The same of a vector in pair order: FAST, its pointer counts fp16x2, otherwise fp32."""
    if FAST:
        x0 = tl.load(x_ptr + word, mask=ok, other=0)
        x1 = tl.load(x_ptr + W + word, mask=ok, other=0)
        x2 = tl.load(x_ptr + 2 * W + word, mask=ok, other=0)
        x3 = tl.load(x_ptr + 3 * W + word, mask=ok, other=0)
        return x0, x1, x2, x3, x0, x0, x0, x0
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
def dot_words(w, x0, x1, x2, x3, x4, x5, x6, x7, code_ptr, FAST: tl.constexpr):
    """Sum over a word's columns: words [N, B, 8] and inputs [B, 8] -> fp32 [N, B, 8], without absmax."""
    if FAST:
        return tl.inline_asm_elementwise(
            _DOT,
            "=f,r,r,r,r,r",
            [w, x0[None], x1[None], x2[None], x3[None]],
            dtype=tl.float32,
            is_pure=True,
            pack=1,
        )
    else:
        v0, v1, v2, v3, v4, v5, v6, v7 = eight_values(w, code_ptr, FAST)
        low = v0 * x0[None] + v1 * x1[None] + v2 * x2[None] + v3 * x3[None]
        return low + v4 * x4[None] + v5 * x5[None] + v6 * x6[None] + v7 * x7[None]


@triton.jit
def tile(w, absmax, code_ptr, N: tl.constexpr, K: tl.constexpr, FAST: tl.constexpr):
    """Words [N, K/8] and absmax [N, K/64] -> the values [N, K]: fp16 if FAST, else fp32."""
    v0, v1, v2, v3, v4, v5, v6, v7 = eight_values(w, code_ptr, FAST)
    even = tl.join(tl.join(v0, v4), tl.join(v2, v6))
    odd = tl.join(tl.join(v1, v5), tl.join(v3, v7))
    values = tl.reshape(tl.join(even, odd), [N, K // 64, 64])
    return tl.reshape(values * absmax.to(values.dtype)[:, :, None], [N, K])
