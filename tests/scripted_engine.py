"""An engine whose words a test gives: the real lock, card, socket and HTTP over a scripted generation.

    with ScriptedEngine(folder) as engine:
        engine.says("return", " a", " + b", after="def add(a, b):\n    ")

A completion whose prompt ends in `after`, or in `after` and a beginning of the text, gets the rest of it, a
token a chunk. Of several texts the one given last is taken; where none fits, the engine has nothing to say.
With `steps` the stream waits until the test lets it go on, so that no test sleeps:

        text = engine.says("return", " a", steps=1)
        ...  # "return" is on its way, and nothing more
        text.step()  # " a"
        text.go()  # all that is left, and the end

It runs in a thread of the test's process. Servers and editors find it in the runtime folder like any engine.
With `tcp=True` it listens at `url` and wants the key `token`. By hand, from the repository's root:

    python -m tests.scripted_engine FOLDER return ' a'
"""

import asyncio
import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, Self, TypeVar, cast

import torch
import uvicorn
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from midfill_model import fim, seam
from midfill_model.generation.completion import Delta, Done, Emit, Failed, Loaded, Request, Ticket, Timings
from midfill_model.generation.engine import Engine, State
from midfill_model.process import sockets, wire
from midfill_model.process.main import _card
from midfill_model.process.routes import Api

PATIENCE = 60.0  # seconds, for what takes a moment: a slow machine is no failure

Finish = Literal["stop", "length", "cancelled"]
Blame = Literal["request", "engine"]
Json = dict[str, Any]
Found = TypeVar("Found")


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
    def before(self) -> str:
        """The text before the cursor, in every dialect."""
        return str(self.body["prompt"]).removeprefix(fim.FIM_BEGIN).partition(fim.FIM_HOLE)[0]


class ScriptedEngine:
    """Use it as `with ScriptedEngine(folder) as engine`; any thread may use it.

    `card` and `health` are fields that differ from what the real engine tells there.
    """

    def __init__(
        self,
        folder: Path,
        model: str = "scripted",
        tcp: bool = False,
        card: Json | None = None,
        health: Json | None = None,
    ) -> None:
        self.calls: list[Call] = []
        """Every completion that was asked for, oldest first."""
        self.card, self.health = card or {}, health or {}
        self.url, self.token = "", "scripted" if tcp else None
        self.folder, self.model = folder, model
        self.news = threading.Condition()
        self._texts: list[Text] = []
        self._generation = _Generation(self)
        self._server: uvicorn.Server | None = None
        self._trouble: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="scripted engine", daemon=True)

    def says(
        self,
        *tokens: str,
        after: str = "",
        finish: Finish = "stop",
        fails: str = "",
        blame: Blame = "engine",
        status: int = 0,
        steps: int | None = None,
    ) -> Text:
        """From now on that text at that place.

        `fails`: it ends in an error of that message. Before any token that is HTTP 503, or 400 if the request
        is to `blame`. `status`: no completion at all, but that HTTP status.
        """
        text = Text(tokens, after, finish, fails, blame, status, steps, self.news)
        with self.news:
            self._texts.append(text)
        return text

    def text_for(self, call: Call) -> tuple[Text, tuple[str, ...]]:
        """What is said there, and its tokens from there on."""
        for text in reversed(self._texts):
            if (rest := text.rest(call.before)) is not None:
                return text, rest
        return Text((), "", "stop", "", "engine", 0, None, self.news), ()

    def loading(self, progress: float = 0.5) -> None:
        """Requests wait until it is `ready`."""
        self._generation.be(State(progress=progress))

    def ready(self) -> None:
        self._generation.be(_ready(self))

    def failed(self, message: str) -> None:
        """The model could not be loaded."""
        self._generation.be(State("failed", 0.0, message))

    @property
    def connections(self) -> int:
        """Clients that are connected now."""
        return 0 if self._server is None else len(self._server.server_state.connections)

    @property
    def running(self) -> bool:
        """False after /shutdown, `stop`, `vanish` or the end of the `with` block."""
        return self._thread.is_alive()

    def wait(self, look: Callable[[], Found]) -> Found:
        """The first value of `look` that is true."""
        deadline = time.monotonic() + PATIENCE
        with self.news:
            while not (found := look()):
                assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s; it got {self.calls}"
                self.news.wait(0.05)
        return found

    async def until(self, look: Callable[[], Found]) -> Found:
        """`wait`, for asynchronous tests."""
        return await asyncio.to_thread(self.wait, look)

    async def asked(self, n: int = 1) -> Call:
        """The n-th completion, once it is asked for."""
        await self.until(lambda: len(self.calls) >= n)
        return self.calls[n - 1]

    def stop(self) -> None:
        """As SIGTERM and /shutdown do: what is under way ends as cancelled, and the card goes."""
        if self._server is not None:
            self._generation.cancel_all()
            self._server.should_exit = True

    def vanish(self) -> None:
        """As SIGKILL does: connections break, the lock is free, card and socket stay and lead nowhere."""
        assert self._server is not None
        card = (self.folder / seam.CARD).read_bytes()
        for connection in list(self._server.server_state.connections):
            asyncio.run_coroutine_threadsafe(_break(connection), connection.loop).result(PATIENCE)
        self._server.force_exit = self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._generation.cancel_all()
        if self.token is None:
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(self.folder / seam.SOCKET))
        (self.folder / seam.CARD).write_bytes(card)

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait(lambda: self._trouble or (self._server is not None and self._server.started))
        if self._trouble is not None:
            raise self._trouble
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with seam.engine_lock(self.folder):
                self._serve()
        except (seam.Locked, seam.RuntimeFolderError) as error:
            self._trouble = error

    def _serve(self) -> None:
        with sockets.unix_socket(self.folder) if self.token is None else sockets.tcp_socket(0) as listener:
            app = _Api(self, self._generation).app()
            silent: Json = {"log_config": None, "access_log": False}
            config = uvicorn.Config(app, lifespan="off", timeout_graceful_shutdown=2, **silent)
            card = _card(self.model, self.folder, listener, self.token)
            self.url = card.url
            with seam.card_in(self.folder, card):
                (self.folder / seam.CARD).write_text(json.dumps(asdict(card) | self.card))
                self._server = uvicorn.Server(config)
                self._server.run(sockets=[listener])


