"""One completion by llama.cpp: a request in, events out. Blocking; knows no HTTP of ours."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from midfill_model.generation.requests.prompt import Budgets, Parts, Prompt, within
from midfill_model.generation.requests.ticket import (
    Delta,
    Done,
    Emit,
    Failed,
    Finish,
    Request,
    RequestError,
    Timings,
)
from midfill_model.generation.requests.writer import Shown, Writer

from .server import Refused, Server
from .vocabulary import Vocabulary, grammar, typed_part

_LOOKED_AT = 40  # ids whose probabilities are asked for while a word is written anew
_Token = tuple[int, float]


@dataclass(frozen=True, slots=True)
class Model:
    """A model that llama.cpp has loaded. `budgets` where a request names none."""

    server: Server
    vocabulary: Vocabulary
    context: int
    budgets: Budgets


class Writing:
    """One request; `hang_up` is told, as soon as that is known, how to end it early."""

    def __init__(
        self, request: Request, model: Model, emit: Emit, hang_up: Callable[[Callable[[], None]], None]
    ) -> None:
        """Raises RequestError and server.Gone."""
        self._begun = time.perf_counter()
        self._request, self._model, self._emit, self._hang_up = request, model, emit, hang_up
        text = request.prompt
        self._typed = typed_part(text) if request.heal and isinstance(text, str) else ""
        if self._typed and isinstance(text, str):
            request = replace(request, prompt=text.removesuffix(self._typed))
        self._prompt = _prompt(request, model)
        self._extent = model.vocabulary.extent(self._prompt, len(self._typed.encode("utf-8", "replace")))
        self._first = 0.0  # when the first token came
        self._told: dict[str, Any] = {}
        self._n_written = 0
        self._has_emitted = False

    def run(self, is_cancelled: Callable[[], bool], submitted: float) -> Done | Failed:
        """All of it. Raises server.Gone."""
        self._submitted, self._is_cancelled = submitted, is_cancelled
        try:
            if self._request.n == 1:
                return self._done([self._write(0, self._prompt.ids, self._request.max_tokens)])
            return self._done(self._write_several())
        except Refused as error:
            return Failed(f"llama.cpp: {error}", "engine")

    def _write_several(self) -> list[Finish]:
        """The likeliest ways to begin, each continued greedily."""
        ends: list[Finish] = []
        for number, (id_, probability) in enumerate(self._beginnings()[: self._request.n]):
            if id_ in self._model.vocabulary.control:
                ends.append("stop")
            else:
                ids = [*self._prompt.ids, id_]
                ends.append(self._write(number, ids, self._request.max_tokens - 1, [(id_, probability)]))
            if ends[-1] == "cancelled":
                break
        missing: list[Finish] = ["stop"] * (self._request.n - len(ends))
        return ends + missing

    def _beginnings(self) -> list[_Token]:
        """First ids, the likeliest first; where a word is written anew those that agree with it."""
        for event in self._events(self._prompt.ids, 1, probabilities=_LOOKED_AT):
            if found := event.get("completion_probabilities"):
                tokens = self._agreeing(found[0]["top_logprobs"], self._typed.encode())
                return sorted(tokens, key=lambda it: -it[1])
        return []

    def _write(
        self, number: int, ids: list[int], max_tokens: int, begun: list[_Token] | None = None
    ) -> Finish:
        """One text to its end, emitted as it comes."""
        typed = self._typed
        wanted = typed.encode("utf-8", "replace")
        writer = Writer(self._model.vocabulary, len(typed), self._request.stop)
        for id_, probability in begun or ():
            wanted = wanted[len(self._model.vocabulary.token_bytes(id_)) :]
            if self._push(number, writer, id_, probability):
                return "stop"
        finish: Finish = "cancelled"
        beginning = wanted.decode("utf-8", "ignore")
        for event in self._events(ids, max_tokens, beginning, _LOOKED_AT if wanted else 1):
            for found in event.get("completion_probabilities") or ():
                id_ = found["id"]
                if id_ in self._model.vocabulary.control:
                    return self._end(number, writer, "stop")
                self._model.vocabulary.learn(id_, bytes(found["bytes"]))
                probability = self._given(found, wanted)
                wanted = wanted[len(self._model.vocabulary.token_bytes(id_)) :]
                if self._push(number, writer, id_, probability):
                    return "stop"
            if event.get("stop") is True:
                finish = "length" if event.get("stop_type") == "limit" else "stop"
        return self._end(number, writer, "cancelled" if self._is_cancelled() else finish)

    def _events(
        self, ids: list[int], max_tokens: int, beginning: str = "", probabilities: int = 1
    ) -> Iterator[dict[str, Any]]:
        body: dict[str, Any] = {
            "prompt": ids,
            "n_predict": min(max_tokens, self._model.context - len(ids)),
            "temperature": 0,
            "stream": True,
            "return_tokens": True,
            "n_probs": probabilities,
            "return_progress": True,  # a hang-up is then seen while it reads the prompt, too
        }
        if beginning:
            body["grammar"] = grammar(beginning)
        for event in self._model.server.stream(body, self._hang_up):
            if "error" in event:
                raise Refused(str(event["error"].get("message", "it failed")))
            self._told |= event.get("timings") or {}
            yield event

    def _given(self, found: dict[str, Any], wanted: bytes) -> float:
        """A token's log-probability; among those that agree while a word is written anew."""
        own = _number(found["logprob"])
        if not wanted:
            return own
        others = dict(self._agreeing(found.get("top_logprobs") or [], wanted))
        mass = sum(math.exp(it) for it in (others | {found["id"]: own}).values())
        return min(own - math.log(mass), 0.0) if mass > 0 else own

    def _agreeing(self, top: list[dict[str, Any]], wanted: bytes) -> list[_Token]:
        agreeing = []
        for it in top:
            spelling = bytes(it["bytes"])
            self._model.vocabulary.learn(it["id"], spelling)
            if not wanted or (spelling and (spelling.startswith(wanted) or wanted.startswith(spelling))):
                agreeing.append((it["id"], _number(it["logprob"])))
        return agreeing

    def _push(self, number: int, writer: Writer, id_: int, probability: float) -> bool:
        """Whether a stop string was met."""
        self._first = self._first or time.perf_counter()
        self._n_written += 1
        shown, is_stopped = writer.push(id_, probability)
        self._show(number, shown)
        return is_stopped

    def _end(self, number: int, writer: Writer, finish: Finish) -> Finish:
        if finish != "cancelled":
            self._show(number, writer.finish())
        return finish

    def _show(self, number: int, tokens: list[Shown]) -> None:
        if text := "".join(token.text for token in tokens):
            timings = None if self._has_emitted else self._timings()
            self._emit(Delta(text, timings, tuple(tokens), number))
            self._has_emitted = True

    def _done(self, ends: list[Finish]) -> Done:
        return Done(ends[0], self._timings(), tuple(ends[1:]))

    def _timings(self) -> Timings:
        now = time.perf_counter()
        first = self._first or now
        return Timings(
            queued_ms=_ms(self._begun - self._submitted),
            prefill_ms=_ms(first - self._begun),
            first_token_ms=_ms(first - self._submitted),
            decode_ms=_ms(now - first),
            reused_tokens=int(self._told.get("cache_n", 0)),
            completion_tokens=self._n_written,
            **self._extent,
        )


def _prompt(request: Request, model: Model) -> Prompt:
    if isinstance(request.prompt, list):
        prompt = Prompt(request.prompt)
    elif request.suffix is None:
        prompt = model.vocabulary.plain(request.prompt)
    else:
        parts = Parts(request.prompt, request.suffix, request.head, request.context)
        prompt = model.vocabulary.prompt(parts, within(request, model.budgets, model.context))
    if not prompt.ids or len(prompt.ids) >= model.context:
        raise RequestError(
            f"The prompt has {len(prompt.ids)} tokens; the model's context holds {model.context}."
        )
    return prompt


def _number(value: object) -> float:
    """JSON has no minus infinity: llama.cpp writes null."""
    return min(float(value), 0.0) if isinstance(value, int | float) else -100.0


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
