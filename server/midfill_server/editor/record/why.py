"""Why is there no ghost text? The last requests of this window, for its editor and for `midfill why`.

`midfill/why` answers them. For a terminal they stand in a small private file in the runtime folder, which
goes when the window closes. They name the file and the place, and hold no text.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from midfill_model import seam

PREFIX = "why-"
SECONDS = 0.5  # the file follows the keys so late
LONGEST = 1 << 20  # bytes of one
LEFT_BEHIND = 24 * 3600.0  # seconds without a request


class WhyFile:
    """This window's file: `touch` after each request."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self._timer: asyncio.TimerHandle | None = None
        self._path: Path | None = None
        self._closed = False

    def touch(self) -> None:
        if self._timer is None and not self._closed:  # requests that the end cancels end behind it
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SECONDS, lambda: loop.run_in_executor(None, self._write))

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        self._timer = None
        with suppress(OSError, seam.RuntimeFolderError):
            if self._path is None:
                _sweep(seam.runtime_folder())
                self._path = seam.runtime_folder() / f"{PREFIX}{os.getpid()}"
            seam.write_private(self._path, "".join(f"{line}\n" for line in tuple(self.lines)))
            if self._closed:  # meanwhile: this is another thread
                self._path.unlink()


def last_requests() -> list[str]:
    """What the window that asked last has asked, oldest first. Raises seam.RuntimeFolderError."""
    newest: tuple[float, list[str]] = (0.0, [])
    for path in seam.runtime_folder().glob(PREFIX + "*"):
        with suppress(OSError, UnicodeDecodeError):
            if (written := path.stat().st_mtime) > newest[0]:
                newest = written, seam.read_plain(path, LONGEST).decode().splitlines()
    return newest[1]


def _sweep(folder: Path) -> None:
    """Delete what windows that were killed have left behind."""
    for path in folder.glob(PREFIX + "*"):
        if path.stat().st_mtime < time.time() - LEFT_BEHIND:
            path.unlink(missing_ok=True)
