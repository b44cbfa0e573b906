"""What each `confidence` would have shown at the same holes, and how well the model knows what is right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from midfill_server.context import Window
from midfill_server.keystroke.written import Written
from midfill_server.tools.evaluation.figures import metrics
from midfill_server.tools.evaluation.holes import Hole
from midfill_server.tools.evaluation.report.tables import Lines, Row, Table, Unit
from midfill_server.tools.evaluation.tap import Exchange

CONFIDENCES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9)
BINS = 5  # of the joint probability


@dataclass(frozen=True, slots=True)
class Filled:
    """A hole, and the whole generation for it."""

    hole: Hole
    exchange: Exchange

    def shown(self, confidence: float) -> str:
        """What would have been on screen; at level "line" its first line."""
        it = self.exchange
        window = Window(it.prefix, it.suffix, language=self.hole.file.language)
        written = Written(window, it.scored).ended(cut=it.finish == "length")
        shown = written.shown_at(window, confidence)
        text = shown.text if shown else ""
        return metrics.first_line(text) if self.hole.level == "line" else text

    def first_line(self) -> tuple[float, bool]:
        """How probable the first line is, all its tokens together, and whether it is right."""
        scored = self.exchange.scored
        line = metrics.first_line(scored.text)
        end = scored.text.find(line) + len(line)
        begins = (0, *scored.ends)
        joint = sum(p for begin, p in zip(begins, scored.logprobs, strict=False) if begin < end)
        return math.exp(joint), line == metrics.first_line(self.hole.hidden)


def tables(filled: Sequence[Filled]) -> tuple[Table, ...]:
    """By `confidence`, and by the first line's probability; none where the engine tells no probabilities."""
    known = [it for it in filled if it.exchange.scored.ends]
    if not known:
        return ()
    return _by_confidence(known), _by_probability(known)


def plots(filled: Sequence[Filled]) -> tuple[Lines, ...]:
    if not (found := tables(filled)):
        return ()
    rows = {row.label: row.values for row in found[0].rows if row.unit == "%"}
    return (Lines("What each confidence would have shown", "confidence", CONFIDENCES, rows),)


def _by_confidence(filled: Sequence[Filled]) -> Table:
    columns = [_figures(filled, confidence) for confidence in CONFIDENCES]
    labels: tuple[tuple[str, str, Unit], ...] = (
        ("shown", "holes with ghost text", "%"),
        ("right_so_far", "… that is a correct beginning", "%"),
        ("exact_line", "first lines that are right, of all holes", "%"),
        ("characters_right", "characters right", ""),
        ("characters_wrong", "characters wrong", ""),
        ("right_to_wrong", "… right to wrong", ": 1"),
    )  # fmt: skip
    rows = (Row(name, label, unit, tuple(it[name] for it in columns)) for name, label, unit in labels)
    return Table("curve", "By confidence", tuple(f"{it:g}" for it in CONFIDENCES), tuple(rows))


def _figures(filled: Sequence[Filled], confidence: float) -> dict[str, float | None]:
    n_shown = n_right = n_lines = 0
    characters = {True: 0, False: 0}
    for it in filled:
        text, hidden = it.shown(confidence), it.hole.hidden
        right = metrics.right_so_far(text, hidden)
        if text.strip():
            n_shown += 1
            n_right += right
            characters[right] += len(text.rstrip())
        n_lines += metrics.first_line(text) == metrics.first_line(hidden)
    return {
        "shown": n_shown / len(filled),
        "right_so_far": n_right / n_shown if n_shown else None,
        "exact_line": n_lines / len(filled),
        "characters_right": characters[True],
        "characters_wrong": characters[False],
        "right_to_wrong": characters[True] / characters[False] if characters[False] else None,
    }


def _by_probability(filled: Sequence[Filled]) -> Table:
    """Calibration: of first lines that the model gives this probability, so many are right."""
    lines = [it.first_line() for it in filled]
    bins = [[right for p, right in lines if min(int(p * BINS), BINS - 1) == n] for n in range(BINS)]
    rows = (
        Row("holes", "first lines", "", tuple(map(len, bins))),
        Row("right", "… that are right", "%", tuple(sum(it) / len(it) if it else None for it in bins)),
    )
    columns = tuple(f"{n / BINS:.1f} to {(n + 1) / BINS:.1f}" for n in range(BINS))
    return Table("calibration", "By the line's probability", columns, rows)
