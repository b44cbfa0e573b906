"""The engine's process as a front sees it: found, started, stopped, and what it said at its end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import resource

from midfill_model import seam
from midfill_model.command_line import NAMES
from midfill_server.engines.backend import Backend, BackendError
from midfill_server.engines.http.connection import Address

_BEFORE_WORDS = re.compile(r"(?:midfill(?: engine)?: |[\d-]+ [\d:,]+ [A-Z]+ [\w.]+: )*")

_NO_MEMORY = re.compile(r"bad_alloc|\bMemoryError|Cannot allocate memory")  # as C++, Python and C say it

NOTHING = "it said nothing"
STOP_SECONDS = 15.0
DOCTOR_SECONDS = 60.0
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
    if card.socket is None and not seam.engine_lives(folder):  # whoever else may listen at that port by now
        return None
    backend = Backend(Address(card.url, card.socket, card.token))
    try:
        return Found(backend, card, await backend.health())
    except BaseException as error:
        backend.close()
        if isinstance(error, BackendError):
            return None
        raise


def start(folder: Path, model: str, options: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """An engine that outlives this server. -I: a user's folder cannot shadow our modules. OSError."""
    command = [sys.executable, "-I", "-m", "midfill_server", "engine", "--stay", "--model", _absolute(model)]
    flags = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    with seam.open_log(folder) as log:
        with suppress(OSError):  # the disk is full: then its words are lost, and nothing else
            log.write(seam.mark("starts"))  # which process it is, it says itself
        return subprocess.Popen(
            [*command, *options, "--runtime-dir", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=_environment(),
            start_new_session=True,
            creationflags=flags,
        )


async def stop(folder: Path, found: Found, drain: bool = False) -> None:
    """Ask the engine to stop, or to `drain` first, and wait until it has. Raises BackendError."""
    await found.backend.shutdown(drain)
    found.backend.close()
    patience = seam.Patience()
    while seam.engine_lives(folder):  # the lock says more than the pid, which a zombie has too
        if seam.read_card(folder) not in (None, found.card):  # another front was faster, and has the next
            return
        if patience.seconds() > STOP_SECONDS:
            raise BackendError(hangs(folder))
        await asyncio.sleep(POLL_SECONDS)


async def first_finding(settings: Mapping[str, Any]) -> str:
    """The first thing that `midfill doctor` finds to fail, as a sentence and a blank; else "".

    `settings` as an editor would send them.
    """
    command = [sys.executable, "-I", "-m", "midfill_server", "doctor", "--quick", "--json", "--settings", "-"]
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=nothing)
        try:
            async with asyncio.timeout(DOCTOR_SECONDS):
                told, _ = await process.communicate(json.dumps(settings).encode())
        finally:
            if process.returncode is None:
                process.kill()
        failing = [it for it in json.loads(told)["findings"] if it["level"] == "fail"]
        return f"{failing[0]['text']} {failing[0]['mend']} " if failing else ""
    except (OSError, TimeoutError, ValueError, KeyError, TypeError):
        return ""


def hangs(folder: Path) -> str:
    """What to say of an engine that holds its lock and does not answer."""
    if (pid := pid_of(folder)) is None:
        return f"The engine is starting, or ending, for long now: see {folder / seam.LOG}"
    hangs, mend = hanging(pid)
    return f"{hangs} {mend}"


def pid_of(folder: Path) -> int | None:
    """The process of an engine that lives, also of one that has no card yet, or none any more."""
    card = seam.read_card(folder)
    return seam.holder_of(seam.lock_file(folder)) if card is None else card.pid


def hanging(pid: int, key_starts: bool = True) -> tuple[str, str]:
    """What to say of an engine that hangs, and what to do; `key_starts`: whether a key starts another."""
    mend = f"End it with `{_end_of(pid)}`" + ("; the next key starts another" if key_starts else "")
    return f"The engine (process {pid}) hangs: it runs and does not answer.", mend


def heir_stays(folder: Path) -> str:
    """What to say of an engine that was to take another's place, and does not end when it should."""
    pid = seam.holder_of(seam.heir_file(folder))
    which, mend = (
        (f" (process {pid})", f": if it stays so, end it with `{_end_of(pid)}`") if pid else ("", "")
    )
    return f"The engine{which} that was to take the place of another version's does not end{mend}"


def _end_of(pid: int) -> str:
    return f"taskkill /F /PID {pid}" if sys.platform == "win32" else f"kill -9 {pid}"


def cannot_start(folder: Path, error: OSError) -> str:
    """What to say when the system refuses what starting an engine needs."""
    if refused := seam.refused(folder, error):
        return str(refused)
    return f"The engine cannot be started ({error.strerror or error}): make room for it, then restart it"


def last_words(folder: Path, pid: int | None = None) -> str:
    """The last line in the log of one engine, or of the newest: it leaves with a sentence that says why.

    What was said before an engine started, was ready or ended in order is not its last word.
    """
    parts = [it.split("\n") for it in seam.end_of_log(folder).split(f"\n{seam.MARK}")[1:]]
    if pid is not None:
        parts = [it for it in parts if it[0].split()[:1] == [str(pid)]]
    lines = parts[-1][1:] if parts else []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if _NO_MEMORY.search(last):
        if limit := address_limit():
            return f"there was not enough memory for it, which is {limited(limit)}: {RAISE_LIMIT}"
        return "there was not enough memory for it: close what else uses it, or take a smaller model"
    return _BEFORE_WORDS.sub("", last)[:300] or NOTHING


RAISE_LIMIT = "start it where `ulimit -v` says unlimited, or more than that"


def address_limit() -> int | None:
    """Bytes that each process started from here may map; it maps more than it uses."""
    if sys.platform == "win32":
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def limited(limit: int) -> str:
    return f"limited to {limit / 2**30:.1f} GiB by `ulimit -v`"


def why_it_ended(folder: Path, pid: int | None = None) -> str:
    """For people: its last words, or what may have taken them."""
    if (words := last_words(folder, pid)) != NOTHING:
        return words
    if lack := seam.no_room(folder):
        return f"{folder} cannot be written to ({lack}): make room on that disk"
    return f"{NOTHING}, as when the system ends it because memory runs out"


def ended_for_a_fault(folder: Path, pid: int) -> bool:
    """Whether that engine has said at its end that it had to, as the log tells."""
    return seam.mark(f"{pid} ends").decode() in seam.end_of_log(folder)


def _environment() -> dict[str, str]:
    """Ours; a folder in it is found from where this server runs."""
    found = dict(os.environ)
    if named := found.get("MIDFILL_CACHE_DIR"):
        found["MIDFILL_CACHE_DIR"] = os.path.abspath(os.path.expanduser(named))
    return found


def _absolute(model: str) -> str:
    """A folder or file of the user's is found from where this server runs; the engine runs elsewhere."""
    path = Path(model).expanduser()
    named = model not in NAMES and (path.exists() or model.startswith((".", "~")))
    return str(path.absolute()) if named else model
