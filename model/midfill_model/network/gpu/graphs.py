"""DeepSeek-V2 over 4-bit weights on one GPU: the function of deepseek.py, made of a few kernels and graphs.

One CUDA graph decodes a token, by one kernel where the card can (persistent/), else by many; a few for each
size of prefill compute up to so many, some layers each. What a request is (its cache, its place, its ids)
goes to the device as one small copy, which is part of the graph.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from midfill_model.checkpoint import nf4
from midfill_model.checkpoint.config import Config
from midfill_model.checkpoint.fused.layout import FusedWeights
from midfill_model.network.choice import best_of, likeliest
from midfill_model.network.protocol import Cancelled, Token, never

from .persistent import choice
from .persistent.shape import NoKernel
from .persistent.step import PersistentStep
from .prefill.prefill import Prefill
from .step import STATE, Step
from .views import prepare

log = logging.getLogger(__name__)

# Tokens of a prefill: layers of one graph, 1 to 2 ms. The next larger one computes what is asked for.
SIZES = {16: 9, 64: 6, 144: 5, 272: 4, 528: 3, 1024: 1}
# From so many tokens on attention lifts keys and values out of the latents, if a request ends within so many
# positions: they take 8 KB each at Lite's shape.
LIFTED_FROM, LIFTED_POSITIONS = 144, 4096
_ONE = (1, False)
_HOPPER = (9, 0)


class FusedDeepseekV2:
    """The network on a GPU; on a CPU (tests) the same kernels run in Triton's interpreter, in fp32."""

    n_guesses = 0  # sixteen ids cost as much as four alone: about what guesses would win

    def __init__(
        self,
        config: Config,
        weights: FusedWeights,
        context: int,
        sizes: Mapping[int, int] = SIZES,
        half: torch.dtype | None = None,
        lifted_from: int = LIFTED_FROM,
    ) -> None:
        self.config = config
        self.context = context
        self.n_parameters = weights.n_parameters
        self.weights_dtype = "nf4" if weights.head.groups is None else "nf4, double-quantised"
        self.prefill_chunk = max(sizes)
        self.device = weights.embedding.device
        self._network = prepare(config, weights, context, half)
        self._weights = weights
        fast = self._network.fast
        columns = config.num_attention_heads * (config.qk_nope_head_dim + config.v_head_dim)
        self._lifted = torch.zeros(
            (min(context, LIFTED_POSITIONS), columns),
            dtype=self._network.cache_type,
            device=self.device,
        )
        self._lifted_from = lifted_from
        self._anchor = torch.empty(64, dtype=self._network.cache_type, device=self.device)
        overlap = fast and torch.cuda.get_device_capability(self.device) >= _HOPPER
        self._step = Step(self._network, self._anchor, overlap)
        self._sizes = dict(sorted(sizes.items()))
        self._calls: dict[tuple[int, bool], _Call] = {}  # by size, and whether keys and values are lifted
        self._prefills: dict[int, Prefill] = {}
        self._pool = torch.cuda.graph_pool_handle() if fast else None
        self.one_kernel = False  # whether one token is one kernel

    def new_cache(self, length: int) -> Tensor:
        """Room for `length` tokens: [layers, length, R + r]."""
        shape = (self.config.num_hidden_layers, length, self.config.latent_dim)
        return torch.empty(shape, dtype=self._network.cache_type, device=self.device)

    def next_token(
        self,
        ids: Sequence[int],
        cache: Tensor,
        start: int,
        vocabulary: int,
        cancelled: Callable[[], bool] = never,
    ) -> Token:
        """Compute `ids` after the `start` tokens that `cache` holds; the best next one below `vocabulary`."""
        return self._call(len(ids), start)(ids, self._where(cache), start, vocabulary, cancelled)

    def next_tokens(self, ids: Sequence[int], cache: Tensor, start: int, vocabulary: int) -> list[Token]:
        """The best next one after each of `ids`."""
        return likeliest(self.forward(torch.tensor(ids), cache, start, every_logit=True)[:, :vocabulary])

    def best_of(self, ids: Sequence[int]) -> Token:
        """Of these the best, after what the last call of next_token has computed."""
        return best_of(self._step.logits, ids)

    def scores(self, vocabulary: int) -> Tensor:
        """Log-probabilities [vocabulary] of what follows what the last call of next_token has computed."""
        return self._step.logits[:vocabulary].float().log_softmax(-1)

    def forward(self, ids: Tensor, cache: Tensor, start: int, every_logit: bool = False) -> Tensor:
        """Logits [V] after `ids` [T], or after each [T, V]: for comparisons; decoding uses next_token."""
        self.next_token(ids.tolist(), cache, start, len(self._network.embedding))
        if not every_logit:
            return self._step.logits.clone()
        n = len(ids)
        hidden = self._step.hidden[None] if n == 1 else self._prefills[self._way(n, start)[0]].hidden[:n]
        normed = F.rms_norm(hidden, hidden.shape[-1:], self._network.norm.float(), self.config.rms_norm_eps)
        head = self._weights.head
        values = nf4.dequantize(head.packed, head.maxima(), (-1, hidden.shape[-1]), torch.float32)
        return normed @ values.T

    def synchronize(self) -> None:
        """Until the device has nothing left to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def warm_up(self) -> None:
        """Compile the kernels and capture the graphs, so that no request waits for it."""
        cache = self.new_cache(self.prefill_chunk)
        for size in (1, *self._sizes):
            self.next_token([0] * size, cache, 0, 1)
            if self._way(size, 0)[1] and self.context > len(self._lifted):  # the way of what ends farther off
                end = len(self._lifted) + 1
                self.next_token([0] * size, self.new_cache(end), end - size, 1)
        if self._network.fast:
            self._choose_step(cache)

    def use_one_kernel(self) -> None:
        """From now on one token is one kernel. NoKernel, with the reason, where that cannot be."""
        step = PersistentStep(self._network, self._anchor, self._step)
        self._calls[_ONE] = _Call([step.run], self._step.best, 1, self._pool)
        self.one_kernel = True

    def use_single_launches(self) -> None:
        """From now on one token is many kernels: the way that always works."""
        self._calls[_ONE] = self._new_call(1)
        self.one_kernel = False

    def _choose_step(self, cache: Tensor) -> None:
        """One kernel for one token, if it is faster and right: tried behind the tokens that `cache` holds."""
        start, vocabulary = cache.shape[1] - 1, self.config.vocab_size

        def step(id_: int) -> None:
            self.next_token([id_], cache, start, vocabulary)

        launches, by_launches = self._call(1, 0), choice.tried(step, self._step.logits)
        try:
            self.use_one_kernel()
            step(0)  # the second run is a graph
            by_kernel = choice.tried(step, self._step.logits)
            reason = choice.why_launches(by_launches, by_kernel)
        except NoKernel as error:
            reason = str(error)
        if reason:
            self._calls[_ONE], self.one_kernel = launches, False
            log.info("a token is computed in single launches, not by one kernel: %s", reason)
        else:
            milliseconds = 1000 * by_kernel.seconds, 1000 * by_launches.seconds
            log.info("a token is computed by one kernel, in %.2f ms instead of %.2f", *milliseconds)

    def _where(self, cache: Tensor) -> tuple[int, int]:
        """(address in units of 16 bytes from the anchor, capacity) of a cache."""
        return (cache.data_ptr() - self._anchor.data_ptr()) // 16, cache.shape[1]

    def _way(self, n_tokens: int, start: int) -> tuple[int, bool]:
        """The size of the prefill for so many tokens, and whether it lifts keys and values."""
        if n_tokens == 1:
            return _ONE
        size = next(size for size in self._sizes if size >= n_tokens)
        return size, size >= self._lifted_from and start + n_tokens <= len(self._lifted)

    def _call(self, n_tokens: int, start: int) -> "_Call":
        way = self._way(n_tokens, start)
        if way not in self._calls:
            self._calls[way] = self._new_call(*way)
        return self._calls[way]

    def _new_call(self, size: int, lifts: bool = False) -> "_Call":
        if size == 1:
            return _Call([self._step.run], self._step.best, 1, self._pool)
        if size not in self._prefills:
            lifted = self._lifted if size >= self._lifted_from else None
            self._prefills[size] = Prefill(self._network, self._anchor, size, lifted)
        prefill = self._prefills[size]
        n_layers, n_at_once = self.config.num_hidden_layers, self._sizes[size]

        def run(first: int, state: Tensor) -> None:
            stop = min(first + n_at_once, n_layers)
            prefill.run(state, first, stop, lifts)
            if stop == n_layers:
                self._step.finish(prefill.hidden, state)

        parts = [partial(run, first) for first in range(0, n_layers, n_at_once)]
        return _Call(parts, self._step.best, size, self._pool)


class _Call:
    """A fixed sequence of launches, in parts: request in, token out. CUDA graphs from its second run on."""

    def __init__(self, parts: Sequence[Callable[[Tensor], None]], best: Tensor, size: int, pool: Any) -> None:
        device = best.device
        on_gpu = device.type == "cuda"
        self._parts = parts
        self._size = size
        self._best = best
        self._sent = torch.zeros(STATE + size, dtype=torch.int64, pin_memory=on_gpu)
        self._received = torch.zeros_like(best, device="cpu", pin_memory=on_gpu)
        self._state = torch.zeros(STATE + size, dtype=torch.int64, device=device)
        self._pool = pool
        self._graphs: list[torch.cuda.CUDAGraph] = []
        self._done = [torch.cuda.Event() for _ in parts] if on_gpu else []

    @torch.inference_mode()
    def __call__(
        self,
        ids: Sequence[int],
        where: tuple[int, int],
        start: int,
        vocabulary: int,
        cancelled: Callable[[], bool],
    ) -> Token:
        """`ids`, at most `size`, after `start` tokens of the cache that lies at `where`. Cancelled."""
        n = len(ids)
        row = ids[0] if self._size == 1 else n - 1
        self._sent.numpy()[: STATE + n] = (*where, start, vocabulary, n, row, 0, 0, *ids)
        if self._pool is None:
            self._launch(cancelled)
            return self._token()
        try:
            if self._graphs:
                self._replay(cancelled)
            else:
                self._launch(cancelled)  # compiles what is new; a capture must not
        finally:  # after a cancel, too: the device shall be idle, and `_sent` free again
            torch.cuda.current_stream().synchronize()
        if not self._graphs:
            self._graphs = [self._captured(index) for index in range(len(self._parts))]
        return self._token()

    def _token(self) -> Token:
        id_, log_probability = self._received.tolist()
        return Token(int(id_), log_probability)

    def _replay(self, cancelled: Callable[[], bool]) -> None:
        """Two parts at most are under way: the device never waits, nor goes on for long after a cancel."""
        for index, (graph, done) in enumerate(zip(self._graphs, self._done, strict=True)):
            if index > 1:
                self._done[index - 2].synchronize()
            if index and cancelled():
                raise Cancelled
            graph.replay()
            done.record()

    def _launch(self, cancelled: Callable[[], bool]) -> None:
        for index in range(len(self._parts)):
            if index and cancelled():
                raise Cancelled
            self._part(index)

    def _part(self, index: int) -> None:
        if index == 0:
            self._state.copy_(self._sent, non_blocking=True)
        self._parts[index](self._state)
        if index + 1 == len(self._parts):
            self._received.copy_(self._best, non_blocking=True)

    def _captured(self, index: int) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph, pool=self._pool):
            self._part(index)
        return graph
