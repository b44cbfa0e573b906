"""One streaming client for every engine: what is asked of it, what it answers, and how it fails.

How a request looks, and how its answer is read, is a dialect's (`dialects/`), ours among them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from midfill_model import seam
from midfill_server.engines.http.connection import (
    CONNECT_SECONDS,
    SILENCE_SECONDS,
    Address,
    Answer,
    ConnectionLost,
    Connections,
)
from midfill_server.engines.http.refusals import asked_to_wait, engine_ends, said_in
from midfill_server.engines.http.route import without_login
from midfill_server.engines.http.sse import Events

log = logging.getLogger(__name__)

REMOTE_SILENCE_SECONDS = 30.0  # some servers load a model when it is first asked for
REMOTE_SECONDS = 180.0  # the longest answer of a server that is not ours
MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)
UNKNOWN_FIELD = (400, 422)  # how servers refuse a field that they do not know; FastAPI's is the second
ENDED_BY_THE_ENGINE = (seam.CANCELLED, "abort")  # finish reasons; the second is vLLM's and SGLang's


BROKEN_OFF = "The engine broke the completion off: see its log"


class BackendError(Exception):
    """The engine cannot answer; the message is one sentence with the mend. `gone`: nobody answers there."""

    def __init__(self, message: str, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


class Refused(BackendError):
    """The engine will not answer such a request; perhaps it does not know one of its fields."""


class Later(BackendError):
    """The engine wants to be left alone for so many seconds: its rate limit, or a model that it loads."""

    def __init__(self, message: str, seconds: float, loads: bool) -> None:
        super().__init__(message)
        self.seconds, self.loads = seconds, loads


class Interrupted(BackendError):
    """The engine ended a generation before its end, or died in it: what came of it so far is no answer."""


class Ended(Interrupted):
    """The same, of an engine that tells why it ends, as one does whose GPU is lost."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to complete, and how much of it."""

    prefix: str
    suffix: str
    max_tokens: int
    stop: tuple[str, ...] = ()
    slot: str = ""
    prefix_tokens: int | None = None
    suffix_tokens: int | None = None
    background: bool = False
    uri: str = ""
    """The document; never sent."""
    head: str = ""
    """The file's import statements, which stand before a prefix that lacks them."""
    context: tuple[str, ...] = ()
    """Other files' text, in the order of the prompt."""
    context_tokens: int | None = None
    logprobs: bool = False
    """Whether to tell how sure the model is of each token."""
    n: int = 1
    """Texts that differ, as far as the engine can write so many."""


@dataclass(frozen=True, slots=True)
class Chunk:
    text: str
    finish: str | None = None
    tokens: tuple[tuple[int, float], ...] = ()
    """Of each token of `text`: its characters, and its log-probability; none where the engine tells none."""
    timings: Mapping[str, float] = field(default_factory=dict)
    choice: int = 0
    """Which of several texts it continues."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A small answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """None where it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class Dialect(Protocol):
    """How an engine is asked for a completion, and how its answer is read."""

    @property
    def path(self) -> str: ...

    @property
    def is_ours(self) -> bool:
        """Our own engine's: it tells a finish reason, always, and may load a model for minutes."""

    @property
    def in_lines(self) -> bool:
        """Whether it answers JSON a line, and not server-sent events."""

    async def body(self, order: Order) -> dict[str, Any]:
        """The request. It may ask the server for what that needs. Raises BackendError."""

    def chunks(self, event: Any) -> list[Chunk]:
        """What an event says. Raises BackendError, and one of MALFORMED for what is none."""


