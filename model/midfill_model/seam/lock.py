"""File locks, which the system drops with their process; and how long another process is waited for.

A process that is stopped or hangs keeps its locks. So beside each that others wait for stands which process
holds it, in a file whose time says when that one last gave a sign of life.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from midfill_model.seam.card import write_private
from midfill_model.seam.plain import open_plain, read_plain

if sys.platform != "win32":
    import fcntl

PROBE_SECONDS = 1.0  # for longer nobody holds a lock just to see whether it is free
LONGEST_LOOK = 6.0  # seconds from one look to the next: a little more than an answer is waited for
SIGN_SECONDS = 1.0  # between two signs of life
START_SILENCE = 20.0  # seconds without one, after which who starts an engine is not waited for any more

SignOfLife = Callable[[], None]
"""To be called many times a second by who holds a lock."""


class Locked(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock; Locked if another process holds it for more than `seconds`. OSError as with any file."""
    from filelock import FileLock, Timeout  # 0.1 s, which a server's start need not wait for

    lock = FileLock(path, timeout=seconds, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise Locked(str(path)) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def signed(path: Path, seconds: float = 0.0) -> Iterator[SignOfLife]:
    """As `locked`; others can see which process holds it, and whether it gives signs of life."""
    sign, given = _sign_of(path), float("-inf")

    def give() -> None:
        nonlocal given
        if (now := time.monotonic()) - given < SIGN_SECONDS:
            return
        given = now
        with suppress(OSError):  # a full disk: then it is not known
            try:
                os.utime(sign)
            except FileNotFoundError:
                write_private(sign, str(os.getpid()))

    with locked(path, seconds):
        _remove(sign)  # one that was killed has left it
        give()
        try:
            yield give
        finally:
            _remove(sign)


def lock_file(folder: Path) -> Path:
    """What the engine of a runtime folder holds."""
    return folder / "engine.lock"


def engine_lock(folder: Path) -> AbstractContextManager[SignOfLife]:
    """Held for the engine's life, from before it loads anything."""
    return signed(lock_file(folder), PROBE_SECONDS)


def start_lock(folder: Path, silence: "Silence | None" = None) -> AbstractContextManager[SignOfLife]:
    """Held by who starts an engine, until that holds its own lock.

    With `silence`, that of who holds it: it is taken from one that is silent for long. Should that one go on,
    both start an engine, and one of these ends at once, as the other has the engine's lock. OSError.
    """
    path = folder / "start.lock"
    if silence is not None and _is_there_and_held(path) and silence.seconds(path) > START_SILENCE:
        _remove(_sign_of(path))  # first, so that nobody takes the next one's for it
        path.unlink(missing_ok=True)
    return signed(path)


def heir_lock(folder: Path) -> AbstractContextManager[SignOfLife]:
    """Held by an engine that loads to take the place of one of another version, until it has that."""
    return signed(heir_file(folder), PROBE_SECONDS)


def heir_file(folder: Path) -> Path:
    """What an heir holds."""
    return folder / "heir.lock"


def heir_lives(folder: Path) -> bool:
    """Whether there is one. OSError."""
    return _is_there_and_held(heir_file(folder))


def engine_lives(folder: Path) -> bool:
    """Whether an engine runs there: it may still be starting, be ending, or hang. OSError."""
    return _is_there_and_held(lock_file(folder))


def holder_of(path: Path) -> int | None:
    """The process that holds the lock, if one does; None where it has not told it."""
    with suppress(OSError, ValueError):
        pid = int(read_plain(_sign_of(path), 20))
        return pid if pid > 0 and _may_hold(pid, path) else None
    return None


def _may_hold(pid: int, path: Path) -> bool:
    """Whether that process has the lock's file open, or the system does not tell.

    Another container that shares the folder numbers its processes itself: here that one may be anything.
    """
    if not (processes := Path("/proc/self/fd")).is_dir():
        return True
    lock = path.stat()
    for file in (processes.parents[1] / str(pid) / "fd").iterdir():
        with suppress(OSError):  # closed by now
            if os.path.samestat(file.stat(), lock):
                return True
    return False


def silent_since(path: Path) -> float | None:
    """When its holder gave the last sign of life, as of time.time; None where that is not known."""
    with suppress(OSError):
        return _sign_of(path).stat().st_mtime
    return None


def _sign_of(path: Path) -> Path:
    return path.with_suffix(".pid")


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _is_there_and_held(path: Path) -> bool:
    try:
        return is_held(path)
    except FileNotFoundError:
        return False


def is_held(path: Path) -> bool:
    """Whether a process holds the lock. Who looks shares it, so that two who look do not see each other.

    OSError as with any file; it is not made.
    """
    if sys.platform == "win32":
        path.stat()
        try:
            with locked(path):
                return False
        except Locked:
            return True
    with open_plain(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


class Patience:
    """How long something has been waited for. A machine that has slept, or was stopped, has not waited."""

    def __init__(self, longest_look: float = LONGEST_LOOK) -> None:
        self._seconds, self._looked, self._longest_look = 0.0, time.monotonic(), longest_look

    def seconds(self) -> float:
        """To be asked at each look."""
        before, self._looked = self._looked, time.monotonic()
        self._seconds += min(self._looked - before, self._longest_look)
        return self._seconds


class Silence:
    """For how long who holds a lock has given no sign of life, as seen by one who waits for it."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self._patience = Patience()

    def seconds(self, path: Path) -> float:
        """To be asked at each look, while the lock is held."""
        sign = None
        with suppress(OSError):
            state = _sign_of(path).stat()
            sign = state.st_ino, state.st_mtime_ns
        if sign != self._last:
            self._last, self._patience = sign, Patience()
        return self._patience.seconds()
