"""Reuse, cancelling and stopping change no token."""

import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midfill_model.generation.cache import Slot, Slots
from midfill_model.generation.completion import Loaded
from midfill_model.generation.generate import generate
from midfill_model.generation.requests.prompt import Budgets, Parts, fim_prompt
from midfill_model.generation.task import Task
from midfill_model.generation.tokens import Tokenizer
from midfill_model.lab.reference import ours

from ..network.test_deepseek import greedy

Ids = list[int]


def new_slot(tiny: Loaded) -> Slot:
    return Slot(tiny.network.new_cache, tiny.network.context)


def run(
    tiny: Loaded,
    slot: Slot,
    prompt: Ids,
    n: int,
    stops: tuple[int, ...] = (),
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[list[int | None], str]:
    steps: list[int | None] = []
    ids = generate(tiny.network, slot, Task(prompt, n, 384, stops, cancelled=cancelled))
    try:
        while True:
            token = next(ids)
            steps.append(None if token is None else token.id)
    except StopIteration as end:
        return steps, end.value


def texts(n: int) -> Ids:
    return [i * 37 % 256 for i in range(n)]


def test_tokens_are_the_greedy_ones(tiny: Loaded) -> None:
    steps, finish = run(tiny, new_slot(tiny), texts(50), 20)
    assert steps == greedy(tiny.network, texts(50), 20)
    assert finish == "length"


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 9), st.integers(1, 150)), min_size=2, max_size=4)
)
def test_reuse_changes_no_token(tiny: Loaded, edits: list[tuple[int, int, int]]) -> None:
    """A document edited at some place again and again: warm answers equal cold ones."""
    slot, prompt = new_slot(tiny), texts(130)
    for place, typed, kept_behind in edits:
        prompt = prompt[:place] + [typed] * (typed % 3) + prompt[place : place + kept_behind] or [1]
        assert run(tiny, slot, prompt, 6)[0] == greedy(tiny.network, prompt, 6)
        assert slot.tokens[: len(prompt)] == prompt


def test_each_token_tells_its_log_probability(tiny: Loaded) -> None:
    """Guessed ones, too, as computed of the whole text at once."""
    prompt = [1, 2, 3, 4] * 10
    tokens = [token for token in generate(tiny.network, new_slot(tiny), Task(prompt, 20, 384)) if token]
    ids = torch.tensor([*prompt, *[token.id for token in tokens]])
    logits = tiny.network.forward(ids, tiny.network.new_cache(len(ids)), 0, every_logit=True)  # type: ignore[attr-defined]
    wanted = logits[len(prompt) - 1 : -1, :384].log_softmax(-1).max(-1).values
    assert [token.log_probability for token in tokens] == pytest.approx(wanted.tolist(), abs=1e-4)


def test_only_what_follows_an_edit_is_computed(tiny: Loaded) -> None:
    slot = new_slot(tiny)
    run(tiny, slot, texts(100), 5)
    assert slot.keep([*texts(60), 7]) == 60
    run(tiny, slot, texts(100), 1)
    assert slot.keep(texts(100)) == 99  # the last token's logits are wanted


@pytest.mark.parametrize("n_asked", [1, 2, 4, 5, 8, 12])
def test_a_long_prompt_is_given_up_within_a_chunk(tiny: Loaded, n_asked: int) -> None:
    """Before a chunk or one of its layers: nothing more is computed, and what the slot holds stays right."""
    chunk, n_asks_per_chunk = tiny.network.prefill_chunk, 1 + tiny.network.config.num_hidden_layers
    slot, prompt, asks = new_slot(tiny), texts(3 * chunk), count(1)
    steps, finish = run(tiny, slot, prompt, 5, cancelled=lambda: next(asks) == n_asked)
    n_done = (n_asked - 1) // n_asks_per_chunk
    assert (steps, finish) == ([None] * n_done, "cancelled")
    assert next(asks) == n_asked + 1
    assert slot.tokens == prompt[: n_done * chunk]
    assert run(tiny, slot, prompt, 5)[0][-5:] == greedy(tiny.network, prompt, 5)


