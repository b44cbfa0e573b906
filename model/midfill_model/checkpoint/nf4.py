"""bitsandbytes' NF4 layout in plain torch, equal to `bitsandbytes.functional` bit for bit.

Two elements per byte, row-major over the flattened tensor, the even element in the high nibble;
one fp32 absmax per block of 64; value = CODE[nibble] * absmax.

Double quantisation keeps absmax in bytes: absmax = dynamic_map()[byte] * scale + offset, 256 with one scale.
"""

from functools import cache

import torch
from torch import Tensor

from .shapes import NF4_BLOCK

BLOCK = NF4_BLOCK
GROUP = 256  # blocks with one scale, if their absmax are quantised, too

# Quantiles of a normal distribution, scaled to [-1, 1] (https://arxiv.org/abs/2305.14314, appendix E).
CODE = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)


def dequantize(packed: Tensor, absmax: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """`packed` uint8 [numel/2, 1] and `absmax` fp32 [numel/64] -> a tensor of `shape`."""
    code = torch.tensor(CODE, device=packed.device)
    pairs = torch.stack((code.repeat_interleave(16), code.repeat(16)), dim=-1)  # [256, 2] byte -> two values
    values = pairs[packed.flatten().int()].view(-1, BLOCK)  # [blocks, 64]
    return values.mul_(absmax.view(-1, 1)).to(dtype).view(shape)


def quantize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A tensor whose size is a multiple of 64 -> (packed, absmax)."""
    code = torch.tensor(CODE, device=weight.device)
    blocks = weight.float().reshape(-1, BLOCK)  # [blocks, 64]
    absmax = blocks.abs().amax(dim=-1)  # [blocks]
    # bitsandbytes multiplies by the reciprocal: dividing would round differently at the borders.
    scaled = (blocks * (1.0 / absmax.clamp(min=1e-38)).unsqueeze(-1)).clamp_(-1, 1)
    nibbles = torch.bucketize(scaled.flatten(), (code[:-1] + code[1:]) / 2, out_int32=True).to(torch.uint8)
    return ((nibbles[::2] << 4) | nibbles[1::2]).unsqueeze(1), absmax


def nest(absmax: Tensor) -> tuple[Tensor, Tensor]:
    """All absmax of a tensor, fp32 [groups * 256] -> (uint8 of the same shape, fp32 [groups, 2]).

    The two are scale and offset, which is the tensor's mean.
    """
    code = dynamic_map(absmax.device)
    offset = absmax.mean()
    groups = (absmax - offset).view(-1, GROUP)
    scale = groups.abs().amax(dim=-1)  # [groups]
    scaled = (groups * (1.0 / scale.clamp(min=1e-38)).unsqueeze(-1)).clamp_(-1, 1)
    bytes_ = torch.bucketize(scaled.flatten(), (code[:-1] + code[1:]) / 2, out_int32=True).to(torch.uint8)
    return bytes_, torch.stack((scale, offset.expand_as(scale)), dim=-1)


def unnest(bytes_: Tensor, groups: Tensor) -> Tensor:
    """What `nest` gave, of one tensor or several behind each other -> fp32 absmax in the bytes' shape."""
    values = dynamic_map(bytes_.device)[bytes_.flatten().int()].view(-1, GROUP)
    scale, offset = groups.view(-1, 2, 1).unbind(1)
    return (values * scale + offset).view(bytes_.shape)


@cache
def dynamic_map(device: torch.device) -> Tensor:
    """bitsandbytes' 256 values of a byte, ascending (https://arxiv.org/abs/1511.04561): fp32."""
    values = [0.0, 1.0]
    for exponent in range(7):
        bounds = torch.linspace(0.1, 1, 2**exponent + 1)
        means = 10.0 ** (exponent - 6) * ((bounds[:-1] + bounds[1:]) / 2)
        values += [*means.tolist(), *(-means).tolist()]
    return torch.tensor(sorted(values), device=device)
