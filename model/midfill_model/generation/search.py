"""Beam search for the first line: the likeliest is taken, not the one whose first word is the likeliest.

Where some next ids are about as good, each is followed, as a branch of a tree in the slot's own cache; where
one is better by far, decoding goes straight on, and guesses as in `generate`. A line is decided when no other
can become likelier, since scores only fall; what follows it is greedy. A text ends only where nothing is
likelier than its end: the empty text is often the likeliest of all, and of no use.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from midfill_model.network.protocol import Branching, Cancelled, Network, Places, Token

from .cache import Slot
from .generate import Guesses, prefill
from .heal import Beginning
from .task import Steps, Task

BEHIND = 1.5
"""Nats by which a line may fall behind the best and still be followed; with more, no more lines are right."""
DEEPEST = 32  # ids after which the best so far is taken


@dataclass(frozen=True, slots=True)
class Branch:
    """A way to go on after the slot's tokens; `rows` of the cache hold its ids but for the last."""

    beginning: Beginning | None
    ids: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()
    score: float = 0.0
    """Log-probability of the ids."""
    tokens: tuple[Token, ...] = ()
    """The ids, as they are told."""


Scores = Callable[[Sequence[Branch], int, int], Sequence[Tensor]]
"""(leaves, where the tree starts, the first leaf's row) -> log-probabilities [V] of what follows each."""


def search(network: Branching, slot: Slot, task: Task) -> Steps:
    """At most `task.beam_width` branches; otherwise as `generate`."""
    pending = list(task.prompt[slot.keep(task.prompt) :])
    guesses, beginning, n_left = Guesses(task.prompt), task.beginning, task.max_tokens
    written: list[int] = []

    def ends(branch: Branch) -> bool:
        return branch.ids[-1] in task.stops or branch.ids[-1] in task.line_ends

    try:
        while n_left:
            pending = yield from prefill(network, slot, pending, task)
            room = network.context - len(slot.tokens) - len(pending)
            if room < 0:
                return "length"
            is_free = len(pending) == 1 and beginning is None
            guess = guesses.guess(min(network.n_guesses, room, n_left - 1)) if is_free else []
            scores = _advance(network, slot, pending, guess, task)
            for score, guessed in zip(scores, [*guess, None], strict=True):
                width = 1 if task.first_line_ends(written) else task.beam_width
                scores_of = partial(side_by_side, network, slot, task.vocabulary)
                tree = Tree(network, slot, task, width, min(DEEPEST, n_left), scores_of)
                leaves = tree.likeliest(tree.continued(Branch(beginning), score))
                best = yield from _decide(tree, leaves, ends)
                tree.keep(best)
                for token in best.tokens:
                    id_ = token.id
                    if id_ in task.stops:
                        return "stop"
                    yield token
                    n_left -= 1
                    written.append(id_)
                    guesses.push(id_)
                    if task.cancelled():
                        return "cancelled"
                beginning, pending = best.beginning, [best.ids[-1]]
                if len(leaves) > 1 or best.ids != (guessed,):
                    break
                slot.tokens += best.ids  # it has been computed already
    except Cancelled:
        return "cancelled"
    return "length"


