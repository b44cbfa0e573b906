"""File locks, which the system drops with their process; and how long another process is waited for."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from midfill_model.seam.plain import open_plain

if sys.platform != "win32":
    import fcntl

PROBE_SECONDS = 1.0  # for longer nobody holds a lock just to see whether it is free
LONGEST_LOOK = 6.0  # seconds from one look to the next: a little more than an answer is waited for


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


def lock_file(folder: Path) -> Path:
    """What the engine of a runtime folder holds."""
    return folder / "engine.lock"


def engine_lock(folder: Path) -> AbstractContextManager[None]:
    """Held for the engine's life, from before it loads anything."""
    return locked(lock_file(folder), PROBE_SECONDS)


def start_lock(folder: Path, seconds: float = 0.0) -> AbstractContextManager[None]:
    """Held by who starts an engine, until that holds its own lock; `seconds` as `locked` has them."""
    return locked(folder / "start.lock", seconds)


def heir_lock(folder: Path) -> AbstractContextManager[None]:
    """Held by an engine that loads to take the place of one of another version, until it has that."""
    return locked(_heir_file(folder), PROBE_SECONDS)


def heir_lives(folder: Path) -> bool:
    """Whether there is one. OSError."""
    return _is_there_and_held(_heir_file(folder))


def _heir_file(folder: Path) -> Path:
    return folder / "heir.lock"


def engine_lives(folder: Path) -> bool:
    """Whether an engine runs there: it may still be starting, be ending, or hang. OSError."""
    return _is_there_and_held(lock_file(folder))


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
