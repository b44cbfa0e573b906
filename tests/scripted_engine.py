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

Who asks for several texts at once (`n`) gets what it `offers` there, each text whole, as a choice.

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
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, TypeVar

import uvicorn
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from midfill_model import seam
from midfill_model.generation.engine import State
from midfill_model.process import sockets, wire
from midfill_model.process.loading import told
from midfill_model.process.main import _card
from midfill_model.process.routes import Api

from .scripted_generation import Blame, Call, Finish, Generation, Json, Text, arriving, ready

PATIENCE = 60.0  # seconds, for what takes a moment: a slow machine is no failure

Found = TypeVar("Found")


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
        self.several: list[Call] = []
        """Those of several texts at once, which are not among them."""
        self.card, self.health = card or {}, health or {}
        self.url, self.token = "", "scripted" if tcp else None
        self.folder, self.model = folder, model
        self.news = threading.Condition()
        self._texts: list[Text] = []
        self._offers: list[Text] = []
        self._generation = Generation(model, folder, self.text_for, self.news)
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
        sure: Sequence[float] = (),
    ) -> Text:
        """From now on that text at that place.

        `sure`: the probability of each token, for whoever asks; without it the engine is sure of all.

        `fails`: it ends in an error of that message. Before any token that is HTTP 503, or 400 if the request
        is to `blame`. `status`: no completion at all, but that HTTP status.
        """
        text = Text(tokens, after, finish, fails, blame, status, steps, self.news, tuple(sure))
        with self.news:
            self._texts.append(text)
        return text

    def offers(self, *texts: str, after: str = "", steps: int | None = None, status: int = 0) -> Text:
        """From now on these, as choices, to who asks for several there; in `steps` each is one."""
        offer = Text(texts, after, "stop", "", "engine", status, steps, self.news)
        with self.news:
            self._offers.append(offer)
        return offer

    def loading(self, progress: float = 0.5) -> None:
        """Requests wait until it is `ready`."""
        self._generation.be(State(progress=progress))

    def ready(self) -> None:
        self._generation.be(ready(self.model, self.folder))

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

    def text_for(self, call: Call) -> tuple[Text, tuple[str, ...]]:
        """What is said there, and its tokens from there on."""
        if call.n > 1:
            here = [offer for offer in self._offers if call.before.endswith(offer.after)]
            offer = here[-1] if here else Text((), "", "stop", "", "engine", 0, None, self.news)
            return offer, offer.tokens[: call.n]
        for text in reversed(self._texts):
            if (rest := text.rest(call.before)) is not None:
                return text, rest
        return Text((), "", "stop", "", "engine", 0, None, self.news), ()

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
                try:
                    self._server.run(sockets=[listener])
                finally:  # it is another one than `card_in` has written
                    (self.folder / seam.CARD).unlink(missing_ok=True)


class _Api(Api):
    """The real routes; requests are kept as they came."""

    def __init__(self, engine: ScriptedEngine, generation: Generation) -> None:
        super().__init__(
            generation,
            lambda: told(generation.state),
            engine.model,
            engine.token,
            lambda _: engine.stop(),
        )
        self._scripted = engine

    async def completions(self, http: HttpRequest) -> Response:
        call = Call(json.loads(await http.body()))
        with self._scripted.news:
            (self._scripted.calls if call.n == 1 else self._scripted.several).append(call)
            self._scripted.news.notify_all()
        if status := self._scripted.text_for(call)[0].status:
            return JSONResponse(wire.error_body("As scripted.", "scripted"), status)
        arriving.set(call)
        return await super().completions(http)

    async def health(self, http: HttpRequest) -> Response:
        told: Json = json.loads(bytes((await super().health(http)).body))
        return JSONResponse(told | self._scripted.health)


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