def test_cancelling_takes_one_step_and_leaves_the_cache_good(tiny: Loaded) -> None:
    slot, wanted = new_slot(tiny), greedy(tiny.network, texts(40), 12)
    steps: Ids = []
    ids = generate(tiny.network, slot, Task(texts(40), 12, 384, cancelled=lambda: len(steps) == 4))
    with pytest.raises(StopIteration, match="cancelled"):
        while True:
            token = next(ids)
            assert token is not None
            steps.append(token.id)
    assert steps == wanted[:4]
    assert slot.tokens == texts(40) + wanted[:3]
    assert run(tiny, slot, texts(40), 12)[0] == wanted


class Counted:
    """The real network; counts its steps."""

    def __init__(self, network: Any, n_guesses: int) -> None:
        self._network, self.n_guesses, self.n_steps = network, n_guesses, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def next_token(self, *arguments: Any) -> Any:
        self.n_steps += 1
        return self._network.next_token(*arguments)

    def next_tokens(self, *arguments: Any) -> Any:
        self.n_steps += 1
        return self._network.next_tokens(*arguments)


@settings(deadline=None, max_examples=20)
@given(
    prompt=st.lists(st.integers(0, 5), min_size=4, max_size=60),
    n=st.integers(1, 30),
    n_guesses=st.integers(1, 6),
    stops=st.sets(st.integers(0, 255), max_size=3),
)
def test_guesses_change_no_token(tiny: Loaded, prompt: Ids, n: int, n_guesses: int, stops: set[int]) -> None:
    """Whatever is guessed, ids, end and what the slot holds are those of one id at a time."""
    ends, likely = [], []
    for guesses in (0, n_guesses):
        slot, network = new_slot(tiny), Counted(tiny.network, guesses)
        ids = generate(network, slot, Task(prompt, n, 384, stops))
        written: list[int | None] = []
        told: list[float] = []
        try:
            while True:
                token = next(ids)
                written.append(None if token is None else token.id)
                told += [] if token is None else [token.log_probability]
        except StopIteration as end:
            ends.append((written, end.value, slot.tokens))
        likely.append(told)
        again = run(tiny, slot, [*prompt, *[id_ for id_ in written if id_ is not None], 7], 5)
        assert again == run(
            tiny, new_slot(tiny), [*prompt, *[id_ for id_ in written if id_ is not None], 7], 5
        )
    assert ends[0] == ends[1]
    assert likely[0] == pytest.approx(likely[1], abs=1e-4)


def test_a_cancel_ends_a_step_of_guesses_too(tiny: Loaded) -> None:
    """The engine gives a cancelled request one step: whatever had been guessed right is not written then."""
    prompt, n_guessed = [1, 2, 3, 4] * 10, 0
    for n in range(1, 24):
        network, cancelled = Counted(tiny.network, 6), threading.Event()
        task = Task(prompt, 64, 384, cancelled=cancelled.is_set)
        ids = generate(network, new_slot(tiny), task)
        for _ in range(n):
            n_steps = network.n_steps
            next(ids)
        n_guessed += network.n_steps == n_steps
        cancelled.set()
        with pytest.raises(StopIteration) as end:
            next(ids)
        assert end.value.value == "cancelled"
    assert n_guessed, "no id came of a guess: nothing was tested"


REPETITIVE = (
    "def to_json(it):\n    return {\n        'owner': it.owner,\n        'balance': it.balance,\n",
    "def add_item(self, item):\n    self.items.append(item)\n    self.changed.emit(self.items)\n\n\n"
    "def remove_item(self, item):\n    self.items.remove(item)\n    self.changed.emit(self.items)\n\n\n"
    "def insert_item(self, item):\n",
    "def test_addition():\n    result = calculate(2, 3, how='add')\n    assert result == 5\n\n\n"
    "def test_subtraction():\n    result = calculate(5, 3, how='subtract')\n    assert result == 2\n\n\n"
    "def test_multiplication():\n",
)


