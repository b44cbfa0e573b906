"""The runtime folder of this user: the engine's lock, socket and address card. No model, no HTTP."""

import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import platformdirs

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


SOCKET, CARD, LOCK = "engine.sock", "engine.json", "engine.lock"


class RuntimeFolderError(Exception):
    """The runtime folder cannot be used, in one sentence that says what to do."""


class AlreadyRunning(Exception):
    """Another process holds the lock."""


def runtime_folder(given: str | None) -> Path:
    """The given folder, $MIDFILL_RUNTIME_DIR, or the system's place; made private (0700) when missing."""
    named = (
        given
        or os.environ.get("MIDFILL_RUNTIME_DIR")
        or platformdirs.user_runtime_dir("midfill", appauthor=False)
    )
    folder = Path(named).absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RuntimeFolderError(_use_another(folder, f"cannot be made ({error.strerror})")) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RuntimeFolderError(_use_another(folder, "is not writable"))
    if sys.platform != "win32":
        owner = folder.stat()
        if owner.st_uid != os.getuid():
            raise RuntimeFolderError(_use_another(folder, "belongs to another user"))
        if owner.st_mode & 0o022:
            raise RuntimeFolderError(_use_another(folder, "can be written by others"))
    return folder


def engine_lock(folder: Path) -> AbstractContextManager[None]:
    """Held for the engine's life."""
    return locked(folder / LOCK)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """AlreadyRunning if another process holds it; the system drops it with the process, however that ends."""
    with path.open("a+b") as file:
        try:
            if sys.platform == "win32":
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning from None
        yield


def unix_socket(folder: Path) -> socket.socket:
    """Bind engine.sock (0600). Call under the lock: a socket found there then belongs to no living engine."""
    path = folder / SOCKET
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise RuntimeFolderError(_use_another(folder, f"cannot hold a socket ({error})")) from None
    finally:
        os.umask(before)
    listener.listen(128)  # from here on clients wait instead of failing
    return listener


def tcp_socket(port: int) -> socket.socket:
    """Bind localhost; port 0 takes a free one."""
    listener = socket.socket()
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise RuntimeFolderError(
            f"Port {port} cannot be used ({error.strerror}); give another --port."
        ) from None
    listener.listen(128)
    return listener


@contextmanager
def address_card(folder: Path, card: dict[str, Any]) -> Iterator[None]:
    """engine.json (0600), there exactly while the engine listens; how the front finds it."""
    path = folder / CARD
    file, temporary = tempfile.mkstemp(dir=folder, prefix=".engine.", suffix=".json")  # 0600
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        json.dump(card, stream)
    os.replace(temporary, path)
    try:
        yield
    finally:
        for left in (path, folder / SOCKET):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)


def _use_another(folder: Path, why: str) -> str:
    return f"The runtime folder {folder} {why}; set MIDFILL_RUNTIME_DIR to a private folder of your own."
