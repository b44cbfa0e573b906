"""The chart of a bench on a GPU: bars of both sides, as one SVG file without scripts or fonts of its own."""

from html import escape

from midfill_model.command_line import machine
from midfill_server.tools.bench.network import NetworkFigures, rows

_WIDTH, _BAR, _GAP, _LABEL = 720, 16, 34, 300  # pixels
_OURS, _THEIRS = "#2f6f4f", "#b8b8b8"


def svg(figures: NetworkFigures) -> str:
    """Every figure that both sides have, each scaled to its own larger bar."""
    pairs = [(what, float(a), float(b)) for what, a, b, _ in rows(figures) if b]
    height = 48 + len(pairs) * (2 * _BAR + _GAP - 8)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'font-size="13" role="img" aria-label="Midfill and transformers, measured in one run">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _key(16, _OURS, "Midfill, NF4"),
        _key(180, _THEIRS, "transformers, load_in_4bit"),
    ]
    top = 44
    for what, ours, theirs in pairs:
        parts.append(f'<text x="16" y="{top + _BAR + 4}">{escape(what)}</text>')
        parts.append(_bar(top, ours, max(ours, theirs), _OURS))
        parts.append(_bar(top + _BAR + 2, theirs, max(ours, theirs), _THEIRS))
        top += 2 * _BAR + _GAP - 8
    told = escape(machine(figures.ours["machine"]))
    parts.append(f'<text x="16" y="{height - 4}" font-size="10" fill="#666666">{told}</text></svg>')
    return "\n".join(parts) + "\n"


def _key(x: int, colour: str, text: str) -> str:
    box = f'<rect x="{x}" y="12" width="12" height="12" fill="{colour}"/>'
    return f'{box}<text x="{x + 18}" y="23">{escape(text)}</text>'


def _bar(y: int, value: float, largest: float, colour: str) -> str:
    width = round((_WIDTH - _LABEL - 70) * value / largest, 1)
    text = f'<text x="{_LABEL + width + 6}" y="{y + 13}">{value:,.1f}</text>'
    return f'<rect x="{_LABEL}" y="{y}" width="{width}" height="{_BAR}" fill="{colour}"/>{text}'
