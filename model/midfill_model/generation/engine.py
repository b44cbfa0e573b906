"""The one generation thread: loads the model, then serves requests in turn, step by step.

What goes wrong in a request fails that request. What goes wrong outside one, or takes the GPU along, ends the
thread: `crash` then says so in a sentence, and the process has to end, too.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch

from midfill_model.checkpoint.config import ModelError
from midfill_model.generation.requests import state
from midfill_model.generation.requests.ticket import (
    Done,
    Emit,
    Failed,
    Request,
    RequestError,
    Ticket,
    Timings,
)

from .cache import Slots
from .completion import Completion, Loaded

Load = Callable[[Callable[[float], None]], Loaded]  # tells its progress, 0.0 … 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State(state.State):
    """The same, and the model once it is there."""

    loaded: Loaded | None = None


class DeviceLost(Exception):
    """The GPU answers no more: no later request can be served by this process."""


class Engine:
    """Owns the model. Every method may be called from every thread."""

    def __init__(self, load: Load, n_slots: int, cache_bytes: int) -> None:
        self.state = State()
        self.crash = ""
        """Why the thread has ended though nobody stopped it."""
        self.n_requests = 0
        self.busy = False
        self._resting_since = time.monotonic()
        self._load = load
        self._n_slots = n_slots
        self._cache_bytes = cache_bytes
        self._inbox: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()  # None: stop
        self._unfinished: set[Ticket] = set()
        self._lock = threading.Lock()  # guards _unfinished and n_requests
        self._thread = threading.Thread(target=self._run, name="generation", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def resting_seconds(self) -> float:
        """How long there has been nothing to do."""
        return 0.0 if self.busy else time.monotonic() - self._resting_since

    @property
    def n_unfinished(self) -> int:
        """Requests that wait or are being written."""
        return len(self._unfinished)

    def submit(self, request: Request, emit: Emit) -> Ticket:
        """Queue a request; an older one of the same slot is cancelled. One Done or Failed will come.

        Requests in the background are cancelled by any other, and at once while there is any other.
        """
        ticket = Ticket(request, emit)
        with self._lock:
            self.n_requests += 1
            if self.crash:
                emit(Failed(self.crash, "engine"))
                return ticket
            for older in self._unfinished:
                if older.request.background or (request.slot and older.request.slot == request.slot):
                    older.cancel()
                elif request.background and not older.cancelled:
                    ticket.cancel()
            self._unfinished.add(ticket)
        self._inbox.put(ticket)
        return ticket

    def cancel_all(self) -> None:
        with self._lock:
            for ticket in self._unfinished:
                ticket.cancel()

    def stop(self, timeout: float) -> None:
        """End the thread after the step that it is in."""
        self._inbox.put(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            if loaded := self._loaded():
                self._serve(loaded)
        except DeviceLost:
            self._end_all(f"The GPU failed and answers no more; {state.NEXT}")
        except BaseException as error:
            log.exception("the generation thread failed")
            self._end_all(f"The generation thread failed ({type(error).__name__}); {state.NEXT}")

    def _loaded(self) -> Loaded | None:
        """The model. If it cannot be loaded, that is a state and no crash: every request is told so."""
        try:
            loaded = self._load(lambda done: self._set(State(progress=done)))
        except ModelError as error:
            self._refuse_all(str(error))
        except Exception as error:
            log.exception("loading failed")
            self._refuse_all(f"The model could not be loaded ({type(error).__name__}: {error}).")
        else:
            self._set(State("ready", 1.0, "Ready.", loaded))
            return loaded
        return None

    def _end_all(self, crash: str) -> None:
        self._set(State("failed", 0.0, crash))
        with self._lock:
            self.crash = crash
            unfinished, self._unfinished = self._unfinished, set()
        for ticket in unfinished:
            ticket.emit(Failed(crash, "engine"))

    def _set(self, state: State) -> None:
        self.state = state

    def _refuse_all(self, message: str) -> None:
        self._set(State("failed", 0.0, message))
        while ticket := self._inbox.get():
            self._end(ticket, Failed(message, "engine"))

    def _serve(self, loaded: Loaded) -> None:
        network = loaded.network
        budget = self._cache_bytes // network.new_cache(1).nbytes  # tokens
        slots = Slots(network.new_cache, network.context, self._n_slots, budget)
        waiting: deque[Ticket] = deque()
        active: list[Completion] = []
        while True:
            while not self._inbox.empty() or not (waiting or active):
                if (ticket := self._next_ticket()) is None:
                    return
                waiting.append(ticket)
            # First what is cancelled, so that a newer request of the same document finds its slot free.
            active = [
                completion
                for completion in active
                if not completion.ticket.cancelled or self._step(completion)
            ]
            while waiting and len(slots):
                if completion := self._start(waiting.popleft(), loaded, slots):
                    active.append(completion)
            active = [completion for completion in active if self._step(completion)]

    def _next_ticket(self) -> Ticket | None:
        if self._inbox.empty():
            self._resting_since = time.monotonic()
            self.busy = False
        ticket = self._inbox.get()
        self.busy = True
        return ticket

    def _start(self, ticket: Ticket, loaded: Loaded, slots: Slots) -> Completion | None:
        if ticket.cancelled:
            self._end(ticket, Done("cancelled", Timings()))
            return None
        try:
            return Completion(ticket, loaded, slots)
        except RequestError as error:
            self._end(ticket, Failed(str(error), "request"))
        except Exception as error:
            self._end(ticket, _failed("A request could not be started", error, loaded))
        return None

    def _step(self, completion: Completion) -> bool:
        """One step of one request; whether it goes on."""
        end: Done | Failed | None
        try:
            end = completion.step()
        except Exception as error:
            if _is_lack_of_memory(error) and completion.try_again():
                log.warning("out of memory: the caches of idle documents are given up")
                torch.cuda.empty_cache()
                return True
            end = _failed("Generation failed", error, completion.loaded)
        if end is None:
            return True
        completion.close()
        self._end(completion.ticket, end)
        return False

    def _end(self, ticket: Ticket, event: Done | Failed) -> None:
        with self._lock:
            self._unfinished.remove(ticket)
        ticket.emit(event)


def _failed(what: str, error: Exception, loaded: Loaded) -> Failed:
    """One request fails; the engine goes on, unless its device is lost: DeviceLost."""
    lacks_memory = _is_lack_of_memory(error)
    if lacks_memory:
        log.error("%s: out of memory", what)
    else:
        log.exception(what)
    try:
        loaded.network.synchronize()
        torch.cuda.empty_cache()
    except Exception:  # CUDA says so at every call from the first failure on
        raise DeviceLost from error
    if lacks_memory:
        return Failed(
            "There is not enough memory for this completion: close what else uses it, or give the engine "
            "a smaller --cache-mb.",
            "engine",
        )
    return Failed(f"{what} ({type(error).__name__}).", "engine")


def _is_lack_of_memory(error: Exception) -> bool:
    """CPUs' and CUDA's own are plain RuntimeErrors in torch."""
    told = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("DefaultCPUAllocator" in told or "out of memory" in told)
    )
