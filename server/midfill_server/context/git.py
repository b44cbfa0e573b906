"""What git says of a workspace's files: which ones it does not ignore. Runs in the collector's thread.

git knows what we cannot: global excludes, rules of folders above, worktrees, submodules. It is asked without
running any program that a repository names, and without waiting for its locks. None: it could not tell.
"""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

SECONDS = 5.0  # for one question
MOST_BYTES = 16_000_000  # of names
NESTED = 32  # submodules and repositories in a workspace that are asked, too

_LIST = ("ls-files", "--cached", "--others", "--exclude-standard", "-z")
_QUIETLY = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "protocol.allow=never")


def listed(root: Path) -> set[Path] | None:
    """All files below `root` that are not ignored, and those of repositories inside it.

    None where no git is, or no repository that it would read; none at all where it takes too long.
    """
    found: set[Path] = set()
    folders, until = [root], time.monotonic() + SECONDS
    for n, folder in enumerate(folders):
        answer = _run(folder, _LIST, until - time.monotonic())
        if n == 0 and (answer is None or answer[0] > 0):
            return None
        if answer is None or (answer[0] != 0 and len(answer[1]) < MOST_BYTES):
            continue  # what cannot be asked is not sent
        for name in os.fsdecode(answer[1]).split("\0")[:-1]:
            path = folder / name
            found.add(path)
            if len(folders) <= NESTED and (name.endswith("/") or _is_folder(path)):
                folders.append(path)
    return found


def program() -> str | None:
    """Where git is, if it is."""
    return shutil.which("git")


def _is_folder(path: Path) -> bool:
    """Whether it is one, and so a repository inside another; names with an ending are taken for files."""
    return len(path.suffix) not in range(2, 6) and path.is_dir() and not path.is_symlink()


def ignores(path: Path) -> bool | None:
    """Whether git ignores a file, which need not be there yet."""
    answer = _run(path.parent, ("check-ignore", "-q", "--", path.name), SECONDS)
    return None if answer is None or answer[0] not in (0, 1) else answer[0] == 0


def _run(folder: Path, words: tuple[str, ...], seconds: float) -> tuple[int, bytes] | None:
    git = program()
    if git is None or seconds <= 0:
        return None
    try:
        process = subprocess.Popen(
            (git, *_QUIETLY, *words),
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:  # no such folder; no right to run it
        return None
    late = threading.Timer(seconds, process.kill)
    late.daemon = True
    late.start()
    with process:
        assert process.stdout is not None
        out = process.stdout.read(MOST_BYTES)
        if len(out) == MOST_BYTES:
            process.kill()
    late.cancel()
    return process.returncode, out


def _environment() -> dict[str, str]:
    """Ours, without what points to another repository, and without anything that git would wait for."""
    kept = {name: it for name, it in os.environ.items() if not name.startswith("GIT_") or "_CONFIG" in name}
    return kept | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }
