"""Which way to compute a token is taken: the kernel, where it is faster and agrees with single launches."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

IDS = tuple(range(10, 26))
_FAR = 0.05  # of the logits' size: fp16 differs by a tenth of it; another choice of experts, by more, is rare


@dataclass(frozen=True, slots=True)
class Trial:
    """What a way did with each of IDS."""

    seconds: float  # median
    logits: Tensor  # [IDS, V]


def tried(step: Callable[[int], None], logits: Tensor) -> Trial:
    """`step` computes what follows an id, until it is done, and leaves `logits` [V]."""
    seconds, every = [], []
    for id_ in IDS:
        started = time.perf_counter()
        step(id_)
        seconds.append(time.perf_counter() - started)
        every.append(logits.clone())
    return Trial(statistics.median(seconds), torch.stack(every))


def why_launches(launches: Trial, kernel: Trial) -> str:
    """Why single launches are kept; empty when the kernel takes their place."""
    errors = (kernel.logits - launches.logits).norm(dim=1) / launches.logits.norm(dim=1)
    if not errors.median() < _FAR:  # NaN is never less
        return f"its logits differ by {errors.median():.3g}"
    if not kernel.seconds < launches.seconds:
        return f"it takes {kernel.seconds * 1000:.2f} ms, they take {launches.seconds * 1000:.2f}"
    return ""
