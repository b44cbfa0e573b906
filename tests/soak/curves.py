"""What processes hold while they work: memory, open files, threads, connections, as curves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median

_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Held:
    """Of all processes of one kind together."""

    memory: int
    """Bytes that are resident."""
    files: int
    threads: int
    connections: int
    """Of the open files those that are sockets."""


def held(pids: list[int]) -> Held:
    """Linux' own figures. A process that has gone holds nothing."""
    totals = [0, 0, 0, 0]
    for pid in pids:
        with suppress(OSError):
            for i, figure in enumerate(astuple(_of(Path(f"/proc/{pid}")))):
                totals[i] += figure
    return Held(*totals)


def _of(process: Path) -> Held:
    names = list(_links(process / "fd"))
    resident = int((process / "statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    n_threads = len(list((process / "task").iterdir()))
    return Held(resident, len(names), n_threads, sum(it.startswith("socket:") for it in names))


def _links(folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        with suppress(OSError):
            yield os.readlink(path)


def drawn(name: str, samples: list[Held]) -> list[str]:
    """A line for each figure: from, to, and the curve between."""
    return [f"{name:8}{it.name:12}{_line([getattr(s, it.name) for s in samples])}" for it in fields(Held)]


def _line(values: list[int]) -> str:
    low, high = min(values), max(values)
    steps = [round((len(_BARS) - 1) * (it - low) / (high - low)) if high > low else 0 for it in values]
    unit: Callable[[int], str] = (lambda it: f"{it / 1e6:.1f} MB") if high > 1_000_000 else str
    return f"{unit(values[0]):>10} → {unit(values[-1]):>10}  {''.join(_BARS[it] for it in steps)}"


def growth(samples: list[Held], figure: str) -> tuple[float, float]:
    """(what it was after the first tenth, what it is at the end): medians of a tenth of the samples each."""
    values = [float(getattr(it, figure)) for it in samples]
    tenth = max(1, len(values) // 10)
    return median(values[tenth : 2 * tenth]), median(values[-tenth:])
