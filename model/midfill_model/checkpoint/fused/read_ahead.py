"""Host tensors on their way to a device, read from their files a few steps ahead."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

Key = TypeVar("Key")

# What callers cut larger tensors to: it bounds the pinned memory and the temporaries on the GPU.
PIECE_BYTES = 16 << 20
_N_AHEAD = 16
_N_THREADS = 4


def read_ahead(pieces: Iterable[tuple[Key, Tensor]], device: torch.device) -> Iterator[tuple[Key, Tensor]]:
    """The same pieces in the same order; for a GPU in pinned memory, filled by threads.

    The pieces are mapped files: touching them is the reading. One thread alone would fault its way through
    them far slower than the bus takes them.
    """
    if device.type != "cuda":
        yield from pieces
        return
    waiting: deque[tuple[Key, Future[Tensor]]] = deque()
    with ThreadPoolExecutor(_N_THREADS, "read-ahead") as pool:
        for key, piece in pieces:
            waiting.append((key, pool.submit(piece.pin_memory)))
            if len(waiting) > _N_AHEAD:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
