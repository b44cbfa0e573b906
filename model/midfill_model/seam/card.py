"""The card, `engine.json`: how a front finds the engine, and which it is."""

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from midfill_model.seam.health import number, text, whole

CARD, SOCKET = "engine.json", "engine.sock"

_LONGEST = 1 << 16  # bytes


@dataclass(frozen=True, slots=True)
class Card:
    """What an engine writes about itself once it listens."""

    pid: int
    url: str
    """http://127.0.0.1:PORT, or any http URL where there is a socket."""
    socket: str | None = None
    """The path of the Unix socket."""
    token: str | None = field(default=None, repr=False)
    """What its HTTP wants as a bearer token."""
    model: str | None = None
    started: float | None = None
    """As of time.time."""
    version: str | None = None
    protocol: int | None = None


def read_card(folder: Path) -> Card | None:
    """The card of a runtime folder; None when there is none, half of one, or one that leads nowhere."""
    try:
        raw = json.loads(_read(folder / CARD))
        return _card(raw)
    except (OSError, ValueError, RecursionError):
        return None


def write_card(folder: Path, card: Card) -> None:
    write_private(folder / CARD, json.dumps(asdict(card)))


def write_private(path: Path, text: str) -> None:
    """A file that is readable by the user alone (0600), and whole at any moment. Raises OSError."""
    file, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def card_in(folder: Path, card: Card) -> Iterator[Callable[[], Path | None]]:
    """The card is there exactly while the engine listens; its socket goes with it.

    Yields a question: which of the two has somebody removed, or replaced? What is another engine's stays.
    """
    write_card(folder, card)
    ours = {path: mark for path in (folder / CARD, folder / SOCKET) if (mark := _mark(path)) is not None}

    def lost() -> Path | None:
        with contextlib.suppress(OSError):  # it cannot be told now
            return next((path for path, mark in ours.items() if _mark(path) != mark), None)
        return None

    try:
        yield lost
    finally:
        for path, mark in ours.items():
            with contextlib.suppress(OSError):
                if _mark(path) == mark:
                    path.unlink()


def _mark(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of its name; None when there is none. OSError."""
    try:
        state = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return state.st_ino, state.st_mtime_ns


def _read(path: Path) -> bytes:
    """OSError for what is no ordinary file: reading a pipe would wait for ever."""
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is not a file")
        return file.read(_LONGEST)


def _card(raw: Any) -> Card | None:
    if not isinstance(raw, dict):
        return None
    pid, url = whole(raw.get("pid")), text(raw.get("url"))
    socket, token = raw.get("socket"), raw.get("token")
    if not pid or pid < 0 or not url or not _is_http(url):
        return None
    if not (socket is None or (isinstance(socket, str) and socket and "\0" not in socket)):
        return None
    if not (token is None or (isinstance(token, str) and token.isascii() and token.isprintable())):
        return None
    return Card(
        pid,
        url,
        socket,
        token,
        model=text(raw.get("model")),
        started=number(raw.get("started")),
        version=text(raw.get("version")),
        protocol=whole(raw.get("protocol")),
    )


def _is_http(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and bool(parts.hostname) and parts.port != 0  # ValueError: no port at all
