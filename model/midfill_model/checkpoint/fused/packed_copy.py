"""Tensors of a device in one safetensors file, each with a checksum that the device computes.

The file's metadata holds what `read` compares before it believes the rest.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from midfill_model import seam
from midfill_model.checkpoint.safetensors_writer import kind, write_tensors
from midfill_model.checkpoint.weights import Progress

from .read_ahead import PIECE_BYTES, read_ahead

_VERSION = "1"  # of what the tensors mean; a file of another version is built again


class Unusable(Exception):
    """Why a packed file cannot be used: the rest of the sentence `The packed copy … is`."""


@torch.inference_mode()
def write(path: Path, tensors: Mapping[str, Tensor], fingerprint: str, progress: Progress) -> None:
    """Write contiguous tensors, whole words of four bytes each. OSError as the system raises it.

    The name `path` appears only when every byte is on the disk.
    """
    sums = json.dumps(checksums(tensors))
    metadata = {"midfill": _VERSION, "fingerprint": fingerprint, "checksums": sums}
    layout = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    n_bytes, n_written = sum(tensor.nbytes for tensor in tensors.values()), 0

    def wrote(n: int) -> None:
        nonlocal n_written
        n_written += n
        progress(n_written / n_bytes)

    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as file:
            write_tensors(file, layout, metadata, tensors.values(), wrote)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@torch.inference_mode()
def read(path: Path, tensors: Mapping[str, Tensor], fingerprint: str, progress: Progress) -> None:
    """Fill `tensors` from the file. Unusable if it is not exactly what `write` wrote for this fingerprint."""
    n_bytes, n_read = sum(tensor.nbytes for tensor in tensors.values()), 0
    try:
        seam.check_plain(path, path.stat())
        with safe_open(path, framework="pt") as file:
            wanted = _claimed_checksums(file, tensors, fingerprint)
            for target, piece in read_ahead(_pieces(file, tensors), _device(tensors)):
                target.copy_(piece, non_blocking=True)
                n_read += piece.nbytes
                progress(n_read / n_bytes)
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise Unusable(f"damaged or truncated ({error})") from None
    for name, checksum in checksums(tensors).items():
        if wanted.get(name) != checksum:
            raise Unusable(f"damaged (the checksum of {name} differs)")


def checksums(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """A 64-bit sum of each tensor's 32-bit words, word i taken 2i+1 times; the host waits once for all.

    Every factor is odd, so no change of one word goes unseen, and no two are equal, so no exchange does.
    """
    device = _device(tensors)
    factors = torch.arange(1, PIECE_BYTES // 2, 2, device=device)  # one for each word of a piece
    sums = torch.stack([_checksum(tensor, factors) for tensor in tensors.values()])
    return dict(zip(tensors, sums.tolist(), strict=True))


def _checksum(tensor: Tensor, factors: Tensor) -> Tensor:
    total = torch.zeros((), dtype=torch.int64, device=tensor.device)
    words = tensor.flatten().view(torch.int32)
    for start in range(0, len(words), len(factors)):
        piece = words[start : start + len(factors)]
        total += (piece * factors[: len(piece)]).sum() + 2 * start * piece.sum()
    return total


def _claimed_checksums(file: Any, tensors: Mapping[str, Tensor], fingerprint: str) -> dict[str, int]:
    """What the file says of itself, once its version, model, names and shapes are found to be right."""
    metadata: dict[str, str] = file.metadata() or {}
    if metadata.get("midfill") != _VERSION:
        raise Unusable("of another version")
    if metadata.get("fingerprint") != fingerprint or set(file.keys()) != set(tensors):
        raise Unusable("of another model")
    for name, tensor in tensors.items():
        entry = file.get_slice(name)
        if (entry.get_dtype(), tuple(entry.get_shape())) != (kind(tensor.dtype), tuple(tensor.shape)):
            raise Unusable("of another model")
    claimed = json.loads(metadata.get("checksums", "{}"))
    return claimed if isinstance(claimed, dict) else {}


def _pieces(file: Any, tensors: Mapping[str, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """(part of a target, its bytes in the mapped file)."""
    for name, tensor in tensors.items():
        stored = _flat_bytes(file.get_tensor(name))
        yield from zip(_flat_bytes(tensor).split(PIECE_BYTES), stored.split(PIECE_BYTES), strict=True)


def _device(tensors: Mapping[str, Tensor]) -> torch.device:
    return next(iter(tensors.values())).device


def _flat_bytes(tensor: Tensor) -> Tensor:
    return tensor.view(-1).view(torch.uint8)
