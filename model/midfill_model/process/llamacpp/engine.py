"""The engine whose network is llama.cpp: the same face as generation/engine.py, a thread for each request."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from midfill_model import seam
from midfill_model.checkpoint.config import ModelError
from midfill_model.checkpoint.gguf import Metadata, read_metadata
from midfill_model.checkpoint.gguf_name import resolve_gguf
from midfill_model.generation.requests.prompt import Budgets
from midfill_model.generation.requests.state import ASLEEP, NEXT, State
from midfill_model.generation.requests.ticket import (
    Done,
    Emit,
    Failed,
    Request,
    RequestError,
    Ticket,
    Timings,
)

from .server import Gone, Options, Server
from .vocabulary import Vocabulary
from .writing import Model, Writing

_END_SECONDS = 2.0  # from a lost connection until the end of the process is known
_LONG_PROMPTS_FROM = 16_384  # tokens that a model was trained for

log = logging.getLogger(__name__)


class Engine:
    """Owns llama.cpp's process. Every method may be called from every thread."""

    def __init__(self, model: str, name: str, folder: Path, options: Options, reason: str = "") -> None:
        """`model`: a path or a name; `name`: what users read; `reason`: why `auto` took it."""
        self.state = State()
        self.crash = ""
        """Why it cannot go on though nobody stopped it."""
        self.n_requests = 0
        self._wanted, self._name, self._folder, self._options = model, name, folder, options
        self._about = seam.Health(reason=reason)
        self._server: Server | None = None
        self._model: Model | None = None
        self._stopping = False
        self._resting_since = time.monotonic()
        self._unfinished: set[_Ticket] = set()
        self._news = threading.Condition()  # guards all of these
        self._thread = threading.Thread(target=self._run, name="llama.cpp", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def n_steps(self) -> int:
        """Grows while something waits, with each token, and each batch of a prompt."""
        return 0 if self._server is None else self._server.n_heard

    @property
    def pid(self) -> int | None:
        """llama.cpp's process."""
        return None if self._server is None else self._server.pid

    def kill(self) -> None:
        """End llama.cpp's process at once, for it hangs."""
        if self._server is not None:
            self._server.kill()

    @property
    def busy(self) -> bool:
        return bool(self._unfinished)

    @property
    def n_unfinished(self) -> int:
        return len(self._unfinished)

    def resting_seconds(self) -> float:
        return 0.0 if self.busy else time.monotonic() - self._resting_since

    def told(self) -> seam.Health:
        """Of the model that is loaded what /health tells."""
        if self._server is None:
            return self._about
        held = _resident(os.getpid()) + (_resident(self._server.pid or 0) if self._model else 0)
        return seam.Health(
            reason=self._about.reason, model=self._about.model, memory={"resident": held} if held else {}
        )

    def submit(self, request: Request, emit: Emit) -> Ticket:
        """Begin a request; an older one of the same slot is cancelled. One Done or Failed will come.

        Requests in the background are cancelled by any other, and at once while there is any other.
        """
        ticket = _Ticket(request, emit)
        with self._news:
            self.n_requests += 1
            for older in self._unfinished:
                if older.request.background or (request.slot and older.request.slot == request.slot):
                    older.cancel()
                elif request.background and not older.cancelled:
                    ticket.cancel()
            self._unfinished.add(ticket)
        threading.Thread(target=self._answer, args=(ticket,), name="completion", daemon=True).start()
        return ticket

    def cancel_all(self) -> None:
        with self._news:
            for ticket in self._unfinished:
                ticket.cancel()

    def sleep(self) -> None:
        """End llama.cpp's process if there is nothing to do; the next request starts it again."""
        with self._news:
            if self._unfinished or self.state.status != "ready" or self.state.asleep:
                return
            self.state, self._model = State("ready", 1.0, ASLEEP, asleep=True), None
            self._news.notify_all()
        if self._server is not None:  # it may take a moment to end, and who tells us to sleep must not wait
            threading.Thread(target=self._server.end, name="end of llama.cpp", daemon=True).start()

    def stop(self, timeout: float) -> None:
        """End llama.cpp's process."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        if self._server is not None:
            self._server.end()
        self._thread.join(timeout)

    def _run(self) -> None:
        while self._serves() and not self._stopping:
            with self._news:  # asleep, until there is a request
                self._news.wait_for(lambda: self._unfinished or self._stopping)
                self.state = State()

    def _serves(self) -> bool:
        """Load the model and let it answer; True when it has left the memory because it was told to."""
        try:
            server = self._load()
        except ModelError as error:
            log.error("%s", error)
            self._set(State("failed", 0.0, str(error)))
        except Exception as error:
            log.exception("loading failed")
            self._set(State("failed", 0.0, f"The model could not be loaded ({type(error).__name__})."))
        else:
            code = server.wait()
            if self.state.asleep:
                return True
            if not self._stopping:
                crash = f"llama.cpp's process ended (code {code}); {NEXT}"
                self._set(State("failed", 0.0, crash), crash)
        return False

    def _load(self) -> Server:
        path = resolve_gguf(self._wanted)
        metadata = read_metadata(path)
        if (signs := metadata.signs()) is None:
            raise ModelError(
                f"{path.name} cannot fill in the middle: its vocabulary has no signs for that. Take a base "
                "model that was trained for it, such as DeepSeek-Coder-V2-Lite-Base or Qwen2.5-Coder."
            )
        server = Server(path, self._folder, _fitted(self._options, metadata))
        with self._news:
            self._server = server
        server.start()
        vocabulary = Vocabulary(server, signs, metadata.control)
        meta = server.ask("GET", "/v1/models")["data"][0]["meta"]
        on_gpu = server.device != "cpu"
        is_long = on_gpu and metadata.context >= _LONG_PROMPTS_FROM
        budgets = seam.LARGE if is_long else seam.SMALL
        about = seam.Model(
            id=self._name,
            path=str(path),
            fim=True,
            fim_trained=not metadata.is_for_chat,
            parameters=meta["n_params"],
            dtype=metadata.kind,
            device=server.device,
            context=meta["n_ctx"],
            budgets=budgets,
        )
        self._about = seam.Health(reason=self._about.reason, model=about)
        self._model = Model(server, vocabulary, meta["n_ctx"], Budgets(*budgets))
        self._set(State("ready", 1.0, "Ready."))
        return server

    def _set(self, state: State, crash: str = "") -> None:
        with self._news:
            self.state, self.crash = state, crash
            self._news.notify_all()

    def _answer(self, ticket: _Ticket) -> None:
        end: Done | Failed
        try:
            end = self._written(ticket)
        except Gone:
            end = Done("cancelled", Timings())
            if not ticket.cancelled:
                with self._news:  # of a process that ends its connections go first
                    if not self._news.wait_for(lambda: self.crash, _END_SECONDS):
                        self.kill()  # it is of no use, and must not stay
                        self._news.wait_for(lambda: self.crash, _END_SECONDS)
                end = Failed(self.crash or f"llama.cpp does not answer any more; {NEXT}", "end")
        except RequestError as error:
            end = Failed(str(error), "request")
        except Exception as error:
            log.error("a completion failed: %s", type(error).__name__)  # its words may hold a user's text
            end = Failed(f"The completion failed ({type(error).__name__}).", "engine")
        with self._news:
            self._unfinished.remove(ticket)
            self._resting_since = time.monotonic()
        ticket.emit(end)

    def _written(self, ticket: _Ticket) -> Done | Failed:
        with self._news:
            self._news.notify_all()  # it may be asleep
            while (self.state.status == "loading" or self.state.asleep) and not ticket.cancelled:
                self._news.wait(0.1)
            model, state = self._model, self.state
        if ticket.cancelled:
            return Done("cancelled", Timings())
        if model is None or state.status == "failed":
            return Failed(state.message, "end" if self.crash else "engine")
        writing = Writing(ticket.request, model, ticket.emit, ticket.on_cancel)
        return writing.run(lambda: ticket.cancelled, ticket.submitted)


class _Ticket(Ticket):
    """One whose connection to llama.cpp is closed when it is cancelled."""

    def __init__(self, request: Request, emit: Emit) -> None:
        super().__init__(request, emit)
        self._hang_up: Callable[[], None] | None = None

    def on_cancel(self, hang_up: Callable[[], None]) -> None:
        """What ends it; at once if it was cancelled before."""
        self._hang_up = hang_up
        if self.cancelled:
            hang_up()

    def cancel(self) -> None:
        super().cancel()
        if self._hang_up is not None:
            self._hang_up()


def _fitted(options: Options, metadata: Metadata) -> Options:
    """No longer a context than the model was trained for."""
    if (trained := metadata.context) <= 0:
        return options
    return replace(
        options,
        context=min(options.context, trained),
        gpu_context=min(options.gpu_context, trained),
    )


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return 0
