"""The engine's log: where it is, whose words are whose, and that it stays small. No user's text is in it."""

import logging
import os
import shutil
import traceback
from contextlib import suppress
from io import FileIO
from pathlib import Path
from types import TracebackType

from midfill_model.seam.plain import check_plain, open_plain

LOG, OLD_LOG = "engine.log", "engine.log.1"
LONGEST_LOG = 1 << 20  # bytes; what is older is kept once, beside it
_FRESH = os.O_CREAT | os.O_EXCL | os.O_WRONLY
MARK = "=== engine "
"""Begins a line between what engines say: a start, or a process and what has become of it."""


class WithoutText(logging.Formatter):
    """Tells where an exception came from and its type, not its message: that may quote a user's text."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatException(
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        kind, _, frames = ei
        return "".join([*traceback.format_tb(frames), kind.__name__ if kind else ""])


def mark(what: str) -> bytes:
    """The line before which nothing is said of what comes: "starts", or an engine's process, "7 is ready"."""
    return f"\n{MARK}{what}\n".encode()


def note(folder: Path, what: str = "") -> None:
    """A mark of this engine, also by one whose words go elsewhere: older words are no news from here on.

    Where there is no log, none is begun.
    """
    with suppress(OSError):
        check_plain(folder / LOG, (folder / LOG).stat())
        file = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, mark(f"{os.getpid()} {what}".strip()))
        finally:
            os.close(file)


def open_log(folder: Path) -> FileIO:
    """To write at its end. What is no plain file makes way; where there can be none, nothing is kept."""
    path = folder / LOG
    with suppress(OSError):
        try:
            check_plain(path, path.stat())
        except FileNotFoundError:
            pass
        except OSError:
            path.unlink()
        else:
            if path.stat().st_size > LONGEST_LOG:
                path.replace(folder / OLD_LOG)
    try:
        return open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "ab", buffering=0)
    except OSError:
        return open(os.devnull, "ab", buffering=0)


def end_of_log(folder: Path) -> str:
    """As much of it as is kept; nothing where there is none."""
    try:
        with open_plain(folder / LOG) as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LONGEST_LOG))
            return log.read(LONGEST_LOG).decode("utf-8", "replace")
    except OSError:
        return ""


def keep_short(folder: Path, file: int) -> bool:
    """What is too long for `file`, a descriptor, moves to the old log; whether it did.

    The file stays the same one, for whatever writes to it: only a descriptor that appends can be cut so.
    Another file than the log is left alone. OSError.
    """
    log = folder / LOG
    size = os.fstat(file).st_size
    if size <= LONGEST_LOG or not log.exists() or not os.path.samestat(os.fstat(file), log.stat()):
        return False
    (folder / OLD_LOG).unlink(missing_ok=True)  # whatever it is: a link would be followed
    with open_plain(log) as new, open(os.open(folder / OLD_LOG, _FRESH, 0o600), "wb") as old:
        shutil.copyfileobj(new, old)
    os.truncate(file, 0)
    os.write(file, mark(str(os.getpid())))
    return True
