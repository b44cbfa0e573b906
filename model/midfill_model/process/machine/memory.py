"""What the engine's process holds of the machine's memory, for /health, and what it gives back."""

import ctypes
import os
import sys
from pathlib import Path

import torch

_STATM = Path("/proc/self/statm")  # Linux


def held(device: torch.device) -> dict[str, int]:
    """Bytes: `resident` in the machine's memory; on a GPU what torch has `gpu_allocated` and `gpu_reserved`.

    A figure that the system does not tell is left out.
    """
    figures = {}
    if _STATM.exists():
        figures["resident"] = int(_STATM.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if device.type == "cuda":
        figures["gpu_allocated"] = torch.cuda.memory_allocated(device)
        figures["gpu_reserved"] = torch.cuda.memory_reserved(device)
    return figures


def give_back() -> None:
    """What loading has freed returns to the system; glibc would keep it, a seventh of all that is held."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)  # musl has none