class _Generation:
    """What routes.Api asks of generation.engine.Engine: tickets in, events out."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.state = _ready(engine)
        self.n_requests = 0
        self._engine, self._news = engine, engine.news
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
        ticket = _Ticket(request, emit, _arriving.get(), self._news)
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
        text, tokens = self._engine.text_for(call)
        allowed = tokens[: ticket.request.max_tokens]
        for token in allowed:
            if not ticket.wait(lambda: text.steps is None or n_sent < text.steps):  # noqa: B023
                break
            n_sent += 1
            call.sent += token
            ticket.emit(Delta(token, Timings(completion_tokens=1) if n_sent == 1 else None))
        timings = Timings(prompt_tokens=len(call.before.split()), completion_tokens=n_sent)
        if not ticket.wait(lambda: text.steps is None or n_sent < text.steps):
            return Done("cancelled", timings)
        if text.fails:
            return Failed(text.fails, text.blame)
        return Done(text.finish if allowed == tokens else "length", timings)


class _Ticket(Ticket):
    """One that tells who ended it, and whose writer hears of it at once."""

    def __init__(self, request: Request, emit: Emit, call: Call, news: threading.Condition) -> None:
        super().__init__(request, emit)
        self.call, self._news = call, news

    def cancel(self) -> None:
        """The client has gone, or has all."""
        with self._news:
            self.call.hung_up = not self.call.finish
            self.give_up()

    def give_up(self) -> None:
        super().cancel()
        self._news.notify_all()

    def wait(self, look: Callable[[], bool]) -> bool:
        """Until `look` is true; False: it was cancelled first."""
        with self._news:
            self._news.wait_for(lambda: self.cancelled or look())
        return not self.cancelled


class _Api(Api):
    """The real routes; requests are kept as they came."""

    def __init__(self, engine: ScriptedEngine, generation: _Generation) -> None:
        super().__init__(cast(Engine, generation), engine.model, engine.token, engine.stop)
        self._scripted = engine

    async def completions(self, http: HttpRequest) -> Response:
        call = Call(json.loads(await http.body()))
        with self._scripted.news:
            self._scripted.calls.append(call)
            self._scripted.news.notify_all()
        if status := self._scripted.text_for(call)[0].status:
            return JSONResponse(wire.error_body("As scripted.", "scripted"), status)
        _arriving.set(call)
        return await super().completions(http)

    async def health(self, http: HttpRequest) -> Response:
        told: Json = json.loads((await super().health(http)).body)
        return JSONResponse(told | self._scripted.health)


_arriving: ContextVar[Call] = ContextVar("_arriving")


def _ready(engine: ScriptedEngine) -> State:
    """With all of a model that /health asks for."""
    network = SimpleNamespace(
        config=SimpleNamespace(fim_trained=True),
        context=4096,
        n_parameters=0,
        weights_dtype="float32",
        device=torch.device("cpu"),
    )
    tokenizer = SimpleNamespace(fim_ids=(0, 1, 2))
    loaded = Loaded(engine.model, engine.folder, cast(Any, network), cast(Any, tokenizer), 1024, 128, 512)
    return State("ready", 1.0, "Ready.", loaded)


def _without(n: int, tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The tokens after the first `n` characters."""
    left = []
    for token in tokens:
        if token[n:]:
            left.append(token[n:])
        n = max(0, n - len(token))
    return tuple(left)


async def _break(connection: Any) -> None:
    connection.transport.abort()


if __name__ == "__main__":
    with ScriptedEngine(seam.runtime_folder(sys.argv[1])) as by_hand:
        by_hand.says(*sys.argv[2:])
        print("MIDFILL_RUNTIME_DIR=" + str(by_hand.folder), flush=True)
        try:
            while by_hand.running:
                time.sleep(0.1)
        except KeyboardInterrupt:
            print()
