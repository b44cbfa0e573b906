"""The runtime folder, where the engine and the fronts of one user meet, and nobody else; and the cache's."""

import errno
import os
import stat
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import grp
    import pwd

FILES = (
    *("engine.json", "engine.lock", "engine.log", "engine.log.1", "engine.pid", "engine.sock"),
    *("heir.lock", "heir.pid", "start.lock", "start.pid"),
)
"""What is written in the runtime folder by these names; no folder may be in the place of one."""

_ROOT = 0  # user and group


class RuntimeFolderError(Exception):
    """The runtime folder cannot be used, in one sentence that says what to do."""


def runtime_folder(given: str | Path | None = None) -> Path:
    """`given`, $MIDFILL_RUNTIME_DIR or the system's place; made private (0700) when missing, and checked.

    Whoever can write here could read the user's code, so an unsafe folder raises RuntimeFolderError.
    """
    named = given or os.environ.get("MIDFILL_RUNTIME_DIR") or _system_folder()
    try:
        folder = Path(named).expanduser().absolute()
        for it in (*reversed(folder.parents), folder):
            make_private(it)
        _check(folder)
        _check_files(folder)
    except OSError as error:
        if obstacle := what_stands_there(folder):
            raise RuntimeFolderError(
                f"The runtime folder {named} cannot be made, as {obstacle}; remove that, or set"
                " MIDFILL_RUNTIME_DIR to a private folder of your own."
            ) from None
        raise use_another(named, f"cannot be made ({error.strerror or error})") from None
    except (RuntimeError, ValueError):  # a home that is not known; a null byte
        raise use_another(named, "has a name that cannot be resolved") from None
    return folder


def make_private(folder: Path) -> None:
    """Private (0700), whatever the umask takes from it. One that is there stays as it is. OSError."""
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    made = folder.lstat()
    if stat.S_ISDIR(made.st_mode) and not made.st_mode & 0o077 and made.st_mode & 0o700 != 0o700:
        folder.chmod(0o700)


def what_stands_there(folder: Path) -> str:
    """What is in a folder's place, or in that of one above it, such as "/a/b is no folder"; else ""."""
    for it in (*reversed(folder.parents), folder):
        try:
            if not stat.S_ISDIR(it.stat().st_mode):
                return f"{it} is no folder"
        except FileNotFoundError:
            return f"{it} is a link to nowhere" if it.is_symlink() else ""
        except OSError as error:
            return f"{it} is a link that leads to itself" if error.errno == errno.ELOOP else ""
    return ""


def cache_folder() -> Path:
    """For what can be made again, such as packed copies: $MIDFILL_CACHE_DIR or the system's place."""
    import platformdirs

    named = os.environ.get("MIDFILL_CACHE_DIR") or platformdirs.user_cache_dir("midfill", appauthor=False)
    return Path(os.path.expanduser(named)).absolute()


def use_another(folder: str | Path, why: str) -> RuntimeFolderError:
    """The error for a folder that will not do, and that cannot be mended."""
    mend = "set MIDFILL_RUNTIME_DIR to a private folder of your own"
    return RuntimeFolderError(f"The runtime folder {folder} {why}; {mend}.")


def refused(folder: Path, error: OSError) -> RuntimeFolderError | None:
    """The error for a file in that folder that the system refuses; None where `error` is about another."""
    path = Path(os.fsdecode(error.filename or ""))
    why = f"cannot be used ({path.name}: {error.strerror or error})"
    return use_another(folder, why) if path.parent == folder else None


def no_room(folder: Path) -> str:
    """Why nothing can be written there, as the system says it; "" where it can."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(4096))
    except OSError as error:
        return error.strerror or str(error)
    return ""


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
    """OSError or RuntimeFolderError unless the folder is the user's alone, and nobody else can swap it.

    Looked at from the root down, so that what has to be mended first is said first.
    """
    if sys.platform != "win32":
        trusted = {os.getuid(), *_roots()}
        for above in _way_to(folder):
            if (state := above.lstat()).st_uid not in trusted:  # a link leads wherever its owner likes
                raise use_another(folder, f"can be replaced by another user, who owns {above}")
            if stat.S_ISDIR(state.st_mode) and not state.st_mode & stat.S_ISVTX and _is_open(state):
                raise _open_to_others(folder, f"can be replaced by others, who may write to {above}", above)
        target = folder.stat()
        if target.st_uid != os.getuid():
            raise use_another(folder, "belongs to another user")
        if target.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise _open_to_others(folder, "can be written by others", folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise use_another(folder, "is not writable")


def _check_files(folder: Path) -> None:
    for name in FILES:
        if (folder / name).is_dir():
            raise RuntimeFolderError(
                f"{folder / name} is a folder, where Midfill needs a file; remove it, or set"
                " MIDFILL_RUNTIME_DIR to a private folder of your own."
            )


def _way_to(folder: Path) -> Iterator[Path]:
    """The root, each folder and each link that a path leads through, before what it leads to."""
    at, names = Path(folder.anchor), list(reversed(folder.parts[1:]))
    yield at
    while names:
        at, before = at / names.pop(), at
        if at.is_symlink():
            yield at
            target = before / os.readlink(at)
            at = Path(target.anchor)
            names += reversed(target.parts[1:])
        elif names:
            yield at


def _is_open(state: os.stat_result) -> bool:
    """Whether anybody but the user and root may write there, as its mode says."""
    if state.st_mode & stat.S_IWOTH:
        return True
    return bool(state.st_mode & stat.S_IWGRP) and not _is_private(state.st_gid)


def _is_private(group: int) -> bool:
    """Whether nobody but the user and root is in a group; many systems give each user one of that kind."""
    if group == _ROOT:
        return True
    with suppress(KeyError):
        me, it = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(group)
        return it.gr_name == me and set(it.gr_mem) <= {me}
    return False


def _roots() -> set[int]:
    """Root, as files tell it: in a sandbox of its own users, as Flatpak's, it has the number of nobody."""
    with suppress(OSError, ValueError):
        users = [int(line.split()[0]) for line in Path("/proc/self/uid_map").read_text().splitlines()]
        if _ROOT not in users:
            return {_ROOT, int(Path("/proc/sys/kernel/overflowuid").read_text())}
    return {_ROOT}


def _open_to_others(folder: Path, why: str, which: Path) -> RuntimeFolderError:
    """Whose folder it is can close it."""
    if which.stat().st_uid != os.getuid():
        return use_another(folder, why)
    return RuntimeFolderError(f"The runtime folder {folder} {why}; run `chmod go-w {which}`.")
