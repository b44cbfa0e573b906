"""Token healing: ║ is the cursor, and what stands before it was typed, perhaps half a word."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midfill_model.generation.cache import Slots
from midfill_model.generation.completion import Completion, Loaded
from midfill_model.generation.heal import Beginning, typed_part
from midfill_model.generation.requests.ticket import Delta, Event, Request, Ticket
from midfill_model.generation.tokens import Tokenizer

from .test_tokens import write_v2


@pytest.fixture(scope="module", params=["v2", "embedded"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    if request.param == "v2":
        return Tokenizer(write_v2(tmp_path_factory.mktemp("v2")))
    return Tokenizer(request.getfixturevalue("embedded_folder"))


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("x = requ", " requ"),
        ("    ret", " ret"),
        ("x = ", " "),
        ("if a:\n    ", " "),
        ("if a:\n", ""),
        ("x = f(", "("),
        ("#" + "=" * 40, ""),
        ("", ""),
    ],
)
def test_what_is_written_anew(tokenizer: Tokenizer, text: str, typed: str) -> None:
    assert typed_part(text, tokenizer) == typed


def test_the_rest_of_the_prompt_keeps_its_tokens(tokenizer: Tokenizer) -> None:
    """So the next key of the same word finds the whole prompt in the cache."""
    line = "def f(a):\n    return a.split"
    heads = {
        tuple(tokenizer.encode(text.removesuffix(typed_part(text, tokenizer))))
        for text in (line[:n] for n in range(len(line) - 3, len(line) + 1))
    }
    assert len(heads) == 1


def test_half_a_character_is_healed_like_any_other(embedded_tokenizer: Tokenizer) -> None:
    """A lone surrogate, as editors send that count in UTF-16."""
    for text in ("\ud800", "a.b\ud800", "\ud800 na"):
        assert text.endswith(typed_part(text, embedded_tokenizer))


@given(st.text(min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_whatever_the_model_wants_the_typed_text_is_written_first(
    embedded_tokenizer: Tokenizer, typed: str, chance: Random
) -> None:
    wanted = typed.encode("utf-8", "replace")
    beginning = Beginning.of(wanted, embedded_tokenizer)
    written = b""
    while beginning is not None:  # then the model is free
        assert len(written) < len(wanted)
        chosen = chance.choice(beginning.among())
        written += embedded_tokenizer.token_bytes(chosen)
        beginning = beginning.after(chosen)
    assert written.startswith(wanted)


@pytest.fixture(scope="module")
def embedded_tokenizer(embedded_folder: Path) -> Tokenizer:
    return Tokenizer(embedded_folder)


def complete(loaded: Loaded, request: Request) -> tuple[str, int]:
    """The text, and how many tokens were written."""
    events: list[Event] = []
    network = loaded.network
    slots = Slots(network.new_cache, network.context, n_slots=1, budget=4096)
    completion = Completion(Ticket(request, events.append), loaded, slots)
    done = None
    while done is None:
        done = completion.step()
    completion.close()
    text = "".join(event.text for event in events if isinstance(event, Delta))
    return text, done.timings.completion_tokens


def test_the_typed_part_is_not_given_back(tiny: Loaded) -> None:
    """In a vocabulary of single bytes the typed part costs a token for each of its characters."""
    request = Request("x = 1\nprint", "(x)\n", max_tokens=5, heal=True)
    assert typed_part(str(request.prompt), tiny.tokenizer) == "print"
    assert complete(tiny, request) == ("", 5)
    text, n_tokens = complete(tiny, replace(request, max_tokens=12))
    assert 5 < n_tokens <= 12
    assert text
    assert not text.startswith("print")


def test_a_prompt_of_ids_is_left_as_it_is(tiny: Loaded) -> None:
    request = Request(list(b"def remove(na"), max_tokens=6)
    assert complete(tiny, replace(request, heal=True)) == complete(tiny, request)


def test_the_best_of_some_ids_is_the_best_of_all_when_it_is_among_them(tiny: Loaded) -> None:
    cache = tiny.network.new_cache(4)
    best = tiny.network.next_token([1, 2, 3], cache, 0, 256)
    again = tiny.network.best_of(range(256))
    assert again.id == best.id
    assert again.log_probability == pytest.approx(best.log_probability)
    some = tiny.network.best_of([best.id, 7, 9])
    assert some.id == best.id and best.log_probability < some.log_probability < 0
    assert tiny.network.best_of([7]).id == 7
