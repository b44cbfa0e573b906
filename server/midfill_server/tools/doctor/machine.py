"""The machine as the system tells it: which it is, what the program runs in, the NVIDIA driver."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from midfill_server import __version__
from midfill_server.tools.doctor.finding import Finding, ok, warn

MACHINE, GPU = "Machine", "GPU"
_ASK_SECONDS = 20.0  # a driver that hangs is a finding, too
_MENDS = {
    "without CUDA": "Install torch for CUDA: pip install --force-reinstall torch",
    "CUDA_VISIBLE_DEVICES": "Unset it, or let it name a card.",
    "finds no CUDA GPU": "Install a newer driver, or torch for the CUDA that `nvidia-smi` names.",
    "triton": "Install it: pip install triton",
}
"""By what the engine says that it lacks."""


@dataclass(frozen=True, slots=True)
class Driver:
    """What nvidia-smi says; `fault` is its last line where it fails."""

    cards: tuple[str, ...] = ()
    """Name, driver, free and whole memory of each."""
    fault: str = ""


def machine() -> list[Finding]:
    """The system, and which of several installed programs answers."""
    system = f"{platform.system()} {platform.release()} on {platform.machine()}"
    program = f"Midfill {__version__} in {sys.prefix}, Python {platform.python_version()}"
    return [ok(MACHINE, system), ok(MACHINE, program), on_path(shutil.which("midfill"), Path(sys.prefix))]


def on_path(found: str | None, prefix: Path) -> Finding:
    """`found`: what a shell starts as `midfill`; `prefix`: the environment that this program is of."""
    if found is None:
        return warn(
            MACHINE,
            "midfill is not on PATH.",
            f"Tell your editor the whole path, {prefix / 'bin' / 'midfill'}, or install with pipx.",
        )
    really = Path(os.path.realpath(found))  # pipx and uv make links
    if not really.is_relative_to(os.path.realpath(prefix)):
        return warn(
            MACHINE,
            f"midfill on PATH is another one, {found}.",
            "Editors start that one; run its own `midfill doctor`, or put this one first on PATH.",
        )
    return ok(MACHINE, f"midfill on PATH is {found}")


def driver() -> Driver | None:
    """None where no NVIDIA driver is installed."""
    if (program := shutil.which("nvidia-smi")) is None:
        return None
    asked = "--query-gpu=name,driver_version,memory.free,memory.total"
    try:
        done = subprocess.run(
            [program, asked, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ASK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Driver(fault=f"nvidia-smi does not answer within {_ASK_SECONDS:.0f} s")
    except OSError as error:
        return Driver(fault=f"nvidia-smi cannot be started ({error.strerror})")
    lines = [it.strip() for it in done.stdout.splitlines() if it.strip()]
    if done.returncode or not lines:
        said = (done.stderr.strip() or done.stdout.strip() or "it says nothing").splitlines()[-1]
        return Driver(fault=said[:200])
    return Driver(tuple(_card(it) for it in lines))


def _card(line: str) -> str:
    """A line of nvidia-smi, in words."""
    parts = [it.strip() for it in line.split(",")]
    if len(parts) != 4 or not all(it.isdecimal() for it in parts[2:]):
        return line
    name, version, *sizes = parts
    free, total = (int(it) / 1024 for it in sizes)
    return f"{name}, driver {version}, {free:.1f} of {total:.1f} GiB free"


def gpu(driver: Driver | None, lack: str | None) -> list[Finding]:
    """What the driver says, beside what the engine says: `lack`, empty where it can use a card.

    `lack` is None where the engine's libraries are not installed.
    """
    if driver is None:
        return [ok(GPU, "There is no NVIDIA driver: models run on the CPU.")]
    if driver.fault:
        mend = "Start the machine again after an update of the driver, or install it anew."
        return [warn(GPU, f"The NVIDIA driver does not work: {driver.fault.rstrip('.')}.", mend)]
    found = [ok(GPU, it) for it in driver.cards]
    if lack is None:
        return found
    if not lack:
        return [*found, ok(GPU, "The engine can use it.")]
    mend = next((mend for sign, mend in _MENDS.items() if sign in lack), "")
    return [*found, warn(GPU, f"The engine does not use it: {lack}.", mend)]
