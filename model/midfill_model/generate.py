"""One request's way through the network: prefill in chunks, then greedy decode. Knows ids, no text."""

from collections.abc import Callable, Container, Generator, Sequence
from typing import Literal

from .cache import Slot
from .heal import Beginning
from .network import Network

Finish = Literal["stop", "length", "cancelled"]


def generate(
    network: Network,
    slot: Slot,
    prompt: Sequence[int],
    max_tokens: int,
    stops: Container[int],
    vocabulary: int,
    cancelled: Callable[[], bool],
    beginning: Beginning | None = None,
) -> Generator[int | None, None, Finish]:
    """Yield None after each chunk of the prefill, then each id; return why it ended.

    Between two yields one step of the network runs, so a caller may serve several requests in turn. `stops`
    are not yielded. Ids from `vocabulary` on have no text and are never chosen. `slot` stays valid.
    The ids begin as `beginning` wants it.
    """
    pending = list(prompt[slot.keep(prompt) :])
    for _ in range(max_tokens):
        while len(pending) > network.prefill_chunk:
            if cancelled():
                return "cancelled"
            _advance(network, slot, pending[: network.prefill_chunk], vocabulary)
            del pending[: network.prefill_chunk]
            yield None
        if cancelled():
            return "cancelled"
        if len(slot.tokens) + len(pending) > network.context:
            return "length"
        chosen = _advance(network, slot, pending, vocabulary)
        if beginning is not None:
            chosen = beginning.take(chosen, network.best_of)
        if chosen in stops:
            return "stop"
        yield chosen
        pending = [chosen]
    return "length"


def _advance(network: Network, slot: Slot, ids: list[int], vocabulary: int) -> int:
    """Compute `ids` after what the slot holds; the next id."""
    start = len(slot.tokens)
    slot.reserve(start + len(ids))
    best = network.next_id(ids, slot.latents, start, vocabulary)
    slot.tokens += ids
    return best
