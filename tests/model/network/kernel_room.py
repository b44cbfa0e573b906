"""What a kernel's test stands on: shapes, random inputs, outputs that show stray writes, orders in memory."""

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from midfill_model.checkpoint import nf4
from midfill_model.checkpoint.fused.layout import Nf4
from midfill_model.network.gpu.codebook import code_table
from midfill_model.network.gpu.views import Words, words

ON_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if ON_GPU else "cpu")
HALF = (
    torch.float16 if ON_GPU else torch.float32
)  # in Triton's interpreter fp32, so that every difference shows
OVERLAP = ON_GPU and torch.cuda.get_device_capability() >= (9, 0)
PDL = {"PDL": OVERLAP} | ({"launch_pdl": True} if OVERLAP else {})
FAST = {"FAST": ON_GPU}
EPSILON = 1e-6
_GUARD = 64  # numbers before and behind each output


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes that kernels depend on."""

    hidden: int
    heads: int
    rank: int
    rope: int
    plain: int
    value: int
    routed: int
    chosen: int
    shared: int
    inner: int
    vocabulary: int
    positions: int
    double: bool = False  # quantisation of absmax, too

    @property
    def slots(self) -> int:
        return self.chosen + self.shared


SMALL = Shape(128, 4, 64, 16, 32, 32, 4, 2, 2, 64, 1500, 37)
ODD = Shape(192, 6, 128, 32, 16, 48, 5, 3, 1, 192, 1024, 70)
LITE = Shape(2048, 16, 512, 64, 128, 128, 64, 6, 2, 1408, 102_400, 3001)
_FULL = LITE if ON_GPU else SMALL
SHAPES = {"full": _FULL, "odd": ODD, "quantised twice": replace(_FULL, double=True)}
SIZES = (16, 64, 144, 272, 528, 1024) if ON_GPU else (16,)  # tokens of a prefill


@dataclass
class Room:
    """Random inputs, and outputs full of NaN or -7 between guards of the same."""

    numbers: torch.Generator
    _guarded: list[Tensor] = field(default_factory=list)

    def random(self, *shape: int, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> Tensor:
        return (torch.randn(shape, generator=self.numbers, device=DEVICE) * scale).to(dtype)

    def whole(self, stop: int, *shape: int) -> Tensor:
        """Whole numbers from 0 on."""
        return torch.randint(stop, shape, generator=self.numbers, device=DEVICE)

    def turns(self, positions: int, rope: int) -> Tensor:
        """Random rotations, complex [positions, r/2]."""
        angles = self.random(positions, rope // 2, scale=3)
        return torch.polar(torch.ones_like(angles), angles)

    def output(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        n = 1
        for size in shape:
            n *= size
        poison = float("nan") if dtype.is_floating_point else -7
        memory = torch.full((n + 2 * _GUARD,), poison, dtype=dtype, device=DEVICE)
        self._guarded.append(memory)
        return memory[_GUARD : _GUARD + n].view(shape)

    def matrix(self, *shape: int, double: bool) -> "Matrix":
        """NF4 [..., N, K] whose products with unit vectors are about one."""
        *rows, columns = shape
        blocks = (*rows, columns // nf4.BLOCK)
        packed = self.whole(256, *rows, columns // 2).to(torch.uint8)
        absmax = torch.rand(blocks, generator=self.numbers, device=DEVICE) + 0.5
        absmax *= 2 / columns**0.5
        if not double:
            return Matrix(Nf4(packed, absmax), absmax, shape)
        bytes_ = self.whole(256, *blocks).to(torch.uint8)
        groups = torch.stack((absmax.flatten()[::256] / 3, absmax.flatten()[::256]), 1)
        scale, offset = groups.repeat_interleave(256, 0)[: absmax.numel()].view(*blocks, 2).unbind(-1)
        absmax = nf4.dynamic_map(DEVICE)[bytes_.int()] * scale + offset
        return Matrix(Nf4(packed, bytes_, groups), absmax, shape)

    def check_guards(self) -> None:
        for memory in self._guarded:
            guards = torch.cat((memory[:_GUARD], memory[-_GUARD:]))
            assert (guards.isnan() if memory.is_floating_point() else guards == -7).all()


@dataclass(frozen=True, slots=True)
class Matrix:
    stored: Nf4
    absmax: Tensor  # fp32
    shape: tuple[int, ...]

    @property
    def words(self) -> Words:
        return words(self.stored)

    def dense(self) -> Tensor:
        """fp32."""
        return nf4.dequantize(self.stored.packed, self.absmax, self.shape, torch.float32)


CODE = code_table(ON_GPU, DEVICE)


def experts_of(gate_up: Tensor, down: Tensor, s: Shape) -> tuple[Tensor, Tensor, Tensor]:
    """Stacks as they lie in memory, [.., 2I, D] and [.., D, I] -> gates, ups [.., I, D] and downs [.., D, I].

    The shared experts are one MLP of shared * I: all rows of its gate, then up's, and wide rows of down.
    """
    gates, ups = gate_up[: s.routed].tensor_split(2, 1)
    wide_gates, wide_ups = gate_up[s.routed :].reshape(2, s.shared, s.inner, -1)
    wide_down = down[s.routed :].reshape(s.hidden, s.shared, s.inner).transpose(0, 1)
    return (
        torch.cat((gates, wide_gates)),
        torch.cat((ups, wide_ups)),
        torch.cat((down[: s.routed], wide_down)),
    )


def state_of(start: int, n_tokens: int, cache: Tensor | None = None, **more: int) -> tuple[Tensor, Tensor]:
    """(state, anchor) of a request: {cache address, capacity, start, vocabulary, tokens, row, 0, 0}."""
    anchor = torch.empty(64, dtype=HALF, device=DEVICE)
    where = (0, 0) if cache is None else ((cache.data_ptr() - anchor.data_ptr()) // 16, cache.shape[1])
    numbers = (*where, start, more.get("vocabulary", 0), n_tokens, more.get("row", 0), 0, 0)
    return torch.tensor(numbers, device=DEVICE), anchor


UNIT = {"UNIT": 16 // HALF.itemsize}


# Orders in memory, as codebook.py names them; each of vectors [..., K].


def in_planes(x: Tensor) -> Tensor:
    arranged: Tensor = x.unflatten(-1, (-1, 8)).transpose(-1, -2).flatten(-2)
    return arranged


def in_pairs(x: Tensor) -> Tensor:
    arranged: Tensor = x.unflatten(-1, (-1, 4, 2)).transpose(-2, -3).flatten(-3)
    return arranged


def from_pairs(x: Tensor) -> Tensor:
    arranged: Tensor = x.unflatten(-1, (4, -1, 2)).transpose(-2, -3).flatten(-3)
    return arranged


def in_chunks(x: Tensor, fill: float = 0.0) -> Tensor:
    """Each chunk of 128 columns in pair order; the last one is filled up."""
    return in_pairs(F.pad(x, (0, -x.shape[-1] % 128), value=fill).unflatten(-1, (-1, 128))).flatten(-2)


def from_chunks(x: Tensor, columns: int) -> Tensor:
    return from_pairs(x.unflatten(-1, (-1, 128))).flatten(-2)[..., :columns]


def as_words(x: Tensor) -> Tensor:
    """A vector in pair order, as kernels of one token read it."""
    x = x.to(HALF)
    return x.view(torch.int32) if ON_GPU else x


def assert_near(found: Tensor, wanted: Tensor) -> None:
    """Equal but for the rounding of fp16 on a GPU, of fp32 in the interpreter; NaN never is.

    As a whole; and, as one wrong number among millions shows there not, each number ten times as roughly.
    """
    tolerance = 3e-3 if ON_GPU else 1e-5
    found, wanted = found.float(), wanted.float()
    assert (found - wanted).norm() <= tolerance * wanted.norm()
    scale = float(wanted.square().mean().sqrt())
    torch.testing.assert_close(found, wanted, atol=10 * tolerance * scale, rtol=10 * tolerance)
