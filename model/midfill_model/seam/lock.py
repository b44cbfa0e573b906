"""File locks. The system drops them with their process, however that ends."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

PROBE_SECONDS = 1.0  # for longer nobody holds a lock just to see whether it is free


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


def engine_lock(folder: Path) -> AbstractContextManager[None]:
    """Held for the engine's life, from before it loads anything."""
    return locked(folder / "engine.lock", PROBE_SECONDS)


def start_lock(folder: Path) -> AbstractContextManager[None]:
    """Held by the front that starts an engine, until that holds its own lock."""
    return locked(folder / "start.lock")


def engine_lives(folder: Path) -> bool:
    """Whether an engine runs there: it may still be starting, be ending, or hang."""
    if not (folder / "engine.lock").exists():
        return False
    try:
        with locked(folder / "engine.lock"):
            return False
    except Locked:
        return True
