"""Beam search in one cache: the lines are those of a search that computes every branch from nothing."""

import re
from collections.abc import Callable, Collection, Container
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midfill_model.generation.cache import Slot
from midfill_model.generation.completion import Loaded
from midfill_model.generation.heal import Beginning
from midfill_model.generation.requests.prompt import Budgets, Parts, fim_prompt
from midfill_model.generation.requests.ticket import Request
from midfill_model.generation.search import BEHIND, DEEPEST, search
from midfill_model.generation.task import Task
from midfill_model.generation.tokens import Tokenizer
from midfill_model.lab.reference import ours
from midfill_model.network.deepseek import DeepseekV2
from midfill_model.network.protocol import Branching, Token

from ..network.test_deepseek import greedy
from .test_generate import new_slot, texts
from .test_heal import complete

Ids = list[int]
SIZE = 384


class Run:
    """A search in `slot` to its end: the ids, why it ended, and how many steps decided nothing yet."""

    def __init__(
        self,
        tiny: Loaded,
        slot: Slot,
        prompt: Ids,
        n: int,
        width: int,
        stops: Collection[int] = (),
        ends: Container[int] = (),
        typed: bytes = b"",
        cancelled: Callable[[], bool] = lambda: False,
        size: int = SIZE,
    ) -> None:
        self.tokens: list[Token] = []
        self.n_undecided = 0
        beginning = Beginning.of(typed, tiny.tokenizer)
        network = tiny.network
        assert isinstance(network, Branching)
        steps = search(network, slot, Task(prompt, n, size, stops, ends, beginning, width, cancelled))
        try:
            while True:
                token = next(steps)
                self.n_undecided += token is None
                self.tokens += [] if token is None else [token]
        except StopIteration as end:
            self.finish: str = end.value
        self.ids: Ids = [token.id for token in self.tokens]


