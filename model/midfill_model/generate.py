"""One request's way through the network: prefill in chunks, then greedy decode. Knows ids, no text."""

from collections.abc import Callable, Container, Generator, Sequence
from typing import Literal

import torch

from .cache import Slot
from .deepseek import DeepseekV2

Finish = Literal["stop", "length", "cancelled"]
PREFILL_CHUNK = 512  # tokens between two looks at `cancelled`


def generate(
    network: DeepseekV2,
    slot: Slot,
    prompt: Sequence[int],
    max_tokens: int,
    stops: Container[int],
    vocabulary: int,
    cancelled: Callable[[], bool],
) -> Generator[int | None, None, Finish]:
    """Yield None after each chunk of the prefill, then each id; return why it ended.

    Between two yields one step of the network runs, so a caller may serve several requests in turn. `stops`
    are not yielded. Ids from `vocabulary` on have no text and are never chosen. `slot` stays valid.
    """
    pending = list(prompt[slot.keep(prompt) :])
    for _ in range(max_tokens):
        while len(pending) > PREFILL_CHUNK:
            if cancelled():
                return "cancelled"
            _advance(network, slot, pending[:PREFILL_CHUNK])
            del pending[:PREFILL_CHUNK]
            yield None
        if cancelled():
            return "cancelled"
        if len(slot.tokens) + len(pending) > network.context:
            return "length"
        chosen = int(_advance(network, slot, pending)[:vocabulary].argmax())
        if chosen in stops:
            return "stop"
        yield chosen
        pending = [chosen]
    return "length"


def _advance(network: DeepseekV2, slot: Slot, ids: list[int]) -> torch.Tensor:
    """Compute `ids` after what the slot holds; the last one's logits [V]."""
    start = len(slot.tokens)
    slot.reserve(start + len(ids))
    logits = network.forward(torch.tensor(ids, device=slot.latents.device), slot.latents, start)
    slot.tokens += ids
    return logits
