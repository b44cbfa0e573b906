"""How many CPUs this process may keep busy, and how much memory it may have; a container's limits, too."""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

if sys.platform != "win32":
    import resource

MEMBERSHIPS, MOUNT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable() -> int:
    """At least 1. More threads than this wait for each other."""
    n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(n_cpus, quota())))


def memory(memberships: Path = MEMBERSHIPS, mount: Path = MOUNT) -> int:
    """Bytes, of the machine, the process or a container; no limit where the system does not tell.

    Of control groups, and those above them, version 2 has `memory.max`, version 1 `memory.limit_in_bytes`.
    """
    limits = [sys.maxsize]
    with suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    if sys.platform != "win32":
        of_process = resource.getrlimit(resource.RLIMIT_AS)[0]
        limits += [] if of_process == resource.RLIM_INFINITY else [of_process]
    for group in _groups(memberships, mount, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # "max", or not there
                limits.append(int((group / name).read_text("ascii")))
    return min(it for it in limits if it > 0)


def quota(memberships: Path = MEMBERSHIPS, mount: Path = MOUNT) -> float:
    """CPUs' worth of time that this process's control groups, and those above them, allow; or inf.

    Version 2 has `cpu.max` ("200000 100000" or "max 100000"), version 1 `cpu.cfs_quota_us` and
    `cpu.cfs_period_us` (https://docs.kernel.org/admin-guide/cgroup-v2.html, .../scheduler/sched-bwc.html).
    """
    return min((_share(group) for group in _groups(memberships, mount, "cpu")), default=math.inf)


def _groups(memberships: Path, mount: Path, controller: str) -> Iterator[Path]:
    """Folders of the groups that this process is in. A container may see its own as the mount itself."""
    try:
        lines = memberships.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, named = line.partition(":")
        controllers, _, path = named.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        for top in (
            [mount / name for name in (controllers, controller)]
            if controllers
            else [mount, mount / "unified"]
        ):
            own = PurePosixPath(path.lstrip("/"))
            yield from (top / group for group in (own, *own.parents))


def _share(group: Path) -> float:
    """What one group allows; inf where it says nothing."""
    try:
        if (group / "cpu.max").exists():
            limit, period = (group / "cpu.max").read_text("ascii").split()
        else:
            limit = (group / "cpu.cfs_quota_us").read_text("ascii").strip()
            period = (group / "cpu.cfs_period_us").read_text("ascii").strip()
        share = math.inf if limit in ("max", "-1") else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf
    return share if share > 0 else math.inf