def test_guesses_save_steps_on_code(embedded_folder: Path) -> None:
    """The embedded model's own network: the same text, in far fewer steps, where names come again."""
    tokenizer = Tokenizer(embedded_folder)
    network = ours(embedded_folder)
    steps = [0, 0]
    for prefix in REPETITIVE:
        prompt, written = fim_prompt(tokenizer, Parts(prefix, "\n"), Budgets(300, 9)).ids, []
        for n, guesses in enumerate((0, network.n_guesses)):
            counted, slot = Counted(network, guesses), Slot(network.new_cache, network.context)
            task = Task(prompt, 48, tokenizer.size, tokenizer.control_ids)
            ids = generate(counted, slot, task)
            written.append([None if token is None else token.id for token in ids])
            steps[n] += counted.n_steps
        assert written[0] == written[1]
    assert steps[1] < 0.8 * steps[0]


def test_stops_are_not_shown(tiny: Loaded) -> None:
    wanted = greedy(tiny.network, texts(40), 8)
    steps, finish = run(tiny, new_slot(tiny), texts(40), 8, stops=(wanted[3],))
    assert (steps, finish) == (wanted[: wanted.index(wanted[3])], "stop")


def test_the_context_ends_a_completion(tiny: Loaded) -> None:
    n_context = tiny.network.context
    steps, finish = run(tiny, new_slot(tiny), texts(n_context - 3), 64)
    assert finish == "length"
    assert len([id_ for id_ in steps if id_ is not None]) == 4


def test_a_document_keeps_its_slot(tiny: Loaded) -> None:
    slots = Slots(tiny.network.new_cache, tiny.network.context, n_slots=2, budget=10_000)
    a, b = slots.lend("a", [1]), slots.lend("b", [1])
    slots.give_back(a)
    slots.give_back(b)
    assert slots.lend("b", [2]) is b
    slots.give_back(b)
    assert slots.lend("c", [3]) is a  # the least recently used
    slots.give_back(a)
    a.tokens, b.tokens = [7], texts(64)
    assert slots.lend("d", texts(64)) is b  # the one with most to reuse
    slots.give_back(b)
    assert slots.lend("e", texts(10)) is a  # a few equal tokens are not worth it


def test_an_empty_slot_is_taken_before_another_documents(tiny: Loaded) -> None:
    """Even by a document that begins like the other; by a request of no document, too."""
    slots = Slots(tiny.network.new_cache, tiny.network.context, n_slots=3, budget=10_000)
    run_in_a_slot(slots, tiny, "a")
    for key in ("b", ""):
        slot = slots.lend(key, [ord("a"), *texts(90)])
        assert slot.tokens == []
        slot.tokens = [7]
        slots.give_back(slot)
    assert slots.lend("a", [1]).tokens[:1] == [ord("a")]
    assert slots.lend("c", [1]).key == "c"  # that of no document, before another's
    assert slots.lend("d", [1]).tokens == [7]  # of "b": there is no other


def test_the_oldest_documents_give_their_memory_to_newer_ones(tiny: Loaded) -> None:
    slots = Slots(tiny.network.new_cache, tiny.network.context, n_slots=4, budget=1200)
    first = {name: run_in_a_slot(slots, tiny, name) for name in ("a", "b")}
    assert slots.capacity == 1024  # two of 512
    first["c"] = run_in_a_slot(slots, tiny, "c")
    assert slots.capacity == 1024
    assert run_in_a_slot(slots, tiny, "b") == first["b"]  # it kept its slot, or was computed again: the same
    assert run_in_a_slot(slots, tiny, "a") == first["a"] == greedy(tiny.network, [ord("a"), *texts(90)], 5)


def run_in_a_slot(slots: Slots, tiny: Loaded, key: str) -> list[int | None]:
    prompt = [ord(key), *texts(90)]
    slot = slots.lend(key, prompt)
    steps, _ = run(tiny, slot, prompt, 5)
    slots.give_back(slot)
    return steps


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 1024)), max_size=12), st.integers(0, 3000)
)
def test_slots_stay_within_their_budget(tiny: Loaded, uses: list[tuple[str, int]], budget: int) -> None:
    slots = Slots(tiny.network.new_cache, tiny.network.context, n_slots=3, budget=budget)
    for key, length in uses:
        slot = slots.lend(key, [1])
        slot.keep([1])
        slot.reserve(length)
        slot.tokens = texts(length)
        assert slots.capacity <= max(
            budget, slot.capacity
        )  # the one that is used may always have what it needs
        assert slot.capacity >= length
        slots.give_back(slot)
