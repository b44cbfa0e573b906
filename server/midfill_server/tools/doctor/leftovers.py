"""What was left behind by something that was killed, and is nobody's by now: told, and with --fix removed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from midfill_model import seam
from midfill_server.tools.doctor.finding import Finding, fail, ok, warn

LEFTOVERS = "Left behind"
_ABANDONED = 24 * 3600.0  # seconds in which somebody may still go on with a download
_MENDED = "Run `midfill doctor --fix` to remove it"
_LOCK = "midfill.lock"  # of a download, as model/midfill_model/download holds it


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file of ours that nobody uses; `lock` is held by who would."""

    path: Path
    what: str
    lock: Path | None = None
    or_else: str = ""
    """What else can be done about it, as the rest of a sentence."""


def leftovers(hub_cache: Path | None) -> list[Leftover]:
    """`hub_cache`: where downloaded models lie, those of other programs, too, which are left alone."""
    found: list[Leftover] = []
    with suppress(seam.RuntimeFolderError):
        found += _of_engine(seam.runtime_folder())
    return [*found, *_half_copies(), *(_half_downloads(hub_cache) if hub_cache else ())]


def _of_engine(folder: Path) -> Iterator[Leftover]:
    if seam.engine_lives(folder):
        return
    of_llama = [it for it in sorted(folder.glob("llama-*.sock")) if not _lives_by_name(it.stem)]
    for path in (folder / seam.CARD, folder / seam.SOCKET, *of_llama):
        if os.path.lexists(path):
            yield Leftover(path, "an engine that was killed has left it behind", seam.lock_file(folder))
    for path in sorted(folder.glob(f".{seam.CARD}.*")):
        yield Leftover(path, "half of a card", seam.lock_file(folder))


def _half_copies() -> Iterator[Leftover]:
    """`<fingerprint>.safetensors.<pid>`: who writes it is that process."""
    for path in sorted((seam.cache_folder() / "packed").glob("*/*.safetensors.*")):
        pid = path.suffix[1:]
        if pid.isdecimal() and not _lives(int(pid)):
            yield Leftover(path, "half of a packed copy")


def _half_downloads(hub_cache: Path) -> Iterator[Leftover]:
    """Of models that Midfill has downloaded: its lock lies beside the library's."""
    for lock in sorted(hub_cache.glob(f".locks/models--*/{_LOCK}")):
        model = lock.parent.name.removeprefix("models--").replace("--", "/")
        for path in sorted((hub_cache / lock.parent.name / "blobs").glob("*.incomplete")):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    size = f"{path.stat().st_size / 1e9:.1f} GB of"
                    go_on = f", or `midfill download {model}` to go on with it"
                    yield Leftover(path, f"{size} a download that has stopped", lock, go_on)


def _lives_by_name(name: str) -> bool:
    """`llama-<pid>`: another engine may load to take this one's place."""
    pid = name.rpartition("-")[2]
    return pid.isdecimal() and _lives(int(pid))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def told(found: list[Leftover]) -> list[Finding]:
    return [warn(LEFTOVERS, f"{it.path}: {it.what}.", f"{_MENDED}{it.or_else}.") for it in found]


def removed(found: list[Leftover]) -> list[Finding]:
    """Each is removed while nobody else can begin to use it."""
    return [_removed(it) for it in found]


def _removed(it: Leftover) -> Finding:
    try:
        if it.lock is None:
            it.path.unlink(missing_ok=True)
        else:
            with seam.locked(it.lock):
                it.path.unlink(missing_ok=True)
    except seam.Locked:
        return ok(LEFTOVERS, f"{it.path} is in use by now, and stays.")
    except OSError as error:
        mend = "Remove it yourself, with the rights that it needs."
        return fail(LEFTOVERS, f"{it.path} cannot be removed ({error.strerror}).", mend)
    return ok(LEFTOVERS, f"{it.path} is removed.")
