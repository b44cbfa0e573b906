"""The engine's process as a front sees it: found, started, stopped, and what it said at its end."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from midfill_model import seam
from midfill_server.engines.backend import Backend, BackendError
from midfill_server.engines.http.connection import Address

LOG, OLD_LOG = "engine.log", "engine.log.1"
LONGEST_LOG = 1 << 20  # bytes; what is older is kept once, beside it
_BEFORE_WORDS = re.compile(r"(?:midfill(?: engine)?: |[\d-]+ [\d:,]+ [A-Z]+ [\w.]+: )*")
MARK = "=== engine "  # begins the line that stands before what one process says

STOP_SECONDS = 15.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Found:
    """An engine that answers."""

    backend: Backend
    card: seam.Card
    health: seam.Health


async def find(folder: Path) -> Found | None:
    """The engine that runs there, if it answers."""
    if (card := seam.read_card(folder)) is None:
        return None
    backend = Backend(Address(card.url, card.socket, card.token))
    try:
        return Found(backend, card, await backend.health())
    except BackendError:
        backend.close()
        return None


def start(folder: Path, model: str, options: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """An engine that outlives this server. -I: a user's folder cannot shadow our modules. OSError."""
    command = [sys.executable, "-I", "-m", "midfill_server", "engine", "--stay", "--model", _absolute(model)]
    flags = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    path = folder / LOG
    with suppress(OSError):
        if path.stat().st_size > LONGEST_LOG:
            path.replace(folder / OLD_LOG)
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "ab", buffering=0) as log:
        process = subprocess.Popen(
            [*command, *options, "--runtime-dir", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=_environment(),
            start_new_session=True,
            creationflags=flags,
        )
        log.write(f"\n{MARK}{process.pid}\n".encode())
    return process


async def stop(folder: Path, backend: Backend) -> None:
    """Ask the engine to stop, and wait until it has. Raises BackendError."""
    await backend.shutdown()
    backend.close()
    deadline = time.monotonic() + STOP_SECONDS
    while seam.engine_lives(folder):  # the lock says more than the pid, which a zombie has too
        if time.monotonic() > deadline:
            raise BackendError(hangs(folder))
        await asyncio.sleep(POLL_SECONDS)


def hangs(folder: Path) -> str:
    """What to say of an engine that holds its lock and does not answer."""
    if (card := seam.read_card(folder)) is None:
        return f"The engine is starting, or ending, for long now: see {folder / LOG}"
    end = f"taskkill /F /PID {card.pid}" if sys.platform == "win32" else f"kill -9 {card.pid}"
    return (
        f"The engine (process {card.pid}) hangs: it runs and does not answer. "
        f"End it with `{end}`; the next key starts another"
    )


def last_words(folder: Path, pid: int | None = None) -> str:
    """The last line in the log of one engine, or of the newest: it leaves with a sentence that says why."""
    try:
        text = (folder / LOG).read_text("utf-8", "replace")
    except OSError:
        text = ""
    _, mark, words = text.rpartition(f"\n{MARK}" if pid is None else f"\n{MARK}{pid}\n")
    if not mark:
        return "it said nothing"
    said, _, _ = words.partition(f"\n{MARK}")  # a later engine's
    lines = said.split("\n")[1:] if pid is None else said.split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return _BEFORE_WORDS.sub("", last)[:300] or "it said nothing"


def _environment() -> dict[str, str]:
    """Ours; a folder in it is found from where this server runs."""
    found = dict(os.environ)
    if named := found.get("MIDFILL_CACHE_DIR"):
        found["MIDFILL_CACHE_DIR"] = os.path.abspath(os.path.expanduser(named))
    return found


def _absolute(model: str) -> str:
    """A folder or file of the user's is found from where this server runs; the engine runs elsewhere."""
    path = Path(model).expanduser()
    named = model not in ("auto", "demo", "lite") and (path.exists() or model.startswith((".", "~")))
    return str(path.absolute()) if named else model
