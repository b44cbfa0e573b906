"""The smallest kernel that needs all of Triton: its compiler, the driver and the card."""

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _double(source, target, n: tl.constexpr):
    at = tl.arange(0, n)
    tl.store(target + at, 2 * tl.load(source + at))


def doubled(numbers: Tensor) -> Tensor:
    """Twice `numbers`, fp32 [n] on a card; n is a power of two."""
    target = torch.empty_like(numbers)
    _double[(1,)](numbers, target, numbers.numel())
    return target
