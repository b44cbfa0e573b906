"""One completion: a request in, events out, a step of the network at a time. Knows no HTTP, no thread."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from midfill_model.generation.requests.prompt import Budgets, Parts, Prompt, fim_prompt, within
from midfill_model.generation.requests.ticket import (
    Delta,
    Done,
    Finish,
    Request,
    RequestError,
    Ticket,
    Timings,
)
from midfill_model.generation.requests.writer import Shown, Writer
from midfill_model.network.protocol import Branching, Network, Token

from .alternatives import alternatives
from .cache import Slot, Slots
from .generate import generate
from .heal import Beginning, typed_part
from .search import search
from .task import Several, Steps, Task, alone
from .tokens import Tokenizer


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to run."""

    name: str  # as users know it: lite, say
    folder: Path
    network: Network
    tokenizer: Tokenizer
    prefix_tokens: int  # default budgets of a fill-in-the-middle prompt
    suffix_tokens: int
    context_tokens: int = 0
    reason: str = ""  # why `auto` took the small model, in one sentence


class _Text:
    """One of the texts of a completion."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.finish: Finish | None = None
        self.ids: list[int] = []  # that were written


class Completion:
    """A request in progress: holds a slot of the KV cache from the start to the end."""

    def __init__(
        self, ticket: Ticket, loaded: Loaded, slots: Slots, goes_on: Callable[[], None] = lambda: None
    ) -> None:
        """RequestError. A slot is lent last: what may fail has been done by then.

        `goes_on` is called whenever the network asks whether to go on, every few layers.
        """
        self.ticket = ticket
        self.loaded = loaded
        self._started = time.perf_counter()
        request, typed = _healed(ticket.request, loaded.tokenizer)
        prompt = _prompt_ids(request, loaded)
        wanted = typed.encode("utf-8", "replace")
        self._task = _task(ticket, prompt, Beginning.of(wanted, loaded.tokenizer), loaded, goes_on)
        self._extent = _extent(prompt, loaded.tokenizer)
        self._extent["prefix_bytes"] += len(wanted)
        self._has_tried_again = False
        self._emitted = False
        self._first_token = 0.0
        self._texts = [_Text(Writer(loaded.tokenizer, len(typed), request.stop)) for _ in range(request.n)]
        self._slots = slots
        self._slot = slots.lend(request.slot, prompt.ids)
        self._n_reused = self._slot.keep(prompt.ids)
        self._steps = self._begin(self._task)

    def step(self) -> Done | None:
        """Run the network once at most and emit the text that came of it; Done when that was the end."""
        try:
            news = next(self._steps)
        except StopIteration as end:
            for number, text in enumerate(self._texts):
                self._end(number, text.finish or end.value)
            return self._done()
        if news is None:
            return None
        number, it = news
        if isinstance(it, Token):
            self._push(number, it)
        else:
            self._end(number, it)
        return self._done() if all(text.finish for text in self._texts) else None

    def try_again(self) -> bool:
        """After a step that lacked memory: free that of idle slots, begin anew what is left; only once."""
        is_alone = len(self._texts) == 1
        if self._has_tried_again or (not is_alone and any(text.ids for text in self._texts)):
            return False
        self._has_tried_again = True
        self._slots.yield_memory()
        self._steps = self._begin(self._task.after(self._texts[0].ids) if is_alone else self._task)
        return True

    def close(self) -> None:
        """Give the slot back, whatever happened."""
        self._steps.close()
        self._slots.give_back(self._slot)

    def _begin(self, task: Task) -> Several:
        network, slot, n = self.loaded.network, self._slot, len(self._texts)
        if n == 1:
            return alone(_steps(network, slot, task))
        return alternatives(network, slot, task, n, lambda number: self._texts[number].finish is not None)

    def _push(self, number: int, token: Token) -> None:
        self._first_token = self._first_token or time.perf_counter()
        text = self._texts[number]
        text.ids.append(token.id)
        shown, is_stopped = text.writer.push(token.id, token.log_probability)
        self._emit(number, shown)
        if is_stopped:
            text.finish = "stop"

    def _end(self, number: int, finish: Finish) -> None:
        text = self._texts[number]
        if text.finish is None:
            text.finish = finish
            self._emit(number, text.writer.finish())

    def _emit(self, number: int, tokens: list[Shown]) -> None:
        if text := "".join(token.text for token in tokens):
            timings = None if self._emitted else self._timings()
            self.ticket.emit(Delta(text, timings, tuple(tokens), number))
            self._emitted = True

    def _done(self) -> Done:
        finish, *others = [text.finish or "cancelled" for text in self._texts]
        return Done(finish, self._timings(), tuple(others))

    def _timings(self) -> Timings:
        now, submitted = time.perf_counter(), self.ticket.submitted
        first = self._first_token or now
        return Timings(
            queued_ms=_ms(self._started - submitted),
            prefill_ms=_ms(first - self._started),
            first_token_ms=_ms(first - submitted),
            decode_ms=_ms(now - first),
            reused_tokens=self._n_reused,
            completion_tokens=sum(len(text.ids) for text in self._texts),
            **self._extent,
        )


def _task(
    ticket: Ticket,
    prompt: Prompt,
    beginning: Beginning | None,
    loaded: Loaded,
    goes_on: Callable[[], None],
) -> Task:
    tokenizer, request = loaded.tokenizer, ticket.request

    def cancelled() -> bool:
        goes_on()
        return ticket.cancelled

    return Task(
        prompt=prompt.ids,
        max_tokens=request.max_tokens,
        vocabulary=tokenizer.size,
        stops=tokenizer.control_ids,
        line_ends=tokenizer.line_ends,
        beginning=beginning,
        beam_width=request.beam_width,
        cancelled=cancelled,
    )


def _steps(network: Network, slot: Slot, task: Task) -> Steps:
    """By the search where several lines are asked for and the network can follow them, else greedily."""
    if task.beam_width > 1 and isinstance(network, Branching):
        return search(network, slot, replace(task, beam_width=min(task.beam_width, network.beam_width)))
    return generate(network, slot, task)


def _extent(prompt: Prompt, tokenizer: Tokenizer) -> dict[str, int]:
    """The sizes of a prompt's parts, as Timings names them; no text of a user holds the hole's id."""
    ids, fim = prompt.ids, tokenizer.fim_ids
    hole = ids.index(fim.hole) if fim is not None and fim.hole in ids else len(ids)
    head = prompt.n_control + prompt.n_context
    prefix = head + prompt.n_head

    def n_bytes(start: int, end: int) -> int:
        return sum(len(tokenizer.token_bytes(id_)) for id_ in ids[start:end])

    return {
        "prompt_tokens": len(ids),
        "prefix_tokens": hole,
        "prefix_bytes": n_bytes(prefix, hole),
        "suffix_bytes": n_bytes(hole, len(ids)),
        "head_bytes": n_bytes(head, prefix),
        "context_tokens": prompt.n_context,
        "context_bytes": n_bytes(prompt.n_control, head),
    }


def _prompt_ids(request: Request, loaded: Loaded) -> Prompt:
    tokenizer, context = loaded.tokenizer, loaded.network.context
    if isinstance(request.prompt, list):
        prompt = Prompt(request.prompt)
        if not prompt.ids or min(prompt.ids) < 0 or max(prompt.ids) >= tokenizer.size:
            raise RequestError(f"A prompt of ids must hold some, each from 0 to {tokenizer.size - 1}.")
    elif request.suffix is None:
        prompt = Prompt([tokenizer.bos, *tokenizer.encode(request.prompt)])
    else:
        parts = Parts(request.prompt, request.suffix, request.head, request.context)
        usual = Budgets(loaded.prefix_tokens, loaded.suffix_tokens, loaded.context_tokens)
        prompt = fim_prompt(tokenizer, parts, within(request, usual, context))
    if len(prompt.ids) > context:
        raise RequestError(f"The prompt has {len(prompt.ids)} tokens; the model's context holds {context}.")
    return prompt


def _healed(request: Request, tokenizer: Tokenizer) -> tuple[Request, str]:
    """The request without the end of its prompt that is to be written anew, and that end."""
    if not request.heal or not isinstance(request.prompt, str):
        return request, ""
    typed = typed_part(request.prompt, tokenizer)
    return replace(request, prompt=request.prompt.removesuffix(typed)), typed


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
