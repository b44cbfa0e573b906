"""The runtime folder: where the engine and the fronts of one user meet, and nobody else."""

import os
import stat
import sys
import warnings
from pathlib import Path

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class RuntimeFolderError(Exception):
    """The runtime folder cannot be used, in one sentence that says what to do."""


def runtime_folder(given: str | Path | None = None) -> Path:
    """`given`, $MIDFILL_RUNTIME_DIR or the system's place; made private (0700) when missing, and checked.

    Whoever can write here could read the user's code, so an unsafe folder raises RuntimeFolderError.
    """
    named = given or os.environ.get("MIDFILL_RUNTIME_DIR") or _system_folder()
    try:
        folder = Path(named).expanduser().absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check(folder)
    except OSError as error:
        raise use_another(named, f"cannot be made ({error.strerror or error})") from None
    except (RuntimeError, ValueError):  # a home that is not known; a null byte
        raise use_another(named, "has a name that cannot be resolved") from None
    return folder


def use_another(folder: str | Path, why: str) -> RuntimeFolderError:
    """The error for a folder that will not do."""
    return RuntimeFolderError(
        f"The runtime folder {folder} {why}; set MIDFILL_RUNTIME_DIR to a private folder of your own."
    )


def _system_folder() -> str:
    import platformdirs

    with (
        warnings.catch_warnings()
    ):  # it may fall back to a folder below /tmp, which is checked like any other
        warnings.simplefilter("ignore")
        try:
            return platformdirs.user_runtime_dir("midfill", appauthor=False)
        except OSError as error:
            raise use_another("of this system", f"cannot be used ({error.strerror or error})") from None


def _check(folder: Path) -> None:
    """OSError or RuntimeFolderError unless the folder is the user's alone."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise use_another(folder, "is not writable")
    if sys.platform == "win32":
        return
    trusted = (os.getuid(), 0)
    link, target, parent = folder.lstat(), folder.stat(), folder.parent.stat()
    if target.st_uid != os.getuid() or link.st_uid not in trusted:  # a link leads wherever its owner likes
        raise use_another(folder, "belongs to another user")
    if target.st_mode & OTHERS_WRITE:
        raise use_another(folder, "can be written by others")
    if parent.st_mode & stat.S_IWOTH and not parent.st_mode & stat.S_ISVTX:
        raise use_another(folder, "can be replaced by others, who may write to the folder above it")
