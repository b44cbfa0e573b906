"""What a scripted engine says, and when: texts, tickets, steps."""

import math
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import torch

from midfill_model import fim
from midfill_model.generation.completion import Loaded
from midfill_model.generation.engine import State
from midfill_model.generation.requests.ticket import Delta, Done, Emit, Failed, Request, Ticket, Timings
from midfill_model.generation.requests.writer import Shown

Finish = Literal["stop", "length", "cancelled"]
Blame = Literal["request", "engine"]
Json = dict[str, Any]


@dataclass(eq=False)
class Text:
    """What the engine says at one place."""

    tokens: tuple[str, ...]
    after: str
    finish: Finish
    fails: str
    blame: Blame
    status: int
    steps: int | None
    """Tokens that each completion may have sent by now; None: all, and the end."""
    news: threading.Condition = field(repr=False)
    sure: tuple[float, ...] = ()
    """The probability of each token; none: certain."""

    def __post_init__(self) -> None:
        assert len(self.sure) in (0, len(self.tokens)), "a probability for each token, or none"

    def step(self, n: int = 1) -> None:
        """Let `n` more tokens go; the end is a step, too."""
        with self.news:
            self.steps = None if self.steps is None else self.steps + n
            self.news.notify_all()

    def go(self) -> None:
        """Let all go that is left, and wait no more."""
        with self.news:
            self.steps = None
            self.news.notify_all()

    def scored(self, rest: tuple[str, ...]) -> list[Shown]:
        """The tokens that are left, with their log-probabilities."""
        sure = self.sure or (1.0,) * len(self.tokens)
        return [Shown(it, math.log(p)) for it, p in zip(rest, sure[len(sure) - len(rest) :], strict=True)]

    def rest(self, before: str) -> tuple[str, ...] | None:
        """The tokens that are left behind the text `before`; None: that is another place."""
        whole = "".join(self.tokens)
        for n in range(len(whole) if self.after else 0, -1, -1):
            if before.endswith(self.after + whole[:n]):
                return _without(n, self.tokens)
        return None


@dataclass(eq=False)
class Call:
    """One POST /v1/completions, as it came, and what became of it."""

    body: Json
    sent: str = ""
    finish: str = ""
    """stop, length, cancelled or failed; empty while it is under way."""
    hung_up: bool = False
    """The client left before the end."""

    @property
    def n(self) -> int:
        """Texts that it wants."""
        return int(self.body.get("n", 1))

    @property
    def before(self) -> str:
        """The text before the cursor, in every dialect."""
        return str(self.body["prompt"]).removeprefix(fim.FIM_BEGIN).partition(fim.FIM_HOLE)[0]


class Generation:
    """What routes.Api asks of generation.engine.Engine: tickets in, events out."""

    def __init__(
        self,
        model: str,
        folder: Path,
        text_for: Callable[[Call], tuple[Text, tuple[str, ...]]],
        news: threading.Condition,
    ) -> None:
        self.state = ready(model, folder)
        self.n_requests = 0
        self.crash = ""
        self._text_for, self._news = text_for, news
        self._under_way: set[_Ticket] = set()
        self._resting_since = time.monotonic()

    def be(self, state: State) -> None:
        with self._news:
            self.state = state
            self._news.notify_all()

    @property
    def busy(self) -> bool:
        return bool(self._under_way)

    @property
    def n_unfinished(self) -> int:
        return len(self._under_way)

    def resting_seconds(self) -> float:
        return 0.0 if self.busy else time.monotonic() - self._resting_since

    def submit(self, request: Request, emit: Emit) -> Ticket:
        """As the real one: an older request of the same slot ends, and so does one in the background."""
        ticket = _Ticket(request, emit, arriving.get(), self._news)
        with self._news:
            self.n_requests += 1
            for older in self._under_way:
                if older.request.background or (request.slot and older.request.slot == request.slot):
                    older.give_up()
                elif request.background and not older.cancelled:
                    ticket.give_up()
            self._under_way.add(ticket)
        threading.Thread(target=self._write, args=(ticket,), name="scripted text", daemon=True).start()
        return ticket

    def cancel_all(self) -> None:
        with self._news:
            for ticket in self._under_way:
                ticket.give_up()

    def _write(self, ticket: "_Ticket") -> None:
        end = self._answer(ticket)
        with self._news:
            ticket.call.finish = "failed" if isinstance(end, Failed) else end.finish
            self._under_way.remove(ticket)
            self._resting_since = time.monotonic()
            self._news.notify_all()
        ticket.emit(end)

    def _answer(self, ticket: "_Ticket") -> Done | Failed:
        call, n_sent = ticket.call, 0
        ticket.wait(lambda: self.state.status != "loading")
        if self.state.status == "failed":
            return Failed(self.state.message, "engine")
        text, tokens = self._text_for(call)
        allowed = tokens[: ticket.request.max_tokens]
        for token in text.scored(tokens)[: len(allowed)]:
            if not ticket.wait(lambda: text.steps is None or n_sent < text.steps):  # noqa: B023
                break
            n_sent += 1
            call.sent += token.text
            first = Timings(completion_tokens=1) if n_sent == 1 else None
            ticket.emit(Delta(token.text, first, (token,), 0 if call.n == 1 else n_sent - 1))
        whole = Timings(prompt_tokens=len(call.before.split()), completion_tokens=n_sent)
        if not ticket.wait(lambda: text.steps is None or n_sent < text.steps):
            return Done("cancelled", whole)
        if text.fails:
            return Failed(text.fails, text.blame)
        finish = text.finish if allowed == tokens else "length"
        return Done(finish, whole, (finish,) * (call.n - 1))


class _Ticket(Ticket):
    """One that tells who ended it, and whose writer hears of it at once."""

    def __init__(self, request: Request, emit: Emit, call: Call, news: threading.Condition) -> None:
        super().__init__(request, emit)
        self.call, self._news = call, news

    def cancel(self) -> None:
        """The client has gone, or has all."""
        with self._news:
            self.call.hung_up = self.call.hung_up or not self.call.finish
            self.give_up()

    def give_up(self) -> None:
        super().cancel()
        self._news.notify_all()

    def wait(self, look: Callable[[], bool]) -> bool:
        """Until `look` is true; False: it was cancelled first."""
        with self._news:
            self._news.wait_for(lambda: self.cancelled or look())
        return not self.cancelled


arriving: ContextVar[Call] = ContextVar("arriving")
"""The call whose request is being submitted."""


def ready(model: str, folder: Path) -> State:
    """With all of a model that /health asks for."""
    network = SimpleNamespace(
        config=SimpleNamespace(fim_trained=True, trained_in=None),
        context=4096,
        n_parameters=0,
        weights_dtype="float32",
        device=torch.device("cpu"),
    )
    tokenizer = SimpleNamespace(fim_ids=(0, 1, 2))
    loaded = Loaded(model, folder, cast(Any, network), cast(Any, tokenizer), 1024, 128, 512)
    return State("ready", 1.0, "Ready.", False, loaded)


def _without(n: int, tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The tokens after the first `n` characters."""
    left = []
    for token in tokens:
        if token[n:]:
            left.append(token[n:])
        n = max(0, n - len(token))
    return tuple(left)
