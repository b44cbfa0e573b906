"""The card, `engine.json`: how a front finds the engine, and which it is."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from midfill_model.seam.folder import use_another
from midfill_model.seam.health import number, text, whole
from midfill_model.seam.plain import read_plain

CARD, SOCKET = "engine.json", "engine.sock"

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Names of this machine."""

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
        raw = json.loads(read_plain(folder / CARD, _LONGEST))
        return _card(raw, folder)
    except (OSError, ValueError, RecursionError):
        return None


def write_card(folder: Path, card: Card) -> None:
    write_private(folder / CARD, json.dumps(asdict(card)))


def forget_card(folder: Path) -> None:
    """What a killed engine, or somebody else, has left there: call under the lock."""
    with contextlib.suppress(OSError):
        (folder / CARD).unlink()


def write_private(path: Path, text: str) -> None:
    """A file that is readable by the user alone (0600), and whole at any moment. Raises OSError."""
    file, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(file, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
        os.replace(temporary, path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def card_in(folder: Path, card: Card) -> Iterator[Callable[[], Path | None]]:
    """The card is there exactly while the engine listens; its socket goes with it.

    Yields a question: which of the two has somebody removed, or replaced? What is another engine's stays.
    Raises RuntimeFolderError where it cannot be written.
    """
    try:
        write_card(folder, card)
    except OSError as error:
        raise use_another(folder, f"cannot be used ({CARD}: {error.strerror})") from None
    names = (CARD,) if card.socket is None else (CARD, SOCKET)
    ours = {folder / name: _mark(folder / name) for name in names}

    def lost() -> Path | None:
        with contextlib.suppress(OSError):  # it cannot be told now
            return next((path for path, mark in ours.items() if mark is None or _mark(path) != mark), None)
        return None

    try:
        yield lost
    finally:
        for path, mark in list(ours.items()):
            with contextlib.suppress(OSError):
                if mark is not None and _mark(path) == mark:
                    path.unlink()
                    del ours[path]  # by nobody else


def _mark(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of its name; None when there is none. OSError."""
    try:
        state = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return state.st_ino, state.st_mtime_ns


def _card(raw: Any, folder: Path) -> Card | None:
    if not isinstance(raw, dict):
        return None
    pid, url = whole(raw.get("pid")), text(raw.get("url"))
    socket, token = raw.get("socket"), raw.get("token")
    if not pid or pid < 0 or not url or not _is_here(url):
        return None
    if not (socket is None or (isinstance(socket, str) and _is_in(folder, socket))):
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


def _is_here(url: str) -> bool:
    """Whether it is an address of this machine: no card, whoever wrote it, sends anybody's code elsewhere."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in LOOPBACK and parts.port != 0  # ValueError: no port


def _is_in(folder: Path, socket: str) -> bool:
    return "\0" not in socket and os.path.isabs(socket) and os.path.samefile(os.path.dirname(socket), folder)
