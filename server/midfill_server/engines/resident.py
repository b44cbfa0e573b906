"""The one engine of this user: find it, or start it; say how it is. Knows no documents and no LSP.

The engine holds a lock and writes `engine.json` once it listens; a server that finds none starts one. Two
servers that do so at the same moment end with one engine, because the second cannot take the lock and leaves.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from midfill_server.engines.backend import Address, Backend, BackendError, Chunk, Order

LISTEN_SECONDS = 60.0  # from the start of an engine until it listens; loading comes later
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
RETRY_SECONDS = 20.0  # an engine that failed is not started again by the next keystroke


class State(Enum):
    OFF = "off"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Status:
    """How the engine is; `progress` runs from 0 to 1 while it loads."""

    state: State
    message: str = ""
    model: str | None = None
    progress: float = 0.0
    warning: str = ""
    """What the user should be told although it works."""
    device: str | None = None
    """cpu, or a GPU's name."""


class Resident:
    """The engine as one server sees it. `report` hears of every change of state."""

    def __init__(self, report: Callable[[Status], None]) -> None:
        self.model = "auto"
        self.budgets: tuple[int, int, int] | None = None
        """Tokens of prefix, suffix and context that the model was made for, once it is known."""
        self._report = report
        self._backend: Backend | None = None
        self._starting = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: tuple[float, BackendError] | None = None

    async def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        """A completion from the engine, which is started if need be, and once more if it has died."""
        for attempt in (1, 2):
            backend = await self.backend()
            answered = False
            try:
                async with aclosing(backend.stream(order)) as chunks:
                    async for chunk in chunks:
                        answered = True
                        yield chunk
                return
            except BackendError as error:
                if error.gone:
                    await self._forget(backend)
                if not error.gone or answered or attempt == 2:
                    raise

    async def backend(self) -> Backend:
        """A client for the running engine. Raises BackendError when there is none and none can be started."""
        if self._backend is not None:
            return self._backend
        async with self._starting:
            if self._backend is None:
                if self._failure and time.monotonic() < self._failure[0]:
                    raise self._failure[1]
                try:
                    self._backend = await self._find_or_start()
                except BackendError as error:
                    self._fail(error)
                    raise
                self._watching = asyncio.create_task(self._watch(self._backend))
        return self._backend

    async def restart(self) -> None:
        """Stop the engine, whoever uses it, and start one with this server's model. Raises BackendError."""
        async with self._starting:
            if self._watching is not None:
                self._watching.cancel()
            if self._backend is not None:
                await self._forget(self._backend)
            try:
                folder = runtime_folder()
                if (found := await find(folder)) is not None:
                    await stop(folder, found)
            except BackendError as error:
                self._fail(error)
                raise
            self._failure = None
        await self.backend()

    def use(self, model: str) -> None:
        """Settings changed: from now on that model, and a failed engine may be tried again."""
        self._failure = None
        self.model = model
        if self._backend is not None:  # one engine for all windows: it is not replaced, but said
            self._watching = asyncio.create_task(self._watch(self._backend))

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        if self._backend is not None:
            await self._backend.close()

    async def _find_or_start(self) -> Backend:
        folder = runtime_folder()
        if (found := await find(folder)) is not None:
            if await _works(found):
                return found
            await stop(folder, found)  # it could not load its model, which may be mended by now
        self._report(Status(State.STARTING, "Starting the engine"))
        self._process = start(folder, self.model)
        deadline = time.monotonic() + LISTEN_SECONDS
        while time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
            if (found := await find(folder)) is not None:
                return found
            if code := self._process.poll():
                raise BackendError(f"The engine stopped while starting: {last_words(folder)}")
            if code == 0:  # another engine holds the lock: it will be found, or it was on its way out
                self._process = start(folder, self.model)
        raise BackendError(
            f"The engine did not start within {LISTEN_SECONDS:.0f} seconds: see {folder / LOG}"
        )

    async def _watch(self, backend: Backend) -> None:
        """Report the loading of the model, until it is ready or failed."""
        while True:
            try:
                health = await backend.health()
            except BackendError:
                await self._forget(backend)
                self._fail(BackendError(f"The engine stopped while loading: {last_words(runtime_folder())}"))
                return
            status = status_of(health)
            if status.state is State.FAILED:
                await backend.shutdown()  # so that the next attempt starts afresh
                await self._forget(backend)
                self._fail(BackendError(status.message))
                return
            warning = _other_model(status.model, self.model) or _untrained(health)
            self.budgets = _budgets(health) or self.budgets
            self._report(replace(status, warning=warning))
            if status.state is State.READY:
                return
            await asyncio.sleep(5 * POLL_SECONDS)

    def _fail(self, error: BackendError) -> None:
        self._failure = (time.monotonic() + RETRY_SECONDS, error)
        self._report(Status(State.FAILED, str(error)))

    async def _forget(self, backend: Backend) -> None:
        if self._backend is backend:
            self._backend = None
            await backend.close()
        if self._process is not None:
            self._process.poll()  # collect it if it has ended, so that no zombie stays


