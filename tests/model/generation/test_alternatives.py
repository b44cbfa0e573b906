"""Several texts for one prompt: each is what a greedy completion from its own first token would be."""

from collections.abc import Callable, Container
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midfill_model.generation.alternatives import alternatives
from midfill_model.generation.cache import Slot, Slots
from midfill_model.generation.completion import Completion, Loaded
from midfill_model.generation.heal import Beginning
from midfill_model.generation.requests.prompt import Budgets, Parts, fim_prompt
from midfill_model.generation.requests.ticket import Delta, Event, Finish, Request, Ticket
from midfill_model.generation.task import Task
from midfill_model.generation.tokens import Tokenizer
from midfill_model.lab.reference import ours
from midfill_model.network.deepseek import DeepseekV2
from midfill_model.network.protocol import Branching, Network

from ..network.test_deepseek import greedy
from .test_generate import new_slot, texts
from .test_search import holds_what_it_says, likely

Ids = list[int]
SIZE = 384


class Plain:
    """The same network as one on a GPU has it: a step of several ids costs as much as several steps."""

    beam_width = log_probabilities = None  # not there

    def __init__(self, network: Network) -> None:
        self._network = network
        self.n_steps = 0

    def __getattribute__(self, name: str) -> Any:
        if name in ("beam_width", "log_probabilities"):
            raise AttributeError(name)
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        if name in ("beam_width", "log_probabilities"):
            raise AttributeError(name)
        return getattr(self._network, name)

    def next_token(self, *arguments: Any) -> Any:
        self.n_steps += 1
        return self._network.next_token(*arguments)


