"""The folders that Midfill uses: whose they are, who may write to them, how large they are."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from midfill_model import seam
from midfill_server.editor.record.statistics import state_folder
from midfill_server.tools.doctor.finding import Finding, fail, ok, warn

FOLDERS = "Folders"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_MOST_FILES = 100_000  # that are weighed
_LITTLE = 1 << 30  # bytes; with less than that left a packed copy or a download does not fit


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder. `mode` is None where it is not there yet, which is well: it is made when it is needed."""

    what: str
    path: Path
    variable: str
    """What moves it elsewhere."""
    costs: str
    """What goes wrong when it cannot be written to."""
    mode: int | None = None
    is_mine: bool = True
    is_writable: bool = True
    n_bytes: int = 0
    n_free: int | None = None
    obstacle: str = ""
    """What stands in its place."""


def folders(hub_cache: Path | None) -> list[Finding]:
    """The runtime folder's own check is the one that servers and engines make."""
    others = [
        Folder("state", state_folder(), "MIDFILL_STATE_DIR", "no statistics are kept"),
        Folder("cache", seam.cache_folder(), "MIDFILL_CACHE_DIR", "each start reads all of a large model"),
    ]
    if hub_cache is not None:
        others.append(Folder("models", hub_cache, "HF_HOME", "no model can be downloaded"))
    return [_runtime(), *(judged(looked_at(it)) for it in others)]


def _runtime() -> Finding:
    try:
        folder = seam.runtime_folder()
    except seam.RuntimeFolderError as error:
        text, _, mend = str(error).partition("; ")
        return fail(FOLDERS, f"{text}.", f"{mend[:1].upper()}{mend[1:]}")
    it = looked_at(Folder("runtime", folder, "MIDFILL_RUNTIME_DIR", ""))
    if lack := seam.no_room(folder):
        text = f"{_described(it)}: nothing can be written to it ({lack}), so no engine starts."
        return fail(FOLDERS, text, "Make room on that disk.")
    return ok(FOLDERS, _described(it))


def looked_at(it: Folder) -> Folder:
    """The same, with what the disk tells."""
    above = next((path for path in (it.path, *it.path.parents) if path.exists()), it.path)
    is_writable = os.access(above, os.W_OK | os.X_OK)
    it = replace(it, is_writable=is_writable, obstacle=seam.what_stands_there(it.path))
    with suppress(OSError):
        it = replace(it, n_free=shutil.disk_usage(above).free)
    try:
        state = it.path.stat()
    except OSError:
        return it
    is_mine = sys.platform == "win32" or state.st_uid == os.getuid()
    return replace(it, mode=stat.S_IMODE(state.st_mode), is_mine=is_mine, n_bytes=_weight(it.path))


def _weight(folder: Path) -> int:
    """Bytes of the files in it; links count as themselves."""
    n_bytes = n_files = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                n_bytes += os.lstat(os.path.join(path, name)).st_size
        if (n_files := n_files + len(names)) > _MOST_FILES:
            break
    return n_bytes


def judged(it: Folder) -> Finding:
    elsewhere = f"Set {it.variable} to a folder of your own."
    if it.obstacle:
        mend = f"Remove that, or set {it.variable} to a folder of your own."
        return warn(FOLDERS, f"{it.what}: {it.path} cannot be made, as {it.obstacle}, so {it.costs}.", mend)
    if not it.is_writable:
        return warn(FOLDERS, f"{_described(it)}: it cannot be written to, so {it.costs}.", elsewhere)
    if not it.is_mine:
        return warn(FOLDERS, f"{_described(it)}: it belongs to another user.", elsewhere)
    if it.mode is not None and it.mode & _OTHERS_WRITE and sys.platform != "win32":
        return warn(FOLDERS, f"{_described(it)}: others may write to it.", f"Run `chmod go-w {it.path}`.")
    if it.n_free is not None and it.n_free < _LITTLE:
        return warn(FOLDERS, f"{_described(it)}: the disk is nearly full.", "Make room on that disk.")
    return ok(FOLDERS, _described(it))


def _described(it: Folder) -> str:
    if it.mode is None:
        return f"{it.what}: {it.path}, not there yet"
    free = "" if it.n_free is None else f", {_size(it.n_free)} free"
    return f"{it.what}: {it.path}, mode {it.mode:04o}, {_size(it.n_bytes)}{free}"


def _size(n_bytes: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes} B"
