"""What most dialects share: OpenAI's fields and events, and one text of all that stands before the cursor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from midfill_model import fim, seam
from midfill_server.engines.backend import BackendError, Chunk, Ended, Order
from midfill_server.engines.http.refusals import engine_ends, error_in

TEMPERATURE = 0.8  # of several texts; servers that sample would write the same one again and again without
MOST_STOPS = 4  # OpenAI's own limit, which some servers keep
CHARACTERS_PER_TOKEN = 3.0  # of code, at least, where there is no tokenizer to ask
SPARE = 16  # tokens of a context that signs, and a server's own additions, take


COMMON = tuple(it for it in fim.FAMILIES if it.name in ("DeepSeek", "Qwen-Coder", "StarCoder"))


@dataclass(frozen=True, slots=True)
class OpenAI:
    """Fields and events of /v1/completions."""

    model: str | None = None
    version: str = "/v1"
    is_ours: bool = False
    in_lines: bool = False

    @property
    def path(self) -> str:
        return f"{self.version}/completions"

    def fields(self, order: Order, stops: tuple[str, ...] = ()) -> dict[str, Any]:
        """All but the prompt."""
        body: dict[str, Any] = {"max_tokens": order.max_tokens, "temperature": 0, "stream": True}
        if self.model is not None:
            body["model"] = self.model
        if order.n > 1:
            body |= {"n": order.n, "temperature": TEMPERATURE}
        if wanted := (*order.stop, *stops)[:MOST_STOPS]:
            body["stop"] = list(wanted)
        if order.logprobs:
            body["logprobs"] = 1
        return body

    def chunks(self, event: Any) -> list[Chunk]:
        return chunks_of(event)


def neutral(text: str, family: fim.Family | None) -> str:
    """The text with no sign in it, of that family, or of the common ones where it is not known."""
    for it in COMMON if family is None else (family,):
        text = it.neutral(text)
    return text


def before(order: Order) -> str:
    """All that stands before the cursor, for servers that do not put it together themselves."""
    return "".join(order.context) + lacking_head(order) + order.prefix


def lacking_head(order: Order) -> str:
    """The import statements, unless the prefix has them."""
    lacking = set(order.head.splitlines()) - set(order.prefix.splitlines())
    return order.head if lacking else ""


def rooms(order: Order, context: int | None) -> seam.Budgets:
    """Tokens of the prompt's parts: as wished, or as models are made for, within what a server can take."""
    wanted = seam.Budgets(
        seam.LARGE.prefix if order.prefix_tokens is None else order.prefix_tokens,
        seam.LARGE.suffix if order.suffix_tokens is None else order.suffix_tokens,
        seam.LARGE.context if order.context_tokens is None else order.context_tokens,
    )
    if context is None:
        return wanted
    room = max(context - order.max_tokens - SPARE, 0)
    suffix = min(wanted.suffix, room // 4)
    prefix = min(wanted.prefix, room - suffix)
    return seam.Budgets(prefix, suffix, min(wanted.context, room - suffix - prefix))


def cut(order: Order, context: int | None) -> Order:
    """What fits, by an estimate, from an anchored start: the far ends go, other files first."""
    if context is None:
        return order
    room = seam.Budgets(*(int(CHARACTERS_PER_TOKEN * it) for it in rooms(order, context)))
    head = lacking_head(order)
    head = head if len(head) <= room.prefix // 4 else ""
    start = fim.anchored_start(len(order.prefix), room.prefix - len(head))
    if start:  # a whole line: half of one is no code
        start = order.prefix.find("\n", start) + 1 or start
    blocks, left = [], room.context
    for block in order.context:
        if (left := left - len(block)) < 0:
            break
        blocks.append(block)
    prefix, suffix = order.prefix[start:], order.suffix[: room.suffix]
    return replace(order, prefix=prefix, suffix=suffix, head=head, context=tuple(blocks))


def chunks_of(event: Any) -> list[Chunk]:
    """One of each choice; OpenAI's last event may hold only the usage. What is no event: one of MALFORMED."""
    if "choices" not in event and (sentence := error_in(event)) is not None:
        raise Ended(sentence) if engine_ends(event) else BackendError(f"The engine failed: {sentence}")
    timings = dict(event.get("timings") or {})
    if isinstance(usage := event.get("usage"), dict) and isinstance(n := usage.get("prompt_tokens"), int):
        timings["prompt_tokens"] = n
    chunks = [_chunk(choice, timings) for choice in event["choices"]]
    return chunks or ([Chunk("", timings=timings)] if timings else [])


def _chunk(choice: dict[str, Any], timings: Mapping[str, float]) -> Chunk:
    text, finish, number = choice.get("text") or "", choice.get("finish_reason"), choice.get("index", 0)
    tokens = tokens_of(choice.get("logprobs"), text) if isinstance(text, str) else ()
    if not (isinstance(text, str) and isinstance(finish, str | None) and isinstance(number, int)):
        raise TypeError(choice)
    return Chunk(text, finish, tokens, timings, number)


def tokens_of(told: object, text: str) -> tuple[tuple[int, float], ...]:
    """Characters and log-probability of each token, from OpenAI's `logprobs` or llama.cpp's shape of it.

    None where they do not make up `text`: then nothing is known of how sure the model was. But the last may
    go on behind it, with a stop string that is no part of the text.
    """
    if not isinstance(told, dict):
        return ()
    if isinstance(content := told.get("content"), list):
        told = {
            "tokens": [it.get("token") for it in content if isinstance(it, dict)],
            "token_logprobs": [it.get("logprob") for it in content if isinstance(it, dict)],
        }
    names, values = told.get("tokens"), told.get("token_logprobs")
    if not (isinstance(names, list) and isinstance(values, list) and len(names) == len(values)):
        return ()
    if not all(isinstance(it, str) for it in names) or not _spell(names, text):
        return ()
    if not all(isinstance(it, int | float) and it <= 0.001 for it in values):
        return ()
    lengths = [len(name) for name in names]
    if lengths:
        lengths[-1] -= sum(lengths) - len(text)
    return tuple((n, min(float(value), 0.0)) for n, value in zip(lengths, values, strict=True))


def _spell(names: list[str], text: str) -> bool:
    """Whether tokens make up a text, but for what of the last may stand behind it."""
    return "".join(names).startswith(text) and len("".join(names[:-1])) <= len(text)
