"""A safetensors file written piece by piece, from any device: the host never holds more than a piece.

The format (https://huggingface.co/docs/safetensors): eight bytes with the length of the header, the header as
JSON, then the bytes of all tensors.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO

import torch
from torch import Tensor

_KINDS = {torch.uint8: "U8", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
_ALIGNMENT = 8  # safetensors wants the data to start at a multiple of eight
_PIECE_BYTES = 16 << 20

Layout = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]  # by name


def kind(dtype: torch.dtype) -> str:
    """What safetensors calls it."""
    return _KINDS[dtype]


def write_tensors(
    file: BinaryIO,
    layout: Layout,
    metadata: Mapping[str, str],
    tensors: Iterable[Tensor],
    wrote: Callable[[int], None],
) -> None:
    """Write contiguous `tensors` in the order of `layout`; `wrote` is told the bytes of each piece."""
    header = _header(layout, metadata)
    file.write(len(header).to_bytes(8, "little") + header)
    for (dtype, shape), tensor in zip(layout.values(), tensors, strict=True):
        assert (dtype, shape) == (tensor.dtype, tuple(tensor.shape))
        for piece in tensor.view(-1).view(torch.uint8).split(_PIECE_BYTES):
            wrote(file.write(piece.cpu().numpy().data))


def _header(layout: Layout, metadata: Mapping[str, str]) -> bytes:
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, (dtype, shape) in layout.items():
        start, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": kind(dtype), "shape": shape, "data_offsets": (start, end)}
    text = json.dumps(header).encode()
    return text + b" " * (-len(text) % _ALIGNMENT)
