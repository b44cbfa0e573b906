"""From logits to the token that is chosen, and how likely it is."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .protocol import Token


def likeliest(logits: Tensor) -> list[Token]:
    """The best of each row of `logits` [T, V]; the lowest id of equals."""
    best, ids = logits.max(-1)
    found = zip(ids.tolist(), (best - logits.logsumexp(-1)).tolist(), strict=True)
    return [Token(id_, log_probability) for id_, log_probability in found]


def best_of(logits: Tensor, ids: Sequence[int]) -> Token:
    """The best of `ids` by `logits` [V], and its log-probability among them; the first of equals."""
    (best,) = likeliest(logits[None, torch.tensor(ids, device=logits.device)])
    return Token(ids[best.id], best.log_probability)
