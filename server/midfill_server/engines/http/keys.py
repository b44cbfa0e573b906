"""The keys of servers, from the environment or from a file of one's own; in no message and in no log."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from midfill_model import seam
from midfill_server.settings import Settings

_LONGEST = 1 << 14  # bytes
_OTHERS_READ = stat.S_IRWXG | stat.S_IRWXO


def key_for(settings: Settings, number: int) -> tuple[str | None, str]:
    """(the key for the server of that number, if there is one; else what to do when it wants one)."""
    names = settings.api_key_env
    of_each = isinstance(names, tuple)
    name = (names[number] if number < len(names) else "") if isinstance(names, tuple) else names
    if name:
        if key := os.environ.get(name):
            return key, ""
        return None, f"the editor's environment has no variable {name}, which midfill.apiKeyEnv names"
    if settings.api_key_file and not of_each:
        return _from_file(Path(settings.api_key_file))
    return None, "set midfill.apiKeyEnv to the name of the environment variable that holds its key"


def from_environment(value: str) -> str:
    """A header's value; `$NAME` is that variable's, or nothing."""
    return os.environ.get(value[1:], "") if value.startswith("$") else value


def _from_file(named: Path) -> tuple[str | None, str]:
    try:
        path = named.expanduser()
        with seam.open_plain(path) as file:
            if sys.platform != "win32" and os.fstat(file.fileno()).st_mode & _OTHERS_READ:
                return None, f"others can read {named}: `chmod 600` it, then the key in it is used"
            key = file.read(_LONGEST).decode("ascii").strip()
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        return None, f"midfill.apiKeyFile: {named} cannot be read ({why or error})"
    except ValueError:
        key = ""
    if not key.isprintable() or not key or " " in key:
        return None, f"midfill.apiKeyFile: {named} holds no key, which is one word in ASCII"
    return key, ""