class Run:
    """Alternatives to their end: of each text the ids, their log-probabilities, and why it ended."""

    def __init__(
        self,
        network: Network,
        slot: Slot,
        task: Task,
        n: int,
        is_over: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self.ids: dict[int, Ids] = {}
        self.told: dict[int, list[float]] = {}
        self.finishes: dict[int, Finish] = {}
        steps = alternatives(network, slot, task, n, is_over)
        try:
            while True:
                if (news := next(steps)) is not None:
                    number, it = news
                    assert number not in self.finishes
                    self.ids.setdefault(number, [])
                    if isinstance(it, str):
                        self.finishes[number] = it
                    else:
                        self.ids[number].append(it.id)
                        self.told.setdefault(number, []).append(it.log_probability)
        except StopIteration as end:
            self.finish: Finish = end.value


@pytest.fixture(params=["side by side", "in turn"])
def network(request: pytest.FixtureRequest, tiny: Loaded) -> Any:
    return tiny.network if request.param == "side by side" else Plain(tiny.network)


def best_first(tiny: Loaded, prompt: Ids, n: int, stops: Container[int] = (), size: int = SIZE) -> Ids:
    cache = tiny.network.new_cache(len(prompt))
    tiny.network.next_token(prompt, cache, 0, size)
    best: Ids = tiny.network.scores(size).argsort(descending=True).tolist()
    return [id_ for id_ in best if id_ == best[0] or id_ not in stops][:n]


def until_stop(ids: Ids, stops: Container[int]) -> tuple[Ids, bool]:
    end = next((at for at, id_ in enumerate(ids) if id_ in stops), None)
    return ids[:end], end is not None


def test_the_plain_network_is_no_branching_one(tiny: Loaded) -> None:
    assert isinstance(tiny.network, Branching)
    assert not isinstance(Plain(tiny.network), Branching)


@pytest.mark.parametrize("kind", ["side by side", "in turn"])
@settings(deadline=None, max_examples=15)
@given(
    prompt=st.lists(st.integers(0, 200), min_size=1, max_size=40),
    n=st.integers(2, 5),
    max_tokens=st.integers(1, 9),
    stops=st.sets(st.integers(0, 383), max_size=60),
)
def test_each_is_greedy_from_its_own_first_token(
    tiny: Loaded, kind: str, prompt: Ids, n: int, max_tokens: int, stops: set[int]
) -> None:
    network = tiny.network if kind == "side by side" else Plain(tiny.network)
    slot = new_slot(tiny)
    run = Run(network, slot, Task(prompt, max_tokens, SIZE, stops), n)
    firsts = best_first(tiny, prompt, n, stops)
    assert list(run.ids) == list(range(len(firsts)))
    for number, first in enumerate(firsts):
        ids = [first, *greedy(tiny.network, [*prompt, first], max_tokens - 1)]
        wanted, is_stopped = until_stop(ids, stops)
        assert run.ids[number] == wanted
        assert run.finishes.get(number, "length") == ("stop" if is_stopped else "length")
        assert run.told.get(number, []) == pytest.approx(likely(tiny, prompt, wanted, b""), abs=1e-4)
    assert run.finish == "length"
    assert slot.tokens == prompt
    holds_what_it_says(tiny, slot)


@pytest.mark.parametrize("typed", [b"a", b"pri", b"print"])
def test_what_was_typed_begins_each_and_what_follows_it_differs(
    tiny: Loaded, network: Network, typed: bytes
) -> None:
    """In a vocabulary of single bytes there is one way to write what was typed, and then there are many."""
    stops, size = tiny.tokenizer.control_ids, tiny.tokenizer.size  # without those that have no text
    task = Task(texts(30), 9, size, stops, beginning=Beginning.of(typed, tiny.tokenizer))
    run = Run(network, new_slot(tiny), task, 4)
    written = [b"".join(map(tiny.tokenizer.token_bytes, ids)) for ids in run.ids.values()]
    assert len(written) == 4 and all(text.startswith(typed) for text in written)
    word = run.ids[0][: len(typed)]
    assert [ids[len(typed)] for ids in run.ids.values()] == best_first(tiny, texts(30) + word, 4, stops, size)
    for number, ids in run.ids.items():
        assert number in run.finishes or len(ids) == 9
        for n in range(len(typed) + 1, len(ids)):
            assert [ids[n]] == best_first(tiny, texts(30) + ids[:n], 1, size=size)


@pytest.mark.parametrize("ends", [{0}, {1, 2}, {0, 1, 3}])
def test_only_the_likeliest_may_be_empty(tiny: Loaded, network: Network, ends: set[int]) -> None:
    """Where the text would best end at once, it does; no other one does."""
    size, prompt, typed = tiny.tokenizer.size, texts(30), b"a"
    begun = prompt + tiny.tokenizer.encode("a")
    best = best_first(tiny, begun, 9, tiny.tokenizer.control_ids, size)
    stops = {*tiny.tokenizer.control_ids, *(best[n] for n in ends)}
    task = Task(prompt, 5, size, stops, beginning=Beginning.of(typed, tiny.tokenizer))
    run = Run(network, new_slot(tiny), task, 4)
    wanted = [id_ for n, id_ in enumerate(best) if n == 0 or n not in ends][:4]
    said = [[] if id_ in stops else [id_] for id_ in wanted]
    assert [ids[1:2] for ids in run.ids.values()] == said


def test_two_ways_to_cut_a_word_are_one_way_to_begin(embedded_folder: Path) -> None:
    tokenizer, network = Tokenizer(embedded_folder), ours(embedded_folder)
    parts = Parts("import requests\n\n\ndef fetch(url):\n    response =", "\n    return response.text\n")
    prompt = fim_prompt(tokenizer, parts, Budgets(300, 300)).ids
    beginning = Beginning.of(b" requ", tokenizer)
    task = Task(prompt, 12, tokenizer.size, tokenizer.control_ids, beginning=beginning)
    run = Run(network, Slot(network.new_cache, network.context), task, 4)
    written = [b"".join(map(tokenizer.token_bytes, ids)) for ids in run.ids.values()]
    assert all(text.startswith(b" requ") for text in written)
    assert len(set(written)) == len(written) > 1


@pytest.mark.parametrize("n_asked", [*range(1, 9), 12])
def test_cancelling_stops_the_next_step_and_leaves_the_cache_good(
    tiny: Loaded, network: Network, n_asked: int
) -> None:
    slot, asked = new_slot(tiny), count(1)
    task = Task(texts(40), 12, SIZE, cancelled=lambda: next(asked) >= n_asked)
    run = Run(network, slot, task, 3)
    assert run.finish == "cancelled" and run.finishes == {}
    assert next(asked) == n_asked + 1, "it asks no more once it was told"
    assert slot.tokens in ([], texts(40))
    holds_what_it_says(tiny, slot)
    whole = Run(network, slot, Task(texts(40), 12, SIZE), 3)
    assert all(whole.ids[number][: len(ids)] == ids for number, ids in run.ids.items())


def test_nothing_more_is_written_of_one_that_is_over(tiny: Loaded) -> None:
    network = Plain(tiny.network)
    task = Task(texts(20), 8, SIZE)
    whole = Run(network, new_slot(tiny), task, 3)
    n_whole, network.n_steps = network.n_steps, 0
    run = Run(network, new_slot(tiny), task, 3, is_over=lambda number: number == 1)
    assert run.ids == {0: whole.ids[0], 1: whole.ids[1][:1], 2: whole.ids[2]}
    assert (n_whole, network.n_steps) == (1 + 3 * 7, 1 + 2 * 7)


@pytest.mark.parametrize("left", range(8))
def test_with_little_room_they_are_shorter(tiny: Loaded, network: Network, left: int) -> None:
    prompt = texts(tiny.network.context - left)
    run = Run(network, new_slot(tiny), Task(prompt, 64, SIZE), 3)
    assert {len(ids) for ids in run.ids.values()} == {left // 3 + 1}
    assert run.finish == "length"


def test_only_the_prompts_end_is_computed_again(tiny: Loaded, network: Network) -> None:
    slot = new_slot(tiny)
    Run(network, slot, Task(texts(60), 6, SIZE), 3)
    assert slot.keep(texts(60)) == 59


def completed(tiny: Loaded, request: Request) -> tuple[dict[int, str], list[Finish], int]:
    """Of each text what was told of it; why each ended; the tokens of all."""
    events: list[Event] = []
    slots = Slots(tiny.network.new_cache, tiny.network.context, n_slots=1, budget=4096)
    completion = Completion(Ticket(request, events.append), tiny, slots)
    done = None
    while done is None:
        done = completion.step()
    completion.close()
    written: dict[int, str] = {}
    for event in events:
        assert isinstance(event, Delta)
        written[event.choice] = written.get(event.choice, "") + event.text
    return written, [done.finish, *done.others], done.timings.completion_tokens


@pytest.mark.parametrize("heal", [False, True])
def test_a_request_asks_for_several(tiny: Loaded, heal: bool) -> None:
    request = Request("x = 1\nprint", "(x)\n", max_tokens=12, heal=heal, n=3)
    written, finishes, n_tokens = completed(tiny, request)
    assert finishes == ["length"] * 3 and n_tokens == 36
    assert len(set(written.values())) == 3
    assert not any(text.startswith("print") for text in written.values())


def test_a_stop_string_ends_one_alone(tiny: Loaded) -> None:
    request = Request(texts(40), max_tokens=12, n=3)
    whole, _, _ = completed(tiny, request)
    stop = next(character for character in whole[1][3:] if character not in whole[0] + whole[2])
    stopped, finishes, n_tokens = completed(tiny, Request(texts(40), max_tokens=12, n=3, stop=(stop,)))
    assert stopped == whole | {1: whole[1][: whole[1].index(stop)]}
    assert finishes == ["length", "stop", "length"] and n_tokens < 36


def test_scores_are_those_of_the_last_step(tiny: Loaded) -> None:
    network = tiny.network
    assert isinstance(network, DeepseekV2)
    token = network.next_token([1, 2, 3], network.new_cache(3), 0, SIZE)
    scores = network.scores(SIZE)
    assert scores.shape == (SIZE,) and float(scores.exp().sum()) == pytest.approx(1)
    assert token.id == int(scores.argmax())
    assert token.log_probability == pytest.approx(float(scores.max()))
    torch.testing.assert_close(scores, network.log_probabilities([1, 2, 3], network.new_cache(3), 0, SIZE)[0])
