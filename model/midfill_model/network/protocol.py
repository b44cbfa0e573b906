"""What generation needs of a network. Two have it: deepseek.DeepseekV2 and gpu.network.FusedDeepseekV2."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from midfill_model.checkpoint.config import Config


class Cancelled(Exception):
    """The computation was given up half way. The cache holds what it held before."""


def never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Token:
    """An id that a network has chosen, and its log-probability (nats) among those to choose from."""

    id: int
    log_probability: float


class Network(Protocol):
    """Weights that turn ids into the next one. What requests leave behind is in caches, which callers own."""

    @property
    def config(self) -> Config: ...

    @property
    def context(self) -> int:
        """Positions."""

    @property
    def n_parameters(self) -> int: ...

    @property
    def prefill_chunk(self) -> int:
        """Tokens that one call computes at most, so that another request may come in between."""

    @property
    def n_guesses(self) -> int:
        """Ids that next_tokens checks for little more than the price of one; 0: none."""

    @property
    def weights_dtype(self) -> str: ...

    @property
    def device(self) -> torch.device: ...

    def new_cache(self, length: int) -> Tensor:
        """Room for `length` tokens: [layers, length, R + r]."""

    def next_token(
        self,
        ids: Sequence[int],
        cache: Tensor,
        start: int,
        vocabulary: int,
        cancelled: Callable[[], bool] = never,
    ) -> Token:
        """Compute `ids` after the `start` tokens that `cache` holds; the best next one below `vocabulary`.

        Asks every few layers whether to go on; raises Cancelled if not.
        """

    def next_tokens(self, ids: Sequence[int], cache: Tensor, start: int, vocabulary: int) -> list[Token]:
        """The best next one after each of `ids`; for a few of them."""

    def best_of(self, ids: Sequence[int]) -> Token:
        """Of these the best, after what the last call of next_token has computed; the first of equals."""

    def scores(self, vocabulary: int) -> Tensor:
        """Log-probabilities [vocabulary] of what follows what the last next_token has computed, in fp32."""

    def synchronize(self) -> None:
        """Until the device has nothing left to do. Raises if the device is lost."""

    def warm_up(self) -> None:
        """Do what only the first run of each kind needs: set up kernels and threads."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where ids stand that do not simply follow each other."""

    positions: Tensor  # [T]
    visible: Tensor  # [T, S] bool: the rows of the cache, its own among them, that each looks at


@runtime_checkable
class Branching(Network, Protocol):
    """A network that can follow several continuations side by side: deepseek.DeepseekV2."""

    @property
    def beam_width(self) -> int:
        """Continuations that cost little more than one."""

    def log_probabilities(
        self,
        ids: Sequence[int],
        cache: Tensor,
        start: int,
        vocabulary: int,
        n_last: int = 1,
        cancelled: Callable[[], bool] = never,
        places: Places | None = None,
    ) -> Tensor:
        """Compute `ids` as next_token does: [n_last, vocabulary] of what follows the last ones, in fp32.

        With `places`, ids stand where those say, and all of them are wanted.
        """
