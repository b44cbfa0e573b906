"""DeepSeek-V2 over 4-bit weights on one GPU: the function of deepseek.py, made of a few kernels and graphs.

One CUDA graph decodes a token; one for each size of prefill computes up to so many. What a request is (its
cache, its place, its ids) goes to the device as one small copy, which is part of the graph.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from midfill_model import nf4
from midfill_model.config import Config
from midfill_model.deepseek import best_of

from .fused import FusedWeights
from .layers import prepare
from .prefill import Prefill
from .step import STATE, Step

_SIZES = (16, 64, 144, 272, 528, 1024)  # tokens of a prefill; the next larger one computes what is asked for
_HOPPER = (9, 0)


class FusedDeepseekV2:
    """The network on a GPU; on a CPU (tests) the same kernels run in Triton's interpreter, in fp32."""

    weights_dtype = "nf4"
    n_guesses = 0  # sixteen ids cost as much as four alone: about what guesses would win

    def __init__(
        self, config: Config, weights: FusedWeights, context: int, sizes: Sequence[int] = _SIZES
    ) -> None:
        self.config = config
        self.context = context
        self.n_parameters = weights.n_parameters
        self.prefill_chunk = max(sizes)
        self.device = weights.embedding.device
        self._network = prepare(config, weights, context)
        self._weights = weights
        fast = self._network.fast
        self._anchor = torch.empty(64, dtype=self._network.cache_type, device=self.device)
        overlap = fast and torch.cuda.get_device_capability(self.device) >= _HOPPER
        self._step = Step(self._network, self._anchor, overlap)
        self._sizes = sorted(sizes)
        self._calls: dict[int, _Call] = {}
        self._prefills: dict[int, Prefill] = {}
        self._pool = torch.cuda.graph_pool_handle() if fast else None

    def new_cache(self, length: int) -> Tensor:
        """Room for `length` tokens: [layers, length, R + r]."""
        shape = (self.config.num_hidden_layers, length, self.config.latent_dim)
        return torch.empty(shape, dtype=self._network.cache_type, device=self.device)

    def next_id(self, ids: Sequence[int], cache: Tensor, start: int, vocabulary: int) -> int:
        """Compute `ids` after the `start` tokens that `cache` holds; the best next id below `vocabulary`."""
        return self._call(len(ids))(ids, self._where(cache), start, vocabulary)

    def next_ids(self, ids: Sequence[int], cache: Tensor, start: int, vocabulary: int) -> list[int]:
        """The best next id after each of `ids`."""
        logits = self.forward(torch.tensor(ids), cache, start, every_logit=True)
        best: list[int] = logits[:, :vocabulary].argmax(1).tolist()
        return best

    def best_of(self, ids: Sequence[int]) -> int:
        """Of these the best next id, after what the last call of next_id has computed."""
        return best_of(self._step.logits, ids)

    def forward(self, ids: Tensor, cache: Tensor, start: int, every_logit: bool = False) -> Tensor:
        """Logits [V] after `ids` [T], or after each [T, V]: for comparisons; decoding uses next_id."""
        self.next_id(ids.tolist(), cache, start, len(self._network.embedding))
        if not every_logit:
            return self._step.logits.clone()
        n = len(ids)
        hidden = self._step.hidden[None] if n == 1 else self._prefills[self._size(n)].hidden[:n]
        normed = F.rms_norm(hidden, hidden.shape[-1:], self._network.norm.float(), self.config.rms_norm_eps)
        head = self._weights.head
        values = nf4.dequantize(head.packed, head.absmax, (-1, hidden.shape[-1]), torch.float32)
        return normed @ values.T

    def synchronize(self) -> None:
        """Until the device has nothing left to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def warm_up(self) -> None:
        """Compile the kernels and capture the graphs, so that no request waits for it."""
        cache = self.new_cache(self._sizes[-1] + 1)
        for size in (1, *self._sizes):
            self.next_id([0] * size, cache, 0, 1)

    def _where(self, cache: Tensor) -> tuple[int, int]:
        """(address in units of 16 bytes from the anchor, capacity) of a cache."""
        return (cache.data_ptr() - self._anchor.data_ptr()) // 16, cache.shape[1]

    def _size(self, n_tokens: int) -> int:
        return next(size for size in self._sizes if size >= n_tokens)

    def _call(self, n_tokens: int) -> "_Call":
        size = 1 if n_tokens == 1 else self._size(n_tokens)
        if size not in self._calls:
            self._calls[size] = self._new_call(size)
        return self._calls[size]

    def _new_call(self, size: int) -> "_Call":
        if size == 1:
            return _Call(self._step.run, self._step.best_id, 1, self._pool)
        prefill = self._prefills[size] = Prefill(self._network, self._anchor, size)

        def run(state: Tensor) -> None:
            prefill.run(state)
            self._step.finish(prefill.hidden, state)

        return _Call(run, self._step.best_id, size, self._pool)


class _Call:
    """A fixed sequence of launches: request in, id out. A CUDA graph from its second run on."""

    def __init__(self, run: Callable[[Tensor], None], best_id: Tensor, size: int, pool: Any) -> None:
        device = best_id.device
        on_gpu = device.type == "cuda"
        self._run = run
        self._size = size
        self._best_id = best_id
        self._sent = torch.zeros(STATE + size, dtype=torch.int64, pin_memory=on_gpu)
        self._received = torch.zeros(1, dtype=torch.int64, pin_memory=on_gpu)
        self._state = torch.zeros(STATE + size, dtype=torch.int64, device=device)
        self._pool = pool
        self._graph: torch.cuda.CUDAGraph | None = None

    @torch.inference_mode()
    def __call__(self, ids: Sequence[int], where: tuple[int, int], start: int, vocabulary: int) -> int:
        """`ids`, at most `size`, after `start` tokens of the cache that lies at `where`."""
        n = len(ids)
        row = ids[0] if self._size == 1 else n - 1
        self._sent.numpy()[: STATE + n] = (*where, start, vocabulary, n, row, 0, 0, *ids)
        if self._pool is None:
            self._whole()
            return int(self._received)
        if self._graph is None:
            self._whole()  # compiles what is new; a capture must not
            self._graph = self._captured()
        else:
            self._graph.replay()
        torch.cuda.current_stream().synchronize()
        return int(self._received)

    def _whole(self) -> None:
        self._state.copy_(self._sent, non_blocking=True)
        self._run(self._state)
        self._received.copy_(self._best_id, non_blocking=True)

    def _captured(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph, pool=self._pool):
            self._whole()
        return graph
