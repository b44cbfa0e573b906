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
from enum import Enum

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


class _Word(Enum):
    """What the thread is told beside requests."""

    STOP = "stop"
    SLEEP = "sleep"


class DeviceLost(Exception):
    """The GPU answers no more: no later request can be served by this process."""


class Engine:
    """Owns the model. Every method may be called from every thread."""

    def __init__(
        self, load: Load, n_slots: int, cache_bytes: int, give_back: Callable[[], None] = lambda: None
    ) -> None:
        """`give_back`: called when nothing holds the model any more, so that its memory is the system's."""
        self.state = State()
        self.crash = ""
        """Why the thread has ended though nobody stopped it."""
        self.n_requests = 0
        self.n_steps = 0
        """Counts whatever the thread does; while something waits it grows at each layer of the network."""
        self.busy = False
        self._resting_since = time.monotonic()
        self._load, self._give_back = load, give_back
        self._n_slots = n_slots
        self._cache_bytes = cache_bytes
        self._inbox: queue.SimpleQueue[Ticket | _Word] = queue.SimpleQueue()
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
                emit(Failed(self.crash, "end"))
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

    def sleep(self) -> None:
        """Let the model leave the memory if there is nothing to do; the next request loads it again."""
        if self.state.status == "ready" and not self.state.asleep:
            self._inbox.put(_Word.SLEEP)

    def stop(self, timeout: float) -> None:
        """End the thread after the step that it is in."""
        self._inbox.put(_Word.STOP)
        self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while self._lives_until(self._loaded()) is _Word.SLEEP:
                if not self._sleeps():
                    return
        except DeviceLost:
            self._end_all(f"The GPU failed and answers no more; {state.NEXT}")
        except BaseException as error:
            log.exception("the generation thread failed")
            self._end_all(f"The generation thread failed ({type(error).__name__}); {state.NEXT}")

    def _lives_until(self, loaded: Loaded | None) -> _Word:
        """Serve, if there is a model. No frame above this one holds it."""
        return _Word.STOP if loaded is None else self._serve(loaded)

    def _sleeps(self) -> bool:
        """Without a model, until there is a request, which then is the first again; False: it shall end."""
        self._set(State("ready", 1.0, state.ASLEEP, asleep=True))
        self._give_back()
        while (it := self._inbox.get()) is _Word.SLEEP:
            pass
        if isinstance(it, Ticket):
            self.busy = True
            self._set(State())
            self._inbox.put(it)
        return it is not _Word.STOP

    def _loaded(self) -> Loaded | None:
        """The model. If it cannot be loaded, that is a state and no crash: every request is told so."""
        try:
            loaded = self._load(self._loads)
        except ModelError as error:
            self._refuse_all(str(error))
        except Exception as error:
            log.exception("loading failed")
            self._refuse_all(_not_loaded(error))
        else:
            self._set(State("ready", 1.0, "Ready.", loaded=loaded))
            return loaded
        return None

    def _loads(self, done: float) -> None:
        self._goes_on()
        self._set(State(progress=done))

    def _end_all(self, crash: str) -> None:
        with self._lock:
            self.crash = crash
            unfinished, self._unfinished = self._unfinished, set()
        self._set(State("failed", 0.0, crash))  # after `crash`: without that it could not load
        for ticket in unfinished:
            ticket.emit(Failed(crash, "end"))

    def _set(self, state: State) -> None:
        self.state = state

    def _refuse_all(self, message: str) -> None:
        self._set(State("failed", 0.0, message))
        self.busy = False
        while (ticket := self._inbox.get()) is not _Word.STOP:
            if isinstance(ticket, Ticket):
                self._end(ticket, Failed(message, "engine"))

    def _serve(self, loaded: Loaded) -> _Word:
        """Until it is told to stop, or to sleep while there is nothing to do."""
        network = loaded.network
        budget = self._cache_bytes // network.new_cache(1).nbytes  # tokens
        slots = Slots(network.new_cache, network.context, self._n_slots, budget)
        waiting: deque[Ticket] = deque()
        active: list[Completion] = []
        self._resting_since = time.monotonic()
        while True:
            self._goes_on()
            while not self._inbox.empty() or not (waiting or active):
                it = self._next()
                if it is _Word.STOP or (it is _Word.SLEEP and not self._unfinished):
                    return it
                waiting += [it] if isinstance(it, Ticket) else []
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

    def _goes_on(self) -> None:
        self.n_steps += 1  # by this thread alone

    def _next(self) -> Ticket | _Word:
        if self._inbox.empty():
            if self.busy:
                self._resting_since = time.monotonic()
            self.busy = False
        it = self._inbox.get()
        self._goes_on()
        self.busy = self.busy or isinstance(it, Ticket)
        return it

    def _start(self, ticket: Ticket, loaded: Loaded, slots: Slots) -> Completion | None:
        if ticket.cancelled:
            self._end(ticket, Done("cancelled", Timings()))
            return None
        try:
            return Completion(ticket, loaded, slots, self._goes_on)
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
                _free(error)
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
    _free(error, loaded.network.synchronize)
    if lacks_memory:
        return Failed(
            "There is not enough memory for this completion: close what else uses it, or give the engine "
            "a smaller --cache-mb.",
            "engine",
        )
    return Failed(f"{what} ({type(error).__name__}).", "engine")


def _free(error: Exception, synchronize: Callable[[], None] = lambda: None) -> None:
    """What torch keeps for later. DeviceLost: CUDA says so at every call from the first failure on.

    Whatever the first one was: torch's AcceleratorError, a RuntimeError, or what the driver told a kernel.
    """
    try:
        synchronize()
        torch.cuda.empty_cache()
    except Exception:
        raise DeviceLost from error


def _not_loaded(error: Exception) -> str:
    if _is_lack_of_memory(error):
        return "There is not enough memory to load the model: close what else uses it, or take a smaller one."
    said = str(error).strip().partition("\n")[0].rstrip(".")  # CUDA adds lines for who debugs kernels
    if said.startswith("CUDA"):
        mend = "see what `nvidia-smi` says, then restart the engine"
        return f"The GPU failed while the model was loaded ({said}): {mend}."
    return f"The model could not be loaded ({type(error).__name__}: {said})."


def _is_lack_of_memory(error: Exception) -> bool:
    """CPUs' and CUDA's own are plain RuntimeErrors in torch."""
    told = str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("DefaultCPUAllocator" in told or "out of memory" in told)
    )
