"""Readings of a greenhouse: read from CSV, checked, and summed up by bed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

COLUMNS = ("day", "bed", "degrees", "litres")


class ReadingError(Exception):
    """A line of the file that makes no sense; the message says which one."""


@dataclass(frozen=True)
class Reading:
    """What one bed's sensor said on one day."""

    day: date
    bed: str
    degrees: float
    litres: float

    @property
    def is_dry(self) -> bool:
        return self.litres < 1.0


@dataclass
class BedSummary:
    """All readings of one bed, added up."""

    bed: str
    days: int = 0
    litres: float = 0.0
    warmest: float = float("-inf")
    dry_days: list[date] = field(default_factory=list)

    def add(self, reading: Reading) -> None:
        self.days += 1
        self.litres += reading.litres
        self.warmest = max(self.warmest, reading.degrees)
        if reading.is_dry:
            self.dry_days.append(reading.day)

    def mean_litres(self) -> float:
        if not self.days:
            return 0.0
        return self.litres / self.days


def read_readings(path: Path) -> Iterator[Reading]:
    """The readings of a CSV file, in its order. Raises ReadingError."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise ReadingError(f"{path}: no column {', '.join(missing)}")
        for number, row in enumerate(rows, start=2):
            try:
                yield parse_row(row)
            except ValueError as error:
                raise ReadingError(f"{path}, line {number}: {error}") from error


def parse_row(row: dict[str, str]) -> Reading:
    degrees = float(row["degrees"])
    litres = float(row["litres"])
    if litres < 0:
        raise ValueError("litres must not be negative")
    return Reading(
        day=date.fromisoformat(row["day"]),
        bed=row["bed"].strip().lower(),
        degrees=degrees,
        litres=litres,
    )


def summarize(readings: Iterable[Reading]) -> dict[str, BedSummary]:
    summaries: dict[str, BedSummary] = {}
    for reading in readings:
        summary = summaries.setdefault(reading.bed, BedSummary(reading.bed))
        summary.add(reading)
    return summaries


def report(summaries: dict[str, BedSummary]) -> str:
    """A line for each bed, the thirstiest first."""
    ordered = sorted(summaries.values(), key=lambda summary: summary.litres, reverse=True)
    lines = []
    for summary in ordered:
        line = f"{summary.bed:12} {summary.litres:8.1f} l {summary.warmest:5.1f} °C"
        if summary.dry_days:
            line += f"  dry on {len(summary.dry_days)} days"
        lines.append(line)
    return "\n".join(lines)
