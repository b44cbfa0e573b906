"""A request and what becomes of it: its ticket, and the events that answer it. Knows no HTTP, no network."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .writer import Shown

Finish = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Request:
    """What to complete: ids as they are, or text; with a suffix, the middle between the two is wanted."""

    prompt: str | list[int]
    suffix: str | None = None
    max_tokens: int = 64
    stop: tuple[str, ...] = ()
    slot: str = ""  # of equal slots, if not empty, only the newest request goes on
    prefix_tokens: int | None = None
    suffix_tokens: int | None = None
    heal: bool = False  # write the prompt's last word anew, and give what comes behind its typed part
    beam_width: int = 1  # ways to write a line of which the likeliest is taken, if the network can; 1: greedy
    n: int = 1  # texts; several are greedy, and begin in the likeliest ways: perhaps there are fewer
    background: bool = False  # given up as soon as, and for as long as, there is anything else to do
    context_tokens: int | None = None
    context: tuple[str, ...] = ()  # with a suffix: other files' text, see prompt.Parts
    head: str = ""


@dataclass(frozen=True, slots=True)
class Timings:
    queued_ms: float = 0.0
    prefill_ms: float = 0.0
    first_token_ms: float = 0.0  # since the request was submitted
    decode_ms: float = 0.0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    prefix_tokens: int = 0  # of the prompt, up to the hole
    prefix_bytes: int = 0  # how much of the text before the hole, and after it, the prompt holds
    suffix_bytes: int = 0
    head_bytes: int = 0  # of the lines from the file's top that stand before a cut prefix
    context_tokens: int = 0  # of other files' text
    context_bytes: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """Some text; the first tells what is known by then, for clients that hang up before the end."""

    text: str
    timings: Timings | None = None
    tokens: tuple[Shown, ...] = ()  # that the text is made of
    choice: int = 0  # which of several texts it continues


@dataclass(frozen=True, slots=True)
class Done:
    finish: Finish
    timings: Timings
    others: tuple[Finish, ...] = ()  # why each text but the first ended


@dataclass(frozen=True, slots=True)
class Failed:
    """The request cannot be served, in one sentence. `end`: nor any other, for the engine ends."""

    message: str
    blame: Literal["request", "engine", "end"]


Event = Delta | Done | Failed
Emit = Callable[[Event], None]


class RequestError(Exception):
    """A request that the model cannot serve, in one sentence."""


class Ticket:
    """A submitted request. Cancelling is safe from every thread and works before the network's next step."""

    def __init__(self, request: Request, emit: Emit) -> None:
        self.request = request
        self.emit = emit  # called in the generation thread
        self.submitted = time.perf_counter()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()
