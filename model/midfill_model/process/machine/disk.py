"""What a process has read and written, as far as the system tells: by that one sees that a load goes on."""

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import resource

_PAGE_FAULTS = 9  # that needed the disk: their place in /proc/PID/stat behind the name, in parentheses


def moved() -> int:
    """By this process, in bytes, pages and blocks; it grows while a file is read, in whatever way.

    The main thread does not count, which reads to look; nor do sockets.
    """
    found = sum(_io(task / "io") for task in _tasks() if task.name != str(threading.main_thread().native_id))
    if sys.platform != "win32":
        used = resource.getrusage(resource.RUSAGE_SELF)
        found += used.ru_majflt + used.ru_inblock + used.ru_oublock
    return found


def moved_by(pid: int) -> int:
    """The same of another process of this user; 0 where the system does not tell."""
    process, faults = Path(f"/proc/{pid}"), 0
    with suppress(OSError, ValueError, IndexError):
        faults = int(
            (process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[_PAGE_FAULTS]
        )
    return _io(process / "io") + faults


def _tasks() -> list[Path]:
    with suppress(OSError):
        return [Path(it) for it in os.scandir("/proc/self/task")]
    return []


def _io(path: Path) -> int:
    """As Linux has it: what was asked for, be it in memory, and what the disk did."""
    with suppress(OSError, ValueError):
        return sum(int(line.partition(":")[2]) for line in path.read_text("ascii").splitlines())
    return 0
