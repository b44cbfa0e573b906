"""A container's CPU quota, as the kernel tells it in both versions of control groups."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from midfill_model.process.machine import cpus

V1 = "12:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n1:name=systemd:/docker/ab\n0::/\n"


@pytest.mark.parametrize(
    ("memberships", "files", "wanted"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/\n", {}, math.inf),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "50000 100000", "a/cpu.max": "150000 100000"}, 0.5),
        ("0::/../outside\n", {"cpu.max": "300000 100000"}, 3.0),
        (V1, {"cpu/docker/ab/cpu.cfs_quota_us": "150000", "cpu/docker/ab/cpu.cfs_period_us": "50000"}, 3.0),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "100000", "cpu,cpuacct/cpu.cfs_period_us": "50000"}, 2.0),
        (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ("0::/\n", {"cpu.max": "garbage"}, math.inf),
        ("0::/\n", {"cpu.max": "0 0"}, math.inf),
    ],
)
def test_the_quota(tmp_path: Path, memberships: str, files: dict[str, str], wanted: float) -> None:
    groups, mount = tmp_path / "cgroup", tmp_path / "mount"
    groups.write_text(memberships)
    for name, text in files.items():
        path = mount / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert cpus.quota(groups, mount) == wanted


@pytest.mark.parametrize(
    ("memberships", "files", "wanted"),
    [
        ("0::/\n", {"memory.max": "1000000\n"}, 1_000_000),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "2000000"}, 2_000_000),
        ("0::/\n", {"memory.max": "garbage"}, None),
        (V1, {"memory/docker/ab/memory.limit_in_bytes": "3000000"}, 3_000_000),
        (V1, {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        (V1, {}, None),
    ],
)
def test_the_memory(tmp_path: Path, memberships: str, files: dict[str, str], wanted: int | None) -> None:
    """None: all that the machine has."""
    (tmp_path / "cgroup").write_text(memberships)
    for name, text in files.items():
        path = tmp_path / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    whole = cpus.memory(tmp_path / "none", tmp_path)
    assert whole > 1 << 28
    assert cpus.memory(tmp_path / "cgroup", tmp_path / "mount") == (wanted or whole)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process")
def test_a_limit_of_the_process_counts() -> None:
    code = (
        "import resource; from midfill_model.process.machine import cpus\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28)); print(cpus.memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 1 << 28


def test_other_systems_have_none(tmp_path: Path) -> None:
    assert cpus.quota(tmp_path / "none", tmp_path) == math.inf


@pytest.mark.parametrize(("quota", "wanted"), [(0.2, 1), (1.5, 2), (math.inf, None), (10_000, None)])
def test_threads_are_as_many_as_the_quota_keeps_busy(
    monkeypatch: pytest.MonkeyPatch, quota: float, wanted: int | None
) -> None:
    n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    monkeypatch.setattr(cpus, "quota", lambda: quota)
    assert cpus.usable() == min(n_cpus, wanted or n_cpus)
