"""OpenAI's `logprobs`: the tokens of each chunk, how likely each was, and where its text begins."""

import json
from itertools import accumulate
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from midfill_model.generation.cache import Slots
from midfill_model.generation.completion import Completion, Loaded
from midfill_model.generation.requests.ticket import Delta, Done, Event, Ticket
from midfill_model.network.deepseek import DeepseekV2
from midfill_model.process.wire import Answer, BadBody, read_order


def chunks(loaded: Loaded, **body: Any) -> list[dict[str, Any]]:
    """The choices of a streamed answer, as `routes` writes them."""
    order = read_order(json.dumps(body).encode())
    events: list[Event] = []
    network = loaded.network
    slots = Slots(network.new_cache, network.context, n_slots=1, budget=4096)
    completion = Completion(Ticket(order.request, events.append), loaded, slots)
    done: Done | None = None
    while done is None:
        done = completion.step()
    completion.close()
    answer = Answer("tiny", order.log_probabilities)
    told = [answer.chunk(event) for event in events if isinstance(event, Delta)]
    return [chunk["choices"][0] for chunk in [*told, answer.last(done)]]


@settings(deadline=None, max_examples=25)
@given(
    prompt=st.text("ab(é\n ", max_size=12),
    stop=st.lists(st.text("abé\n�", min_size=1, max_size=2), max_size=2),
    heal=st.booleans(),
    beam_width=st.sampled_from([1, 4]),
)
def test_tokens_cover_the_text(
    tiny: Loaded, prompt: str, stop: list[str], heal: bool, beam_width: int
) -> None:
    asked = {"prompt": prompt, "suffix": "\n", "max_tokens": 24, "stop": stop, "heal": heal}
    plain = chunks(tiny, **asked, beam_width=beam_width)
    told = chunks(tiny, **asked, beam_width=beam_width, logprobs=1)
    assert [choice["text"] for choice in told] == [choice["text"] for choice in plain]
    assert {choice["logprobs"] for choice in plain} == {None}
    texts: list[str] = []
    offsets: list[int] = []
    for choice in told:
        log = choice["logprobs"]
        assert "".join(log["tokens"]) == choice["text"]
        assert len(log["tokens"]) == len(log["token_logprobs"]) == len(log["text_offset"])
        assert all(value <= 0 for value in log["token_logprobs"])
        assert log["top_logprobs"] is None
        texts += log["tokens"]
        offsets += log["text_offset"]
    assert offsets == list(accumulate(map(len, texts), initial=0))[:-1]


@pytest.mark.parametrize("beam_width", [1, 4])
def test_they_are_the_networks_given_what_was_typed(tiny: Loaded, beam_width: int) -> None:
    """Behind the typed word each token's is the network's own; those of the word itself are not told."""
    n_checked = 0
    for number in range(16):
        prompt = f"x = {number}\nprint"
        asked = {"prompt": prompt, "max_tokens": len("print") + 2, "heal": True, "logprobs": 0}
        told = chunks(tiny, **asked, beam_width=beam_width)
        text = "".join(choice["text"] for choice in told)
        if "\ufffd" in text:
            continue  # the random network mostly writes no UTF-8
        values = [value for choice in told for value in choice["logprobs"]["token_logprobs"]]
        assert sum(values) == pytest.approx(log_probability(tiny, prompt, text), abs=1e-3)
        n_checked += len(values)
    assert n_checked > 0


def log_probability(tiny: Loaded, prompt: str, text: str) -> float:
    """Of `text` behind `prompt`, computed at once; the tiny vocabulary has one way to write it."""
    tokenizer, network = tiny.tokenizer, tiny.network
    assert isinstance(network, DeepseekV2)
    ids, n_prompt = [tokenizer.bos, *tokenizer.encode(prompt + text)], 1 + len(tokenizer.encode(prompt))
    logits = network.forward(torch.tensor(ids), network.new_cache(len(ids)), 0, every_logit=True)
    scores = logits[:, : tokenizer.size].log_softmax(-1)
    return sum(float(scores[at - 1, ids[at]]) for at in range(n_prompt, len(ids)))


def test_the_number_is_checked() -> None:
    assert read_order(b'{"prompt": "x", "logprobs": null}').log_probabilities is False
    assert read_order(b'{"prompt": "x", "logprobs": 0}').log_probabilities is True
    for wrong in (b"-1", b"true", b'"1"', b"1.5"):
        with pytest.raises(BadBody, match="logprobs must be a whole number"):
            read_order(b'{"prompt": "x", "logprobs": ' + wrong + b"}")