def _budgets(health: dict[str, Any]) -> tuple[int, int, int] | None:
    told = health["model"].get("budgets")
    return (told["prefix"], told["suffix"], told["context"]) if told else None


LOG = "engine.log"


def runtime_folder() -> Path:
    """Where engine and servers meet: ours alone. Raises BackendError."""
    folder = Path(os.environ.get("MIDFILL_RUNTIME_DIR") or _system_folder())
    mend = "set MIDFILL_RUNTIME_DIR to a folder of your own"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
    except OSError as error:
        raise BackendError(f"Cannot use the runtime folder {folder} ({error.strerror}); {mend}") from error
    if os.name == "posix" and owner != os.getuid():
        raise BackendError(f"The runtime folder {folder} belongs to another user; {mend}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BackendError(f"The runtime folder {folder} is not writable; {mend}")
    return folder


def _system_folder() -> str:
    import platformdirs

    with warnings.catch_warnings():  # it falls back to a folder below /tmp, which is checked like any other
        warnings.simplefilter("ignore")
        return platformdirs.user_runtime_dir("midfill", appauthor=False)


async def _works(backend: Backend) -> bool:
    try:
        return status_of(await backend.health()).state is not State.FAILED
    except BackendError:
        return False


def _locked(folder: Path) -> bool:
    """Whether an engine lives: it holds its lock from its first moment to its last."""
    if sys.platform == "win32":
        return registered(folder) is not None
    import fcntl

    with suppress(FileNotFoundError), open(folder / "engine.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def registered(folder: Path) -> dict[str, Any] | None:
    """What the running engine wrote about itself; None when there is no such file, or half of one."""
    try:
        record = json.loads((folder / "engine.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and {"url", "pid"} <= record.keys() else None


async def find(folder: Path) -> Backend | None:
    """A client for the engine that runs there, if one answers."""
    if (record := registered(folder)) is None:
        return None
    await asyncio.to_thread(__import__, "httpx")  # 150 ms in which the editor is still answered
    address = Address(record["url"], record.get("socket"), record.get("token"))
    backend = Backend(address, str(record.get("model")), "ours")
    try:
        await backend.health()
    except BackendError:
        await backend.close()
        return None
    return backend


async def stop(folder: Path, backend: Backend) -> None:
    """Ask the engine to stop, and wait until it has. Raises BackendError."""
    await backend.shutdown()
    await backend.close()
    deadline = time.monotonic() + STOP_SECONDS
    while _locked(folder):  # the lock says more than the pid, which a zombie has too
        if time.monotonic() > deadline:
            raise BackendError("The engine does not stop; end its process (see `midfill status`)")
        await asyncio.sleep(POLL_SECONDS)


def start(folder: Path, model: str) -> subprocess.Popen[bytes]:
    """An engine that outlives this server. -I: a user's folder cannot shadow our modules."""
    command = [sys.executable, "-I", "-m", "midfill_server", "engine", "--model", model]
    flags = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    with open(os.open(folder / LOG, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "ab") as log:
        return subprocess.Popen(
            [*command, "--runtime-dir", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
            creationflags=flags,
        )


def last_words(folder: Path) -> str:
    """The last line of the engine's log: it leaves with one sentence that says why."""
    try:
        lines = (folder / LOG).read_text("utf-8", "replace").replace("midfill: ", "").split("\n")
    except OSError:
        lines = []
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "it said nothing")


UNTRAINED = (
    "This model was not trained to fill in the middle, so expect poor completions; "
    "`midfill download lite` fetches one that was"
)


def _untrained(health: dict[str, Any]) -> str:
    model = health.get("model")
    return UNTRAINED if isinstance(model, dict) and model.get("fim_trained") is False else ""


def _other_model(running: str | None, wanted: str) -> str:
    name = wanted if wanted in ("auto", "demo", "lite") else Path(wanted).name
    if name in ("auto", running) or running is None:
        return ""
    return f"The engine runs the model {running}, not {name}; after `midfill stop` the next key starts {name}"


def status_of(health: dict[str, Any]) -> Status:
    """The engine's /health as a Status."""
    state = {"ready": State.READY, "failed": State.FAILED}.get(str(health.get("status")), State.LOADING)
    model = health.get("model")
    return Status(
        state,
        str(health.get("message") or ""),
        model.get("id") if isinstance(model, dict) else None,
        float(health.get("progress") or 0.0),
        device=model.get("device") if isinstance(model, dict) else None,
    )
