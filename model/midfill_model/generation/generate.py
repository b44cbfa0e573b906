"""One request's way through the network: prefill in chunks, then greedy decode. Knows ids, no text.

Where a few ids at once cost little more than one, decoding guesses: code repeats itself, so what followed the
last ids when they stood before is checked in the same step. Every id is still the network's own choice.
"""

from collections.abc import Generator, Sequence

from midfill_model.network.protocol import Cancelled, Network, Token

from .cache import Slot
from .task import Steps, Task

_RUNS = (3, 2)  # ids that have to agree for a guess; the longer run is the better one


def generate(network: Network, slot: Slot, task: Task) -> Steps:
    """Greedily. `slot` stays valid, however the task ends."""
    pending = list(task.prompt[slot.keep(task.prompt) :])
    guesses = Guesses(task.prompt) if network.n_guesses else None
    n_left, beginning = task.max_tokens, task.beginning
    try:
        while n_left:
            pending = yield from prefill(network, slot, pending, task)
            room = network.context - len(slot.tokens) - len(pending)
            if room < 0:
                return "length"
            guess: list[int] = []
            if guesses is not None and len(pending) == 1 and beginning is None:
                guess = guesses.guess(min(network.n_guesses, room, n_left - 1))
            chosen = _advance(network, slot, pending, task, guess)
            if beginning is not None:
                chosen = [network.best_of(beginning.among())]
                beginning = beginning.after(chosen[0].id)
            for token, guessed in zip(chosen, [*guess, None], strict=True):
                id_ = token.id
                if id_ in task.stops:
                    return "stop"
                yield token
                n_left -= 1
                pending = [id_]
                if guesses is not None:
                    guesses.push(id_)
                if id_ != guessed:
                    break
                slot.tokens.append(id_)  # it has been computed already
                if task.cancelled():
                    return "cancelled"
    except Cancelled:
        return "cancelled"
    return "length"


def prefill(network: Network, slot: Slot, pending: list[int], task: Task) -> Generator[None, None, list[int]]:
    """Compute chunks of `pending`, with a yield after each; return the last, at most a chunk, as it is."""
    while len(pending) > network.prefill_chunk:
        _advance(network, slot, pending[: network.prefill_chunk], task)
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
    network: Network, slot: Slot, ids: list[int], task: Task, guess: Sequence[int] = ()
) -> list[Token]:
    """Compute `ids` and `guess` after what the slot holds; the next one after the last of ids and each guess.

    The slot then holds `ids`; what was computed of the guesses lies behind. After Cancelled it holds none.
    """
    if task.cancelled():
        raise Cancelled
    start = len(slot.tokens)
    slot.reserve(start + len(ids) + len(guess))
    if guess:
        best = network.next_tokens([*ids, *guess], slot.latents, start, task.vocabulary)[len(ids) - 1 :]
    else:
        best = [network.next_token(ids, slot.latents, start, task.vocabulary, task.cancelled)]
    slot.tokens += ids
    return best
