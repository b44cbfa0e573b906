"""Which windows are open: each holds a lock in the runtime folder, which the system drops however it ends."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from midfill_model.seam.folder import make_private
from midfill_model.seam.lock import Locked, is_held, locked

FOLDER = "windows"
_BEGUN = 60.0  # seconds after which a file that nobody holds was left behind


class Window:
    """An editor's window that uses the engine of a runtime folder: without any, that ends."""

    def __init__(self) -> None:
        self._held = ExitStack()

    def open(self, folder: Path) -> None:
        """From now on, also anew where somebody has emptied the folder. Where it cannot be told it is not."""
        self.close()
        with suppress(OSError, Locked):
            self._held.enter_context(_held(folder / FOLDER))

    def close(self) -> None:
        self._held.close()


@contextmanager
def _held(place: Path) -> Iterator[None]:
    make_private(place)
    path = place / f"{os.getpid()}-{token_hex(4)}"
    try:
        with locked(path):
            yield
    finally:
        with suppress(OSError):
            path.unlink()


def count_windows(folder: Path) -> int:
    """How many are open; what killed ones have left behind is removed."""
    n = 0
    for path in (folder / FOLDER).glob("*"):
        with suppress(OSError):  # it has just gone
            if is_held(path):
                n += 1
            elif time.time() - path.stat().st_mtime > _BEGUN:
                path.unlink()
    return n
