"""What was offered, accepted and kept, and how fast: numbers in one small file on this machine, never sent.

No text, no file name, no time of day is in it. All windows add to the same file; `forget` deletes it.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from midfill_model import seam
from midfill_model.command_line import refusal

FILE, LOCK = "statistics.json", "statistics.lock"
EVENTS = ("offered", "shown", "accepted", "partlyAccepted", "kept", "changed")
"""`kept` and `changed`: whether an accepted item was still there as it was after 30 seconds."""
LATENCIES = ("known", "first", "whole")
"""Answers that were known; the first text of new ones; and all of it."""

LOCK_SECONDS, WRITE_SECONDS = 2.0, 60.0
LONGEST = 1 << 20  # bytes of the file

_STEPS = 4  # buckets for each doubling: a percentile is right to 9 %
_BUCKETS = 15 * _STEPS  # from 1 ms to 33 s


class StatisticsError(Exception):
    """The file cannot be read or deleted, in one sentence."""


@dataclass(slots=True)
class Tally:
    """Counts of events, and of latencies by their bucket; tallies can be added."""

    events: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, Counter[int]] = field(default_factory=lambda: {it: Counter() for it in LATENCIES})

    def time(self, kind: str, seconds: float) -> None:
        self.latencies[kind][_bucket(1000 * seconds)] += 1

    def add(self, other: Tally) -> None:
        self.events.update(other.events)
        for kind, buckets in other.latencies.items():
            self.latencies[kind].update(buckets)

    def __bool__(self) -> bool:
        return bool(self.events) or any(self.latencies.values())

    def percentile(self, kind: str, share: int) -> float | None:
        """Milliseconds, as the middle of a bucket; None when nothing was measured."""
        buckets = self.latencies[kind]
        wanted = math.ceil(share / 100 * buckets.total())
        for bucket in sorted(buckets):
            wanted -= buckets[bucket]
            if wanted <= 0:
                return round(float(2 ** ((bucket + 0.5) / _STEPS)), 1)
        return None

    def as_json(self) -> dict[str, Any]:
        """As the file holds it."""
        times = {kind: {str(n): k for n, k in it.items()} for kind, it in self.latencies.items()}
        return {"version": 1, "events": dict(self.events), "latencies": times}


class Statistics:
    """One window's share: counted in memory, taken and added to the file from time to time."""

    def __init__(self) -> None:
        self.on = False
        self._new = Tally()
        self._in_file = False

    def count(self, event: str) -> None:
        if self.on:
            self._new.events[event] += 1

    def time(self, kind: str, seconds: float) -> None:
        if self.on:
            self._new.time(kind, seconds)

    async def keep(self) -> None:
        """Write from time to time, for ever."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await asyncio.to_thread(self.write, self.take())

    def take(self) -> Tally:
        """What is new; it is no longer here then."""
        new, self._new = self._new, Tally()
        return new

    def write(self, new: Tally) -> None:
        """Add to the file, in any thread. What cannot be written is dropped: it is worth no message.

        So is what was counted before the user deleted the file.
        """
        if not (new and self.on):
            return
        with suppress(OSError, seam.Locked):
            folder = state_folder()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with seam.locked(folder / LOCK, LOCK_SECONDS):
                if self._in_file and not (folder / FILE).exists():
                    self._in_file = False
                    return
                with suppress(StatisticsError):
                    new.add(read())
                seam.write_private(folder / FILE, json.dumps(new.as_json()))
                self._in_file = True


def read() -> Tally:
    """What the file holds; nothing when there is none. Raises StatisticsError."""
    path = state_folder() / FILE
    try:
        return _tally(json.loads(seam.read_plain(path, LONGEST)))
    except FileNotFoundError:
        return Tally()
    except OSError as error:
        raise StatisticsError(f"Cannot read {path}: {refusal(error)}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StatisticsError(f"{path} is damaged; `midfill status --forget` deletes it") from error


def forget() -> bool:
    """Delete the file; whether there was one. Raises StatisticsError."""
    folder = state_folder()
    try:
        if not folder.exists():
            return False
        with seam.locked(folder / LOCK, LOCK_SECONDS):
            found = (folder / FILE).exists()
            (folder / FILE).unlink(missing_ok=True)
            return found
    except seam.Locked:
        raise StatisticsError(f"Another process writes {folder / FILE} right now; try again") from None
    except OSError as error:
        raise StatisticsError(f"Cannot delete {folder / FILE}: {refusal(error)}") from error


def report(tally: Tally) -> dict[str, Any]:
    """The figures for people and programs: counts, and p50 and p95 of each latency in milliseconds."""
    times = {
        kind: {
            "n": tally.latencies[kind].total(),
            "p50_ms": tally.percentile(kind, 50),
            "p95_ms": tally.percentile(kind, 95),
        }
        for kind in LATENCIES
    }
    return {event: tally.events[event] for event in EVENTS} | {"latencies": times}


def as_text(figures: Mapping[str, Any]) -> str:
    lines = [
        f"{figures['offered']} suggestions offered; the editor reported {figures['shown']} of them as shown",
        f"{figures['accepted']} accepted, {figures['partlyAccepted']} in part",
    ]
    if judged := figures["kept"] + figures["changed"]:
        lines.append(f"{figures['kept']} of {judged} accepted suggestions were still unchanged after 30 s")
    labels = {
        "known": "known suggestions",
        "first": "first text of new suggestions",
        "whole": "whole text of new suggestions",
    }
    for kind, label in labels.items():
        if (times := figures["latencies"][kind])["n"]:
            lines.append(
                f"{label}: half within {times['p50_ms']:g} ms, 95 % within {times['p95_ms']:g} ms "
                f"({times['n']} times)"
            )
    return "\n".join(lines)


def state_folder() -> Path:
    """$MIDFILL_STATE_DIR, or the system's place for what programs remember of a user."""
    if named := os.environ.get("MIDFILL_STATE_DIR"):
        with suppress(RuntimeError):  # a home that is not known
            return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_state_dir("midfill", appauthor=False)).absolute()


def _bucket(milliseconds: float) -> int:
    return min(max(int(_STEPS * math.log2(max(milliseconds, 1.0))), 0), _BUCKETS - 1)


def _tally(raw: Any) -> Tally:
    """From a file that somebody may have edited: unknown keys are dropped, wrong values are errors."""
    if raw["version"] != 1:
        raise ValueError(raw["version"])
    tally = Tally()
    for event in EVENTS:
        if n := _number(raw["events"].get(event, 0)):
            tally.events[event] = n
    for kind in LATENCIES:
        for bucket, n in raw["latencies"].get(kind, {}).items():
            tally.latencies[kind][min(_number(int(bucket)), _BUCKETS - 1)] += _number(n)
    return tally


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value