class Tree:
    """Branches in the rows of the cache behind a slot's tokens, which stay as they are until one is kept."""

    def __init__(
        self, network: Network, slot: Slot, task: Task, width: int, longest: int, scores: Scores
    ) -> None:
        self._slot, self._task, self._width, self._scores = slot, task, width, scores
        self._start = self._end = len(slot.tokens)
        self.longest = min(longest, (network.context - self._start) // width)
        """Ids of a branch for which there is room."""

    def grow(self, leaves: Sequence[Branch]) -> list[Branch]:
        """Compute the last id of each of `leaves`; the likeliest ways on from each. Cancelled."""
        return [way for leaf, score in self.computed(leaves) for way in self.continued(leaf, score)]

    def computed(self, leaves: Sequence[Branch]) -> list[tuple[Branch, Tensor]]:
        """Each with its last id in the cache, and the log-probabilities [V] of what follows it. Cancelled."""
        if self._task.cancelled():
            raise Cancelled
        start, self._end = self._end, self._end + len(leaves)
        self._slot.reserve(self._start + self._width * self.longest)
        grown = [replace(leaf, rows=(*leaf.rows, start + i)) for i, leaf in enumerate(leaves)]
        return list(zip(grown, self._scores(grown, self._start, start), strict=True))

    def keep(self, branch: Branch) -> None:
        """The slot's tokens go on with what is computed of `branch`; the others are forgotten."""
        if branch.rows:
            latents, stop = self._slot.latents, self._start + len(branch.rows)
            latents[:, self._start : stop] = latents[:, list(branch.rows)]
            self._slot.tokens += branch.ids[: len(branch.rows)]

    def continued(self, branch: Branch, scores: Tensor, n_spare: int = 0) -> list[Branch]:
        """`branch` with each of its likeliest next ids, by their log-probabilities `scores` [V].

        As many as the tree is wide, and `n_spare`, less those that only end the text and are not the best.
        """
        beginning, among, all_of_them = branch.beginning, None, 0.0
        if beginning is not None:
            among = beginning.among()
            scores = scores[among]
            all_of_them = float(scores.logsumexp(0))
        values, at = scores.topk(min(self._width + n_spare, len(scores)))
        ids = at.tolist() if among is None else [among[i] for i in at.tolist()]
        return [
            Branch(
                beginning and beginning.after(id_),
                (*branch.ids, id_),
                branch.rows,
                branch.score + value,
                (*branch.tokens, Token(id_, value - all_of_them)),
            )
            for id_, value in zip(ids, values.tolist(), strict=True)
            if id_ == ids[0] or id_ not in self._task.stops
        ]

    def likeliest(self, branches: Iterable[Branch]) -> list[Branch]:
        """Those that are still followed, the best first."""
        best = sorted(branches, key=lambda branch: -branch.score)[: self._width]
        return [branch for branch in best if branch.score > best[0].score - BEHIND]


def side_by_side(
    network: Branching, slot: Slot, vocabulary: int, leaves: Sequence[Branch], root: int, first: int
) -> Sequence[Tensor]:
    """All leaves in one step, into the rows from `first` on: each looks at its own branch alone."""
    device = network.device
    visible = torch.zeros(len(leaves), first + len(leaves), dtype=torch.bool, device=device)
    visible[:, :root] = True
    for row, leaf in zip(visible, leaves, strict=True):
        row[list(leaf.rows)] = True
    depths = [root + len(leaf.rows) - 1 for leaf in leaves]
    places = Places(torch.tensor(depths, device=device), visible)
    ids = [leaf.ids[-1] for leaf in leaves]
    return list(network.log_probabilities(ids, slot.latents, first, vocabulary, places=places))


def _decide(
    tree: Tree, leaves: list[Branch], ends: Callable[[Branch], bool]
) -> Generator[None, None, Branch]:
    """Follow `leaves`, the likeliest first, until one is left or none can become likelier than the first."""
    while len(leaves) > 1 and not ends(leaves[0]) and len(leaves[0].ids) < tree.longest:
        yield None
        done = [leaf for leaf in leaves if ends(leaf)]
        grown = tree.grow([leaf for leaf in leaves if not ends(leaf)])
        leaves = tree.likeliest(done + grown)
    return leaves[0]


def _advance(network: Branching, slot: Slot, ids: list[int], guess: list[int], task: Task) -> Tensor:
    """As in `generate`, but log-probabilities [1 + guesses, V] of what follows the ids and each guess."""
    if task.cancelled():
        raise Cancelled
    start, every, n_wanted = len(slot.tokens), [*ids, *guess], 1 + len(guess)
    slot.reserve(start + len(every))
    scores = network.log_probabilities(every, slot.latents, start, task.vocabulary, n_wanted, task.cancelled)
    slot.tokens += ids
    return scores
