"""From a checkpoint's tensors to fused 4-bit weights and back, tensor by tensor."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from midfill_model.checkpoint import nf4
from midfill_model.checkpoint.config import Config
from midfill_model.checkpoint.weights import Checkpoint, Progress, Stored

from .layout import FusedWeights, Nf4, Source, allocate, assert_quantised, sources
from .read_ahead import PIECE_BYTES, read_ahead


def fuse(
    config: Config,
    checkpoint: Checkpoint,
    device: torch.device,
    real: torch.dtype,
    progress: Progress,
    double: bool = False,
) -> FusedWeights:
    """The checkpoint's weights on `device`: matrices in NF4, if `double` absmax in bytes; the rest `real`.

    ModelError for missing tensors and wrong shapes, before the first is read.
    """
    check_shapes(config, checkpoint)
    weights = allocate(config, device, real, double)
    fill(weights, config, checkpoint, progress)
    return weights


def check_shapes(config: Config, checkpoint: Checkpoint) -> None:
    """ModelError unless every tensor is there in the shape that config.json promises. Reads headers only."""
    for source in sources(config, allocate(config, torch.device("meta"), torch.float32)):
        checkpoint.check(source.name, source.shape)


@torch.inference_mode()
def fill(weights: FusedWeights, config: Config, checkpoint: Checkpoint, progress: Progress) -> None:
    """Read a checkpoint whose shapes were checked into `weights`."""
    device, n_read = weights.embedding.device, 0
    for write, piece in read_ahead(_pieces(config, weights, checkpoint), device):
        n_read += write(piece)
        progress(n_read / weights.n_parameters)
    assert_quantised(weights)


def dequantised(weights: FusedWeights, config: Config) -> Callable[..., Tensor]:
    """A `fetch` for deepseek.DeepseekV2, (name, *shape) -> fp32, with the very values of `weights`.

    The head always counts as a tensor of its own, because the embedding is not in NF4: give the plain network
    a config with `tie_word_embeddings=False`.
    """
    found = {source.name: source.targets[0] for source in sources(config, weights)}
    found["lm_head.weight"] = weights.head

    def fetch(name: str, *shape: int) -> Tensor:
        target = found[name]
        if isinstance(target, Tensor):
            return target.float().view(shape)
        return nf4.dequantize(target.packed, target.maxima(), shape, torch.float32)

    return fetch


Write = Callable[[Tensor], int]  # takes what was read, returns how many parameters that were


def _pieces(config: Config, weights: FusedWeights, checkpoint: Checkpoint) -> Iterator[tuple[Write, Tensor]]:
    for source in sources(config, weights):
        stored = checkpoint.stored(source.name)
        if stored.absmax is not None:
            yield from _taken_over(source, stored.values, stored.absmax)
        else:
            yield from _quantised(source, stored)


def _quantised(source: Source, stored: Stored) -> Iterator[tuple[Write, Tensor]]:
    """Some rows at a time: the temporaries take about nine times the bytes of a bf16 piece."""
    collected: list[Tensor] = []  # absmax: double quantisation wants those of the whole tensor
    per_row = stored.values[0].nbytes
    n_rows = max(1, PIECE_BYTES // per_row)
    for start in range(0, source.shape[0], n_rows):
        rows = slice(start, start + n_rows)

        def write(piece: Tensor, rows: slice = rows) -> int:
            for target in source.targets:
                if isinstance(target, Tensor):
                    target[rows].copy_(piece, non_blocking=True)
                    continue
                packed, absmax = nf4.quantize(piece.to(target.packed.device, non_blocking=True))
                target.packed[rows].copy_(packed.view(target.packed[rows].shape), non_blocking=True)
                collected.append(absmax)
                if rows.stop >= source.shape[0]:
                    _put_absmax(target, torch.cat(collected))
            return piece.numel()

        yield write, stored.values[rows]


def _taken_over(source: Source, packed: Tensor, absmax: Tensor) -> Iterator[tuple[Write, Tensor]]:
    """A tensor that is in NF4 already keeps its bits; the embedding is expanded."""

    def write(piece: Tensor) -> int:
        for target in source.targets:
            if isinstance(target, Nf4):
                target.packed.copy_(piece.view(target.packed.shape), non_blocking=True)
                _put_absmax(target, absmax.to(target.absmax.device))
            else:
                device = target.device
                values = nf4.dequantize(piece.to(device), absmax.to(device), source.shape, torch.float32)
                target.copy_(values)
        return math.prod(source.shape)

    yield write, packed


def _put_absmax(target: Nf4, absmax: Tensor) -> None:
    if target.groups is not None:
        absmax, groups = nf4.nest(absmax)
        target.groups.copy_(groups)
    target.absmax.copy_(absmax.view(target.absmax.shape))