class Backend:
    """A client for one address. Leaving a stream closes its connection, which stops the decoding."""

    def __init__(self, address: Address, keep: bool = False) -> None:
        self.address = address
        self._connections = Connections(address, keep)
        self._knows_logprobs = True  # until it refuses them
        self._is_ungated = False  # whether the log says so

    async def stream(self, order: Order, dialect: Dialect) -> AsyncGenerator[Chunk]:
        """The completion as it is written: an answer if it ends without BackendError.

        A server of the user's choice that refuses `logprobs` is asked again without, and from then on.
        """
        if not self._knows_logprobs:
            order = replace(order, logprobs=False)
        try:
            async with aclosing(self._stream(order, dialect)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except Refused:
            if not order.logprobs or order.n > 1 or dialect.is_ours:
                raise
        async with aclosing(self._stream(replace(order, logprobs=False), dialect)) as chunks:
            async for chunk in chunks:
                if self._knows_logprobs:  # so it was these that it refused
                    self._knows_logprobs = False
                    self._note_ungated("refuses `logprobs`")
                yield chunk

    async def _stream(self, order: Order, dialect: Dialect) -> AsyncGenerator[Chunk]:
        heard = begun = ended = False
        seconds = SILENCE_SECONDS if dialect.is_ours else REMOTE_SILENCE_SECONDS
        try:
            body = json.dumps(await dialect.body(order)).encode()
            async with self._connections.request("POST", dialect.path, body, seconds) as answer:
                if answer.status != 200:
                    raise refusal(answer.status, answer.headers, await answer.whole())
                await self._check_kind(answer, dialect)
                async with aclosing(_events(answer, dialect)) as events:
                    async for data in events:
                        heard = True
                        if data == "[DONE]":
                            ended = ended or not dialect.is_ours  # ours tells a reason, always
                            continue
                        for chunk in dialect.chunks(json.loads(data)):
                            if chunk.finish in ENDED_BY_THE_ENGINE:
                                raise Interrupted("The engine ended the completion before its end")
                            begun, ended = begun or bool(chunk.text), ended or chunk.finish is not None
                            if order.logprobs and chunk.text and not chunk.tokens:
                                self._note_ungated("does not tell the probability of each token")
                            yield chunk
                            await asyncio.sleep(0)  # what came in one packet is shown piece by piece, too
        except ConnectionLost as error:
            if not ended:
                raise (Interrupted if begun else BackendError)(self._lost(error), gone=True) from error
        except MALFORMED as error:
            raise (Interrupted(BROKEN_OFF) if begun else BackendError(self._no_sense())) from error
        if not ended:
            raise Interrupted(BROKEN_OFF) if heard else BackendError(self._no_sense())

    async def health(self) -> seam.Health:
        """The resident engine's state. Raises BackendError."""
        reply = await self.ask("GET", "/health")
        if reply.status != 200:
            raise refusal(reply.status, reply.headers, reply.body)
        if not isinstance(reply.json, dict):
            raise BackendError(self._no_sense())
        return seam.read_health(reply.json)

    async def ask(self, method: str, path: str, body: object = None) -> Reply:
        """One small question, and its answer whatever it says. Raises BackendError when none comes."""
        content = b"" if body is None else json.dumps(body).encode()
        try:
            async with self._connections.request(method, path, content, CONNECT_SECONDS) as answer:
                return Reply(answer.status, answer.headers, await answer.whole())
        except ConnectionLost as error:
            raise BackendError(self._lost(error), gone=True) from error
        except MALFORMED as error:
            raise BackendError(self._no_sense()) from error

    async def shutdown(self, drain: bool = False) -> None:
        """Ask our engine to stop, or to `drain` first; one that does not answer has stopped already."""
        path = seam.DRAIN if drain else seam.STOP
        with suppress(ConnectionLost, ValueError):
            async with self._connections.request("POST", path, seconds=CONNECT_SECONDS) as answer:
                await answer.whole()

    def add_header(self, name: str, value: str) -> None:
        """To every request from now on."""
        self._connections.headers[name] = value

    def close(self) -> None:
        """Hang up on all streams. Nothing can be asked of it any more."""
        self._connections.close()

    async def _check_kind(self, answer: Answer, dialect: Dialect) -> None:
        """BackendError for a page, and for an answer that comes whole."""
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "text/html":
            raise BackendError(f"{self._place()} answers with a web page: correct the path of midfill.url")
        if kind == "application/json" and not dialect.in_lines:
            told = json.loads(await answer.whole())
            dialect.chunks(told)  # an error in it is told
            raise BackendError(
                f"{self._place()} does not stream: let it, or the proxy before it, send completions in parts"
            )

    def _note_ungated(self, why: str) -> None:
        """Once in the log, and no message: all that is missing is a filter."""
        if not self._is_ungated:
            self._is_ungated = True
            log.warning("%s %s, so its completions are shown whatever `confidence` is", self._place(), why)

    def _place(self) -> str:
        return self.address.socket or without_login(self.address.url)

    def _lost(self, error: ConnectionLost) -> str:
        return f"No answer from the engine at {self._place()} ({error})"

    def _no_sense(self) -> str:
        return f"{self._place()} does not answer as an OpenAI-compatible server: correct midfill.url"


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> BackendError:
    """The server's own sentence, or what its status means."""
    message = said_in(status, headers, body)
    if engine_ends(body):
        return Ended(message)
    if status in (429, 503):
        seconds = asked_to_wait(headers)
        if status == 503:  # the engine has a sentence for its own state, the same as in its /health
            return Later(message, seconds, loads="load" in message.lower())
        return Later(f"The engine refused the request (429): {message}", seconds, loads=False)
    kind = Refused if status in UNKNOWN_FIELD else BackendError
    return kind(f"The engine refused the request ({status}): {message}")


async def _events(answer: Answer, dialect: Dialect) -> AsyncGenerator[str]:
    """The JSON of each event. Raises ConnectionLost, also for an answer that does not end."""
    events, clock = Events(dialect.in_lines), asyncio.get_running_loop().time
    end = clock() + (float("inf") if dialect.is_ours else REMOTE_SECONDS)
    longest = SILENCE_SECONDS if dialect.is_ours else REMOTE_SILENCE_SECONDS
    while True:
        try:
            part = await answer.part(min(longest, max(end - clock(), 0.0)))
        except ConnectionLost as error:
            raise ConnectionLost("its answer does not end") if clock() >= end else error from None
        if part is None:
            break
        for data in events.feed(part):
            yield data
    for data in events.end():
        yield data