def plainly(
    tiny: Loaded, prompt: Ids, n: int, width: int, stops: Container[int], ends: Container[int], typed: bytes
) -> Ids:
    """The same search without a cache, without guesses, each branch from its beginning."""
    network, written, beginning = tiny.network, list[int](), Beginning.of(typed, tiny.tokenizer)
    assert isinstance(network, DeepseekV2)
    while len(written) < n:
        so_far = [*prompt, *written]
        longest = min(DEEPEST, n - len(written), (network.context - len(so_far)) // width)
        leaves: list[tuple[float, Ids, Beginning | None]] = [(0.0, [], beginning)]
        while True:
            done = [leaf for leaf in leaves if leaf[1] and (leaf[1][-1] in stops or leaf[1][-1] in ends)]
            for score, ids, begun in [leaf for leaf in leaves if leaf not in done]:
                cache = network.new_cache(len(so_far) + len(ids))
                logits = network.forward(torch.tensor([*so_far, *ids]), cache, 0)
                scores = logits[:SIZE].log_softmax(-1)
                among = begun.among() if begun else range(SIZE)
                best = sorted(among, key=lambda id_: -float(scores[id_]))[:width]
                best = [i for i in best if i == best[0] or i not in stops]
                done += [(score + float(scores[i]), [*ids, i], begun and begun.after(i)) for i in best]
            leaves = sorted(done, key=lambda leaf: -leaf[0])[:width]
            leaves = [leaf for leaf in leaves if leaf[0] > leaves[0][0] - BEHIND]
            _, ids, beginning = leaves[0]
            if len(leaves) == 1 or ids[-1] in stops or ids[-1] in ends or len(ids) >= longest:
                break
        written += ids
        if written[-1] in ends and len(written) > 1:
            width = 1
        if written[-1] in stops:
            return written[:-1]
    return written


@settings(deadline=None, max_examples=30)
@given(
    prompt=st.lists(st.integers(0, 5), min_size=4, max_size=40),
    n=st.integers(1, 14),
    width=st.integers(2, 4),
    ends=st.sets(st.integers(0, 255), max_size=120),
    stops=st.sets(st.integers(0, 383), max_size=60),
    typed=st.sampled_from([b"", b"a", b"pri"]),
)
def test_the_lines_are_those_of_a_plain_search(
    tiny: Loaded, prompt: Ids, n: int, width: int, ends: set[int], stops: set[int], typed: bytes
) -> None:
    slot = new_slot(tiny)
    run = Run(tiny, slot, prompt, n, width, stops=stops, ends=ends, typed=typed)
    assert run.ids == plainly(tiny, prompt, n, width, stops, ends, typed)
    written = b"".join(map(tiny.tokenizer.token_bytes, run.ids))
    assert written.startswith(typed) or typed.startswith(written)
    assert run.finish == ("length" if len(run.ids) == n else "stop")
    told = [token.log_probability for token in run.tokens]
    assert told == pytest.approx(likely(tiny, prompt, run.ids, typed), abs=1e-4)
    holds_what_it_says(tiny, slot)


def likely(tiny: Loaded, prompt: Ids, ids: Ids, typed: bytes) -> list[float]:
    """Each id's log-probability behind those before it, among those that agree with what was typed."""
    network, beginning, told = tiny.network, Beginning.of(typed, tiny.tokenizer), []
    assert isinstance(network, DeepseekV2)
    for n, id_ in enumerate(ids):
        so_far = torch.tensor([*prompt, *ids[:n]])
        logits = network.forward(so_far, network.new_cache(len(so_far)), 0)[:SIZE]
        among = list(range(SIZE)) if beginning is None else beginning.among()
        told.append(float(logits[id_] - logits[among].logsumexp(0)))
        beginning = beginning and beginning.after(id_)
    return told


def holds_what_it_says(tiny: Loaded, slot: Slot) -> None:
    """What the slot keeps is what computing its tokens afresh gives."""
    if not (n := len(slot.tokens)):
        return
    fresh = tiny.network.new_cache(n)
    tiny.network.next_token(slot.tokens, fresh, 0, SIZE)
    torch.testing.assert_close(slot.latents[:, :n], fresh, rtol=1e-4, atol=1e-4)


def test_one_branch_is_greedy(tiny: Loaded) -> None:
    run = Run(tiny, new_slot(tiny), texts(50), 20, width=1)
    assert run.ids == greedy(tiny.network, texts(50), 20)
    assert run.n_undecided == 0


@pytest.mark.parametrize("n_asked", range(1, 12))
def test_cancelling_leaves_the_cache_good(tiny: Loaded, n_asked: int) -> None:
    slot, asked = new_slot(tiny), count(1)
    run = Run(tiny, slot, texts(40), 20, 4, cancelled=lambda: next(asked) >= n_asked)
    assert run.finish == "cancelled"
    holds_what_it_says(tiny, slot)
    again = Run(tiny, slot, texts(40), 20, 4)
    assert again.ids == Run(tiny, new_slot(tiny), texts(40), 20, 4).ids
    assert again.ids[: len(run.ids)] == run.ids


@pytest.mark.parametrize("left", range(1, 12))
def test_the_context_ends_a_search(tiny: Loaded, left: int) -> None:
    """With little room fewer branches are followed, and never more ids written than fit."""
    run = Run(tiny, new_slot(tiny), texts(tiny.network.context - left), 64, 4)
    assert run.finish == "length"
    assert len(run.ids) == left + 1  # the last is not computed


def test_a_request_asks_for_it(tiny: Loaded) -> None:
    """At most as many branches as the network offers; without a word about it decoding is greedy."""
    request = Request(texts(40), max_tokens=24)
    greedily, _ = complete(tiny, request)
    searched, n_tokens = complete(tiny, replace(request, beam_width=16))
    assert isinstance(tiny.network, Branching)
    stops, ends = tiny.tokenizer.control_ids, tiny.tokenizer.line_ends
    width, size = tiny.network.beam_width, tiny.tokenizer.size
    run = Run(tiny, new_slot(tiny), texts(40), 24, width, stops, ends, size=size)
    written = b"".join(map(tiny.tokenizer.token_bytes, run.ids))
    assert (searched, n_tokens) == (written.decode(errors="replace"), len(run.ids))
    assert searched != greedily


CODE = """\
class Account:
    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance
        self.history = []

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError("The amount must be positive.")
        self.balance += amount
        self.history.append(("deposit", amount))

    def withdraw(self, amount):
        if amount > self.balance:
            raise ValueError("There is not so much in this account.")
        self.balance -= amount
        self.history.append(("withdraw", amount))


def total(accounts):
    return sum(account.balance for account in accounts)
"""


def test_lines_are_likelier_than_the_greedy_ones(embedded_folder: Path) -> None:
    """On the embedded model, at the start of some words of code: mostly the same line, else a likelier one.

    Not always: a branch that is given up because it has fallen behind might have ended better.
    """
    tokenizer, network = Tokenizer(embedded_folder), ours(embedded_folder)
    gains = []
    for at in [found.start() for found in re.finditer(r"(?<=[ .(])\w+", CODE)][5::4]:
        parts = Parts(CODE[:at], CODE[CODE.index("\n", at) :])
        prompt = fim_prompt(tokenizer, parts, Budgets(300, 300)).ids
        by_width = []
        for width in (1, network.beam_width):
            slot = Slot(network.new_cache, network.context)
            stops, ends = tokenizer.control_ids, tokenizer.line_ends
            task = Task(prompt, 30, tokenizer.size, stops, ends, beam_width=width)
            steps = search(network, slot, task)
            by_width.append(
                line_score(network, tokenizer, prompt, [token.id for token in steps if token is not None])
            )
        gains.append(by_width[1] - by_width[0])
    assert max(gains) > 0.1
    assert sum(gain < -1e-3 for gain in gains) < sum(gain > 1e-3 for gain in gains)


def line_score(network: DeepseekV2, tokenizer: Tokenizer, prompt: Ids, ids: Ids) -> float:
    """The log-probability of the first line, with the id that ends it."""
    cache, n = network.new_cache(len(prompt) + len(ids)), len(prompt) - 1
    logits = network.forward(torch.tensor([*prompt, *ids]), cache, 0, every_logit=True)[n:]
    scores, total = logits[:, : tokenizer.size].log_softmax(-1), 0.0
    for id_, score in zip(ids, scores, strict=False):
        total += float(score[id_])
        if id_ in tokenizer.line_ends:
            return total
    return total + float(scores[len(ids), list(tokenizer.control_ids)].max())
