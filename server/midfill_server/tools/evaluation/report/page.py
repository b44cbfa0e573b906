"""A report as one HTML page: tables and SVG drawings, no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from midfill_server.tools.evaluation.report.tables import Curves, Lines, Report, Row, Strip, Table, said

COLOURS = ("#2f6fde", "#d9822b", "#3a9a5b", "#9b59b6")
KINDS = ("#3a9a5b", "#a8d5b5", "#d9822b", "#e4e4e4")
WIDTH, HEIGHT, LEFT, BELOW = 640, 240, 44, 28  # pixels of a drawing, and its margins

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: .5em 0 2em } th, td { padding: .2em .8em; text-align: right }
th:first-child, td:first-child { text-align: left } tr + tr { border-top: 1px solid #ddd }
svg { display: block; max-width: 100% } text { font: 12px system-ui, sans-serif; fill: #444 }
"""


def html(report: Report) -> str:
    """The whole page."""
    title = f"midfill {report.about.get('command', '')}".strip()
    about = "<br>".join(f"{escape(str(k))}: {escape(str(v))}" for k, v in report.about.items())
    body = "\n".join([*map(_table, report.tables), *map(_bars, report.tables), *map(_plot, report.plots)])
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1><p>{about}</p>\n{body}\n</body></html>\n"
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = "\n".join(
        f"<tr><td>{escape(row.label)}</td>"
        + "".join(f"<td>{said(value, row.unit)}</td>" for value in row.values)
        + "</tr>"
        for row in table.rows
    )
    return f"<h2>{escape(table.title)}</h2>\n<table><tr><th></th>{head}</tr>\n{rows}</table>"


def _bars(table: Table) -> str:
    """The shares of a table, one bar for each column."""
    rows = [row for row in table.rows if row.unit == "%"]
    if not rows:
        return ""
    step = 14 * len(table.columns) + 12
    bars = "\n".join(_group(row, n * step, len(table.columns)) for n, row in enumerate(rows))
    return f"{_legend(table.columns)}{_svg(bars, step * len(rows), table.title)}"


def _group(row: Row, top: int, n_columns: int) -> str:
    label = f'<text x="0" y="{top + 7 * n_columns + 4}">{escape(row.label)}</text>'
    scale, bars = (WIDTH - 380) / 1.0, []
    for n, value in enumerate(row.values):
        y, width = top + 14 * n, 0 if value is None else value * scale
        colour = COLOURS[n % len(COLOURS)]
        bars.append(
            f'<rect x="320" y="{y}" width="{width:.1f}" height="11" fill="{colour}"/>'
            f'<text x="{324 + width:.1f}" y="{y + 10}">{said(value, row.unit)}</text>'
        )
    return label + "".join(bars)


def _plot(plot: Curves | Lines | Strip) -> str:
    match plot:
        case Curves():
            drawn = _curves(plot)
        case Lines():
            drawn = _lines(plot)
        case Strip():
            drawn = _strip(plot)
    return f"<h2>{escape(plot.title)}</h2>\n{drawn}"


def drawing(plot: Curves) -> str:
    """The distributions as an SVG file of its own."""
    samples = {name: sorted(values) for name, values in plot.samples.items() if values}
    end = max((values[int(0.99 * (len(values) - 1))] for values in samples.values()), default=1.0) or 1.0
    parts = [_axes(end, plot.unit)]
    for n, (name, values) in enumerate(samples.items()):
        parts.append(_curve(values, end, n))
        parts.append(f'<text x="{LEFT + 130 * n}" y="-10" style="fill:{COLOURS[n]}">{escape(name)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -44 {WIDTH} {HEIGHT + BELOW + 44}" role="img" '
        f'aria-label="{escape(plot.title)}" font-family="sans-serif" font-size="12">\n'
        f'<rect y="-44" width="{WIDTH}" height="{HEIGHT + BELOW + 44}" fill="#fff"/>'
        f'<text y="-28">{escape(plot.title)}</text>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _curves(plot: Curves) -> str:
    """Cumulative distributions; the axis ends at the 99th percentile of the slowest."""
    samples = {name: sorted(values) for name, values in plot.samples.items() if values}
    if not samples:
        return "<p>No samples.</p>"
    end = max(values[int(0.99 * (len(values) - 1))] for values in samples.values()) or 1.0
    lines = "\n".join(_curve(values, end, n) for n, values in enumerate(samples.values()))
    return f"{_legend(list(samples))}{_svg(_axes(end, plot.unit) + lines, HEIGHT + BELOW, plot.title)}"


def _lines(plot: Lines) -> str:
    lines = []
    for n, values in enumerate(plot.values.values()):
        points = [
            f"{_x(at, 1.0):.1f},{_y(value):.1f}"
            for at, value in zip(plot.at, values, strict=True)
            if value is not None
        ]
        colour = COLOURS[n % len(COLOURS)]
        lines.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
    drawn = _axes(1.0, "") + "".join(lines)
    return f"{_legend(list(plot.values))}{_svg(drawn, HEIGHT + BELOW, f'{plot.title}, by {plot.quantity}')}"


def _curve(values: Sequence[float], end: float, n: int) -> str:
    points = []
    for i, value in enumerate(values):
        if value > end:
            break
        x, below, above = _x(value, end), _y(i / len(values)), _y((i + 1) / len(values))
        points.append(f"{x:.1f},{below:.1f} {x:.1f},{above:.1f}")
    colour = COLOURS[n % len(COLOURS)]
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _axes(end: float, unit: str) -> str:
    parts = []
    for share in (0.0, 0.5, 0.95, 1.0):
        y = _y(share)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="0" y="{y + 4}">{100 * share:.0f} %</text>')
    for tick in range(5):
        value = end * tick / 4
        anchor = "end" if tick == 4 else "middle"
        said_value = f"{value:.0f} {unit}" if end >= 8 else f"{value:.1f} {unit}"
        parts.append(
            f'<text x="{_x(value, end)}" y="{HEIGHT + 20}" text-anchor="{anchor}">{said_value}</text>'
        )
    return "".join(parts)


def _strip(plot: Strip) -> str:
    """Rows of cells, in reading order."""
    size, per_row = 8, WIDTH // 8
    colours = dict(zip(plot.kinds, KINDS, strict=False))
    cells = "".join(
        f'<rect x="{n % per_row * size}" y="{n // per_row * (size + 3)}" width="{size - 1}" height="{size}" '
        f'fill="{colours[kind]}"/>'
        for n, kind in enumerate(plot.events)
    )
    rows = -(-len(plot.events) // per_row)
    return f"{_legend(plot.kinds, KINDS)}{_svg(cells, rows * (size + 3), plot.title)}"


def _legend(names: Sequence[str], colours: Sequence[str] = COLOURS) -> str:
    return (
        "<p>"
        + " ".join(
            f'<span style="color:{colours[n % len(colours)]}">■</span> {escape(name)}'
            for n, name in enumerate(names)
        )
        + "</p>"
    )


def _svg(content: str, height: int, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{escape(label)}">\n{content}\n</svg>'
    )


def _x(value: float, end: float) -> float:
    return LEFT + (WIDTH - LEFT) * value / end


def _y(share: float) -> float:
    return 8 + (HEIGHT - 8) * (1 - share)
