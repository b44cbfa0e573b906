"""The engine's HTTP face: OpenAI's /v1/completions over a private Unix socket, or localhost TCP with a token.

A hang-up cancels. No user text is ever logged.
"""

import asyncio
import hmac
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from importlib.metadata import version
from typing import Literal, Protocol
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from midfill_model import seam
from midfill_model.generation.requests.metrics import Metrics
from midfill_model.generation.requests.ticket import (
    Delta,
    Done,
    Emit,
    Event,
    Failed,
    Request,
    Ticket,
    Timings,
)

from . import wire

METRICS_TYPE = "text/plain; version=0.0.4"
_LONGEST_BODY = 8 << 20  # bytes


class Json(Response):
    """In ASCII, so that a folder whose name is no UTF-8 can be told, too."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return json.dumps(content).encode("ascii")


class State(Protocol):
    @property
    def status(self) -> Literal["loading", "ready", "failed"]: ...
    @property
    def progress(self) -> float: ...
    @property
    def message(self) -> str: ...
    @property
    def asleep(self) -> bool: ...


class Engine(Protocol):
    """What answers: our network (generation/engine.py), or llama.cpp (process/llamacpp/engine.py)."""

    n_requests: int
    crash: str
    """Why it ends, if it has failed after it had loaded."""

    @property
    def state(self) -> State: ...
    @property
    def busy(self) -> bool: ...
    @property
    def n_unfinished(self) -> int: ...
    def resting_seconds(self) -> float: ...
    def submit(self, request: Request, emit: Emit) -> Ticket: ...


class Api:
    """The routes over one engine. `loaded` tells its model, why it is that one, and the memory held.

    `stop`: told whether to write first what was asked for.
    """

    def __init__(
        self,
        engine: Engine,
        loaded: Callable[[], seam.Health],
        wanted: str,
        token: str | None,
        stop: Callable[[bool], None],
        windows: Callable[[], int] = lambda: 0,
        stalled: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._engine = engine
        self._metrics = Metrics()
        self._windows, self._stalled = windows, stalled
        self._begun = time.monotonic()
        self._loaded = loaded
        self._wanted = wanted  # the model's name until it is loaded
        self._token = token
        self._stop = stop

    def app(self) -> Starlette:
        routes = {
            ("/v1/completions", "POST"): self.completions,
            ("/rendered/v1/completions", "POST"): self.rendered,  # for clients without a `suffix`: Zed
            ("/v1/models", "GET"): self.models,
            ("/health", "GET"): self.health,
            ("/metrics", "GET"): self.metrics,
            (seam.STOP, "POST"): self.shutdown,
        }
        return Starlette(routes=[Route(p, self._guarded(f), methods=[m]) for (p, m), f in routes.items()])

    async def completions(self, http: HttpRequest) -> Response:
        return await self._complete(http, rendered=False)

    async def rendered(self, http: HttpRequest) -> Response:
        return await self._complete(http, rendered=True)

    async def _complete(self, http: HttpRequest, rendered: bool) -> Response:
        try:
            order = wire.read_order(await _body(http), rendered)
        except wire.BadBody as error:
            return _error(400, str(error))
        except ClientDisconnect:  # before all of it had come
            return _error(400, "The body is not whole.")
        loop, inbox = asyncio.get_running_loop(), asyncio.Queue[Event]()
        emit = self._metrics.watched(lambda event: _hand_over(loop, inbox, event))
        ticket = self._engine.submit(order.request, emit)
        events = _events(http, ticket, inbox)
        first = await anext(events)  # an error before any text is an HTTP error, streaming or not
        if isinstance(first, Failed):
            return _failure(first)
        answer = wire.Answer(self._name(), order.log_probabilities)
        if order.stream:
            return StreamingResponse(_stream(first, events, answer), media_type="text/event-stream")
        return await _whole(first, events, answer)

    async def models(self, _: HttpRequest) -> Response:
        model = {"id": self._name(), "object": "model", "created": 0, "owned_by": "midfill"}
        return Json({"object": "list", "data": [model]})

    async def health(self, _: HttpRequest) -> Response:
        engine, state, loaded = self._engine, self._engine.state, self._loaded()
        health = replace(
            loaded,
            status=state.status,
            progress=round(state.progress, 3),
            message=state.message,
            model=seam.Model(self._wanted) if loaded.model.id is None else loaded.model,
            pid=os.getpid(),
            version=version("midfill"),
            protocol=seam.PROTOCOL,
            busy=engine.busy,
            running=engine.n_unfinished,
            requests=engine.n_requests,
            resting_seconds=engine.resting_seconds(),
            ends=bool(engine.crash),
            asleep=state.asleep,
            windows=self._windows(),
            stalled_seconds=round(self._stalled(), 1),
            uptime_seconds=round(time.monotonic() - self._begun, 1),
            last_error=self._metrics.last_error,
            figures=self._metrics.told(),
        )
        return Json(health.as_json())

    async def metrics(self, _: HttpRequest) -> Response:
        engine, memory = self._engine, self._loaded().memory
        is_loaded = engine.state.status == "ready" and not engine.state.asleep
        gauges = {
            "running_requests": ("Requests that wait or are being written", engine.n_unfinished),
            "loaded": (
                "Whether a model is in memory",
                is_loaded,
            ),
            "windows": ("Editor windows that use the engine", self._windows()),
            "stalled_seconds": ("For how long nothing has been done of what waits", self._stalled()),
            "uptime_seconds": ("Since the engine's start", time.monotonic() - self._begun),
            "resting_seconds": ("For how long there has been nothing to do", engine.resting_seconds()),
        }
        held = {f"memory_{name}_bytes": (f"Memory held: {name}", size) for name, size in memory.items()}
        return Response(self._metrics.as_text(gauges | held), media_type=METRICS_TYPE)

    async def shutdown(self, http: HttpRequest) -> Response:
        """Now; or with `?drain` once what was asked for is written, so that nobody loses a text."""
        self._stop("drain" in http.query_params)
        return Json({"status": "stopping"})

    def _name(self) -> str:
        return self._loaded().model.id or self._wanted

    def _guarded(
        self, endpoint: Callable[[HttpRequest], Awaitable[Response]]
    ) -> Callable[..., Awaitable[Response]]:
        async def guarded(http: HttpRequest) -> Response:
            given = http.headers.get("authorization", "")
            if self._token and not _is_for_us(http):
                return _error(403, "Ask the engine by 127.0.0.1; no page of a browser may.")
            if self._token and not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                return _error(401, "The engine wants the bearer token that engine.json holds.")
            return await endpoint(http)

        return guarded


def _is_for_us(http: HttpRequest) -> bool:
    """Whether no page of a browser asks: one says where it is from, or the name that led here."""
    try:
        host = urlsplit(f"//{http.headers.get('host', '')}").hostname
    except ValueError:
        return False
    return host in seam.LOOPBACK and "origin" not in http.headers


async def _events(
    http: HttpRequest, ticket: Ticket, inbox: asyncio.Queue[Event]
) -> AsyncGenerator[Event, None]:
    """What comes of a ticket, to the last event. A hang-up, or closing this early, cancels it."""
    watch = asyncio.create_task(_cancel_on_hang_up(http, ticket))
    try:
        event: Event = Delta("")
        while isinstance(event, Delta):
            event = await inbox.get()
            yield event
    except asyncio.CancelledError:  # the process ends, and waits no longer for a step of the model
        yield Done("cancelled", Timings())
    finally:
        ticket.cancel()
        watch.cancel()


async def _cancel_on_hang_up(http: HttpRequest, ticket: Ticket) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass
    ticket.cancel()


async def _stream(
    first: Event, events: AsyncGenerator[Event, None], answer: wire.Answer
) -> AsyncIterator[str]:
    event = first
    async with aclosing(events):
        while isinstance(event, Delta):
            yield wire.sse(answer.chunk(event))
            event = await anext(events)
    if isinstance(event, Failed):
        yield wire.sse(wire.error_body(event.message, "server_error", _code(event)))
        return
    yield wire.sse(answer.last(event))
    yield wire.SSE_END


async def _whole(first: Event, events: AsyncGenerator[Event, None], answer: wire.Answer) -> Response:
    written, event = list[Delta](), first
    async with aclosing(events):
        while isinstance(event, Delta):
            written.append(event)
            event = await anext(events)
    if isinstance(event, Failed):
        return _failure(event)
    return Json(answer.last(event, written))


def _hand_over(loop: asyncio.AbstractEventLoop, inbox: asyncio.Queue[Event], event: Event) -> None:
    """From the generation thread to the event loop, which may be gone when the engine stops."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(inbox.put_nowait, event)


async def _body(http: HttpRequest) -> bytes:
    body = bytearray()
    async for part in http.stream():
        body += part
        if len(body) > _LONGEST_BODY:
            raise wire.BadBody(f"The body is longer than {_LONGEST_BODY >> 20} MB; send less text.")
    return bytes(body)


def _failure(event: Failed) -> Json:
    return _error(400 if event.blame == "request" else 503, event.message, _code(event))


def _code(event: Failed) -> str | None:
    return seam.ENDS if event.blame == "end" else None


def _error(status: int, message: str, code: str | None = None) -> Json:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return Json(wire.error_body(message, kind, code), status)
