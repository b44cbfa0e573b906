"""One request's way through the network: prefill in chunks, then greedy decode. Knows ids, no text.

Where a few ids at once cost little more than one, decoding guesses: code repeats itself, so what followed the
last ids when they stood before is checked in the same step. Every id is still the network's own choice.
"""

from collections.abc import Callable, Container, Generator, Sequence
from typing import Literal

from midfill_model.network.protocol import Cancelled, Network

from .cache import Slot
from .heal import Beginning

Finish = Literal["stop", "length", "cancelled"]

_RUNS = (3, 2)  # ids that have to agree for a guess; the longer run is the better one


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

    Between two yields at most one step of the network runs, so a caller may serve several requests in turn.
    `stops` are not yielded. Ids from `vocabulary` on have no text and are never chosen. `slot` stays valid.
    The ids begin as `beginning` wants it. `cancelled` is asked before each step, and within a long one.
    """
    pending = list(prompt[slot.keep(prompt) :])
    guesses = Guesses(prompt) if network.n_guesses else None
    n_left = max_tokens
    try:
        while n_left:
            pending = yield from prefill(network, slot, pending, vocabulary, cancelled)
            room = network.context - len(slot.tokens) - len(pending)
            if room < 0:
                return "length"
            guess: list[int] = []
            if guesses is not None and len(pending) == 1 and (beginning is None or beginning.is_written):
                guess = guesses.guess(min(network.n_guesses, room, n_left - 1))
            chosen = _advance(network, slot, pending, vocabulary, cancelled, guess)
            if beginning is not None:
                chosen[0] = beginning.take(chosen[0], network.best_of)
                beginning = beginning.after(chosen[0])
            for id_, guessed in zip(chosen, [*guess, None], strict=True):
                if id_ in stops:
                    return "stop"
                yield id_
                n_left -= 1
                pending = [id_]
                if guesses is not None:
                    guesses.push(id_)
                if id_ != guessed:
                    break
                slot.tokens.append(id_)  # it has been computed already
                if cancelled():
                    return "cancelled"
    except Cancelled:
        return "cancelled"
    return "length"


def prefill(
    network: Network, slot: Slot, pending: list[int], vocabulary: int, cancelled: Callable[[], bool]
) -> Generator[None, None, list[int]]:
    """Compute chunks of `pending`, with a yield after each; return the last, at most a chunk, as it is."""
    while len(pending) > network.prefill_chunk:
        _advance(network, slot, pending[: network.prefill_chunk], vocabulary, cancelled)
        pending = pending[network.prefill_chunk :]
        yield None
    return pending


class Guesses:
    """What followed the last ids of a text when they stood there before."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        """A run of ids -> where that follows which followed it last."""
        for id_ in ids:
            self.push(id_)

    def push(self, id_: int) -> None:
        for n in _RUNS:
            if len(self._ids) >= n:
                self._after[tuple(self._ids[-n:])] = len(self._ids)
        self._ids.append(id_)

    def guess(self, n: int) -> list[int]:
        """At most `n` ids."""
        for length in _RUNS:
            if (at := self._after.get(tuple(self._ids[-length:]))) is not None:
                return self._ids[at : at + n]
        return []


def _advance(
    network: Network,
    slot: Slot,
    ids: list[int],
    vocabulary: int,
    cancelled: Callable[[], bool],
    guess: Sequence[int] = (),
) -> list[int]:
    """Compute `ids` and `guess` after what the slot holds; the next id after the last of ids and each guess.

    The slot then holds `ids`; what was computed of the guesses lies behind. After Cancelled it holds none.
    """
    if cancelled():
        raise Cancelled
    start = len(slot.tokens)
    slot.reserve(start + len(ids) + len(guess))
    if guess:
        best = network.next_ids([*ids, *guess], slot.latents, start, vocabulary)[len(ids) - 1 :]
    else:
        best = [network.next_id(ids, slot.latents, start, vocabulary, cancelled)]
    slot.tokens += ids
    return best
