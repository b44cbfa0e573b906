"""Several texts for one prompt: its likeliest beginnings, each of them continued greedily, side by side.

A beginning is the first token that writes something new: where a word is written anew (`heal`), it is the one
that says more than was typed. On a CPU one step computes the next id of every text, for little more than the
price of one; elsewhere the texts take turns, and what was computed of each is put back before its turn.
"""

from collections.abc import Callable, Generator, Sequence
from functools import partial

import torch
from torch import Tensor

from midfill_model.network.protocol import Branching, Cancelled, Network

from .cache import Slot
from .generate import prefill
from .search import Branch, Scores, Tree, side_by_side
from .task import Several, Task


def alternatives(network: Network, slot: Slot, task: Task, n: int, is_over: Callable[[int], bool]) -> Several:
    """At most `n` texts, the likeliest beginning first; nothing more of one that `is_over`.

    `slot` then holds the prompt, however the task ends. Room for `n` texts may be less than for one: all then
    end as if `max_tokens` were lower.
    """
    pending = list(task.prompt[slot.keep(task.prompt) :])
    try:
        pending = yield from prefill(network, slot, pending, task)
        if task.cancelled():
            raise Cancelled
        root = _computed(network, slot, pending, task)
        n_anew = 0 if task.beginning is None else len(task.beginning.wanted)
        scores = _scores(network, slot, task)
        tree = Tree(network, slot, task, n, task.max_tokens + n_anew, scores)
        texts = dict(enumerate((yield from _beginnings(tree, task, n, root))))
        for number, text in texts.items():
            for token in text.tokens[: task.max_tokens]:
                yield number, "stop" if token.id in task.stops else token
        while texts := {i: it for i, it in texts.items() if not (is_over(i) or _is_whole(tree, task, it))}:
            ways = tree.computed(list(texts.values()))
            texts = {i: tree.continued(*way)[0] for i, way in zip(texts, ways, strict=True)}
            for number, text in texts.items():
                token = text.tokens[-1]
                yield number, "stop" if token.id in task.stops else token
    except Cancelled:
        return "cancelled"
    return "length"


def _computed(network: Network, slot: Slot, pending: list[int], task: Task) -> Tensor:
    """Compute the prompt's end; log-probabilities [V] of what follows it."""
    start = len(slot.tokens)
    slot.reserve(start + len(pending))
    network.next_token(pending, slot.latents, start, task.vocabulary, task.cancelled)
    slot.tokens += pending
    return network.scores(task.vocabulary)


def _scores(network: Network, slot: Slot, task: Task) -> Scores:
    if isinstance(network, Branching):
        return partial(side_by_side, network, slot, task.vocabulary)
    return InTurn(network, slot, task)


class InTurn:
    """A leaf at a time, where a step of several costs as much as several steps.

    The network wants a text's rows behind the prompt's, one after the other. So each leaf's own are copied
    there before its turn, and its new one is kept.
    """

    def __init__(self, network: Network, slot: Slot, task: Task) -> None:
        self._network, self._slot, self._task = network, slot, task
        self._kept: dict[int, Tensor] = {}
        """Row of the tree -> [layers, R + r]."""

    def __call__(self, leaves: Sequence[Branch], root: int, first: int) -> Sequence[Tensor]:
        scores, latents, task = [], self._slot.latents, self._task
        for leaf in leaves:
            if task.cancelled():
                raise Cancelled
            *before, row = leaf.rows
            at = root + len(before)
            if before:
                latents[:, root:at] = torch.stack([self._kept[it] for it in before], 1)
            self._network.next_token([leaf.ids[-1]], latents, at, task.vocabulary, task.cancelled)
            self._kept[row] = latents[:, at].clone()
            scores.append(self._network.scores(task.vocabulary))
        return scores


def _beginnings(tree: Tree, task: Task, n: int, root: Tensor) -> Generator[None, None, list[Branch]]:
    """The likeliest ways to begin, each up to the token that says more than was typed; the best first."""
    n_stops = len(task.stops)
    ways = tree.continued(Branch(task.beginning), root, n_stops)[:n]
    if task.beginning is None:
        return ways
    tokenizer, n_typed = task.beginning.tokenizer, len(task.beginning.wanted)

    def spelled(way: Branch) -> bytes:
        return b"".join(map(tokenizer.token_bytes, way.ids))

    def is_open(way: Branch) -> bool:
        return len(spelled(way)) <= n_typed and not _is_whole(tree, task, way)

    while open_ways := [way for way in ways if is_open(way)]:
        yield None
        ways = [way for way in ways if not is_open(way)]
        for computed in tree.computed(open_ways):
            ways += tree.continued(*computed, n_stops)
        different: dict[bytes, Branch] = {}  # two ways to cut a text into tokens are one way to begin
        for way in sorted(ways, key=lambda way: -way.score):
            if not different or way.ids[-1] not in task.stops:
                different.setdefault(spelled(way), way)
        ways = list(different.values())[:n]
    return ways


def _is_whole(tree: Tree, task: Task, text: Branch) -> bool:
    """Whether it has ended, by itself or for want of room."""
    return text.ids[-1] in task.stops or len(text.ids) >= min(task.max_tokens, tree.longest + 1)
