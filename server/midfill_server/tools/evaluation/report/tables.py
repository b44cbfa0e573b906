"""Figures as they are told: one structure for the terminal, for JSON and for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Unit = Literal["", "%", "ms", "s", ": 1"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure in all columns; shares run from 0 to 1, None is "does not apply"."""

    name: str
    label: str
    unit: Unit
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """Samples of which the page draws the cumulative distributions, by name."""

    title: str
    unit: Unit
    samples: Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Lines:
    """Shares over a quantity that runs from 0 to 1, by name."""

    title: str
    quantity: str
    at: Sequence[float]
    values: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Strip:
    """One cell for each event, in order, coloured by its kind."""

    title: str
    kinds: Sequence[str]
    """All kinds, the best first."""
    events: Sequence[str]


@dataclass(frozen=True, slots=True)
class Report:
    """`about` says what was measured: command, model, machine, data."""

    about: Mapping[str, Any]
    tables: tuple[Table, ...]
    plots: tuple[Curves | Lines | Strip, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """{about…, table: {column: {figure: value}}}"""
        return dict(self.about) | {table.name: _by_column(table) for table in self.tables}

    def as_text(self) -> str:
        head = "\n".join(f"{key}: {value}" for key, value in self.about.items())
        return "\n\n".join([head, *map(_text, self.tables)])


def said(value: float | None, unit: Unit) -> str:
    """A figure with its unit; a hyphen for none."""
    if value is None:
        return "-"
    if unit == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.1f} {unit}" if unit else f"{value:g}"


def _by_column(table: Table) -> dict[str, dict[str, float | None]]:
    return {
        column: {row.name: _rounded(row.values[n]) for row in table.rows}
        for n, column in enumerate(table.columns)
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _text(table: Table) -> str:
    labels = max(len(row.label) for row in table.rows) + 2
    cells = [[said(value, row.unit) for value in row.values] for row in table.rows]
    widths = [
        max(len(column), *(len(line[n]) for line in cells)) + 2 for n, column in enumerate(table.columns)
    ]
    lines = [
        f"{table.title:{labels}}" + "".join(f"{c:>{w}}" for c, w in zip(table.columns, widths, strict=True))
    ]
    for row, line in zip(table.rows, cells, strict=True):
        lines.append(
            f"{row.label:{labels}}" + "".join(f"{c:>{w}}" for c, w in zip(line, widths, strict=True))
        )
    return "\n".join(lines)
