"""Whether Midfill is paused in all windows: then none asks, and the engine's weights leave the memory."""

import errno
import os
from pathlib import Path

_FILE = "paused"


def pause(folder: Path) -> bool:
    """False if it was paused before. Raises OSError, as IsADirectoryError for a folder of that name."""
    _refuse_a_folder(folder / _FILE)
    try:
        os.close(os.open(folder / _FILE, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True


def resume(folder: Path) -> bool:
    """False if it was not paused. Raises as `pause` does."""
    _refuse_a_folder(folder / _FILE)
    try:
        (folder / _FILE).unlink()
    except FileNotFoundError:
        return False
    return True


def is_paused(folder: Path) -> bool:
    """Whatever has that name counts, a link to nowhere, too; what cannot be looked for is none."""
    return os.path.lexists(folder / _FILE)


def _refuse_a_folder(path: Path) -> None:
    """It counts as a pause, but cannot be ended as one; and systems differ in how they say so."""
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
