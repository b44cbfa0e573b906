"""OpenAI's completion format: a request's body in, chunks out. Bodies are checked here, field by field.

Beside OpenAI's fields: `slot`, `prefix_tokens` and `suffix_tokens`, as in `Request`; `heal` (true or false):
the prompt ends in a word that is still being typed. It is written anew, in the model's own tokens, and what
comes is the rest of it; a prompt of ids is left as it is. With a `beam_width` above 1 the first line is the
best of several, where the network can follow them for little (on a CPU); else decoding is greedy.
With an `n` above 1 several different texts come, as choices from 0 on: the likeliest ways to begin, each
continued greedily, whatever `beam_width` says. Those that cannot begin in yet another way are empty.
With `logprobs`, whatever the number, each choice tells its tokens and their log-probabilities (what those
mean: task.Steps), and no others'.
"""

import json
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

from midfill_model import fim
from midfill_model.generation.requests.ticket import Delta, Done, Request, Timings
from midfill_model.generation.requests.writer import Shown

MAX_TOKENS, MAX_BEAMS, MAX_CHOICES, MAX_LOGPROBS = 4096, 16, 8, 20


class BadBody(Exception):
    """A body that cannot be read, in one sentence."""


@dataclass(frozen=True, slots=True)
class Order:
    """A request and how its answer is wanted."""

    request: Request
    stream: bool
    log_probabilities: bool = False  # each token's, in OpenAI's `logprobs`


def read_order(body: bytes, rendered: bool = False) -> Order:
    """The body of POST /v1/completions.

    Beyond OpenAI's fields: `slot`, `prefix_tokens`, `suffix_tokens`, `beam_width`, `background`; see Request.
    `rendered`: the prompt holds DeepSeek's signs, as a client that knows no `suffix` writes it.
    """
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError):
        raise BadBody("The body is not valid JSON.") from None
    if not isinstance(raw, dict):
        raise BadBody("The body must be a JSON object.")
    if raw.get("temperature") not in (None, 0):
        raise BadBody("Only temperature 0 is supported: the likeliest text is given.")
    prompt, suffix = _prompt(raw.get("prompt")), _text(raw, "suffix")
    if rendered:
        if suffix is not None or not isinstance(prompt, str) or (parts := fim.unrendered(prompt)) is None:
            raise BadBody(
                "The prompt must be one text with DeepSeek's signs, each just once, and no suffix beside it."
            )
        prompt, suffix = parts
    if suffix is not None and not isinstance(prompt, str):
        raise BadBody("A suffix goes with a prompt of text, not of ids.")
    max_tokens = _whole(raw, "max_tokens", MAX_TOKENS)
    beam_width = _whole(raw, "beam_width", MAX_BEAMS, lowest=1)
    n = _whole(raw, "n", MAX_CHOICES, lowest=1)
    request = Request(
        prompt=prompt,
        suffix=suffix,
        max_tokens=64 if max_tokens is None else max_tokens,
        stop=_stop(raw.get("stop")),
        slot=_text(raw, "slot") or "",
        prefix_tokens=_whole(raw, "prefix_tokens"),
        suffix_tokens=_whole(raw, "suffix_tokens"),
        heal=_flag(raw, "heal", usually=rendered),
        beam_width=1 if beam_width is None else beam_width,
        n=1 if n is None else n,
        background=_flag(raw, "background"),
        context_tokens=_whole(raw, "context_tokens"),
        context=_texts(raw, "context"),
        head=_text(raw, "head") or "",
    )
    log_probabilities = _whole(raw, "logprobs", MAX_LOGPROBS) is not None
    return Order(request, _flag(raw, "stream"), log_probabilities)


class Answer:
    """Writes the chunks of one completion."""

    def __init__(self, model: str, log_probabilities: bool = False) -> None:
        self._log_probabilities = log_probabilities
        self._n_characters = Counter[int]()  # of each choice, that were written
        self._head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }

    def chunk(self, delta: Delta) -> dict[str, Any]:
        timings = {} if delta.timings is None else {"timings": asdict(delta.timings)}
        return self._head | {"choices": [self._choice(delta.choice, [delta], None)]} | timings

    def last(self, done: Done, deltas: Sequence[Delta] = ()) -> dict[str, Any]:
        """The closing chunk, or with all that was written the whole answer."""
        t = done.timings
        choices = [
            self._choice(index, [delta for delta in deltas if delta.choice == index], finish)
            for index, finish in enumerate((done.finish, *done.others))
        ]
        return self._head | {"choices": choices, "timings": asdict(t), "usage": _usage(t)}

    def _choice(self, index: int, deltas: Sequence[Delta], finish: str | None) -> dict[str, Any]:
        text = "".join(delta.text for delta in deltas)
        tokens = [token for delta in deltas for token in delta.tokens]
        told = self._told(index, tokens) if self._log_probabilities else None
        return {"index": index, "text": text, "logprobs": told, "finish_reason": finish}

    def _told(self, index: int, tokens: Sequence[Shown]) -> dict[str, Any]:
        """OpenAI's arrays, an item for each token; offsets are characters of the choice's whole text."""
        lengths = [len(token.text) for token in tokens]
        *offsets, self._n_characters[index] = accumulate(lengths, initial=self._n_characters[index])
        return {
            "tokens": [token.text for token in tokens],
            "token_logprobs": [round(token.log_probability, 5) for token in tokens],
            "top_logprobs": None,
            "text_offset": offsets,
        }


def error_body(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    """OpenAI's error object."""
    return {"error": {"message": message, "type": kind, "code": code}}


def sse(value: dict[str, Any]) -> str:
    """One server-sent event, in ASCII: some clients take U+2028, U+2029 and U+0085 for the end of a line."""
    return f"data: {json.dumps(value)}\n\n"


SSE_END = "data: [DONE]\n\n"


def _usage(t: Timings) -> dict[str, Any]:
    return {
        "prompt_tokens": t.prompt_tokens,
        "completion_tokens": t.completion_tokens,
        "total_tokens": t.prompt_tokens + t.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": t.reused_tokens},
    }


def _prompt(value: object) -> str | list[int]:
    if isinstance(value, str):
        return _whole_text(value, "prompt")
    if isinstance(value, list) and all(type(item) is int for item in value):
        return value
    raise BadBody("prompt must be a string or a list of token ids.")


def _stop(value: object) -> tuple[str, ...]:
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise BadBody("stop must be a string that is not empty, or a list of such strings.")
    return tuple(_whole_text(stop, "stop") for stop in stops)


def _text(raw: dict[str, Any], key: str) -> str | None:
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        return _whole_text(value, key)
    raise BadBody(f"{key} must be a string.")


def _texts(raw: dict[str, Any], key: str) -> tuple[str, ...]:
    value = raw.get(key)
    texts = [] if value is None else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadBody(f"{key} must be a list of strings.")
    return tuple(_whole_text(text, key) for text in texts)


def _whole_text(text: str, key: str) -> str:
    """JSON can spell half of a surrogate pair, which no tokenizer can read."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadBody(f"{key} holds half of a surrogate pair; send whole characters.") from None
    return text


def _whole(raw: dict[str, Any], key: str, highest: int = 1 << 20, lowest: int = 0) -> int | None:
    value = raw.get(key)
    if value is None:
        return None
    if type(value) is not int or not lowest <= value <= highest:
        raise BadBody(f"{key} must be a whole number from {lowest} to {highest}.")
    return value


def _flag(raw: dict[str, Any], key: str, usually: bool = False) -> bool:
    value = raw.get(key, usually)
    if not isinstance(value, bool):
        raise BadBody(f"{key} must be true or false.")
    return value
