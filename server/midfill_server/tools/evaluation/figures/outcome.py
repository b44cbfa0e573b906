"""What came of one hole, and the figures of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from midfill_server.tools.evaluation.figures import metrics
from midfill_server.tools.evaluation.figures.parsing import one_line_can_parse, still_parses
from midfill_server.tools.evaluation.holes import Hole
from midfill_server.tools.evaluation.report.tables import Row, Table, Unit
from midfill_server.tools.evaluation.session import Answer
from midfill_server.tools.evaluation.tap import Exchange


@dataclass(frozen=True, slots=True)
class Outcome:
    """None: does not apply to this hole."""

    level: str
    shown: bool
    exact_line: bool
    exact: bool
    right_so_far: bool
    n_shown: int
    """Characters, blanks at the end aside; at level "line" of the first line."""
    similarity: float
    repeats: bool
    loops: bool
    parses: bool | None
    one_line_parses: bool | None
    """Of an item of one line, where one line can leave a file that parses."""
    names_in_view: float | None
    names_added: float | None
    names_right: float | None
    prefix_tokens: int
    reused_tokens: int
    stages: Mapping[str, float]
    """Milliseconds: what STAGES names, as far as it happened."""


STAGES = {
    "front_ms": "server: until it asks the engine, with the pause",
    "queued_ms": "engine: waiting",
    "prefill_ms": "engine: reading the prompt, to the first token",
    "writing_ms": "engine: writing, until the item is final",
    "first_text_ms": "first text on screen",
    "whole_ms": "final answer",
}


def outcome(hole: Hole, answer: Answer) -> Outcome:
    """Judge what was shown for a hole; at level "line" only its first line is compared."""
    shown, hidden = answer.text, hole.hidden
    compared = metrics.first_line(shown) if hole.level == "line" else shown
    names = metrics.whole_names(hidden, hole.prefix, hole.suffix)
    exchange = answer.exchange
    timings = exchange.timings if exchange else {}
    parses = still_parses(hole, shown)
    judged = parses is not None and "\n" not in shown and one_line_can_parse(hole)
    return Outcome(
        level=hole.level,
        shown=bool(shown),
        exact_line=metrics.first_line(shown) == metrics.first_line(hidden),
        exact=compared.rstrip() == hidden.rstrip(),
        right_so_far=metrics.right_so_far(compared, hidden),
        n_shown=len(compared.rstrip()),
        similarity=metrics.similarity(compared, hidden),
        repeats=metrics.repeats(shown, hidden, hole.prefix, hole.suffix),
        loops=metrics.loops(shown, hidden),
        parses=parses,
        one_line_parses=parses if judged else None,
        names_in_view=metrics.recall(names, exchange.seen()) if exchange else None,
        names_added=names_added(hole, exchange) if exchange else None,
        names_right=metrics.recall(names, compared),
        prefix_tokens=int(timings.get("prefix_tokens", 0)),
        reused_tokens=reused_prefix(timings),
        stages=stages(answer, exchange),
    )


def names_added(hole: Hole, exchange: Exchange) -> float | None:
    """Of the names in hidden code that the window lacks, the share that the context holds; None: none."""
    names = metrics.code_names(hole.file.text, hole.start, hole.end, hole.file.language)
    lacking = names - metrics.identifiers(exchange.seen())
    return len(lacking & metrics.identifiers(exchange.added())) / len(lacking) if lacking else None


def reused_prefix(timings: Mapping[str, float]) -> int:
    """How many of the prefix's tokens were in the KV cache."""
    return int(min(timings.get("reused_tokens", 0), timings.get("prefix_tokens", 0)))


def stages(answer: Answer, exchange: Exchange | None) -> dict[str, float]:
    times = {"whole_ms": 1000 * (answer.answered - answer.asked)}
    if answer.first is not None:
        times["first_text_ms"] = 1000 * (answer.first - answer.asked)
    if exchange is not None:
        times["front_ms"] = 1000 * (exchange.started - answer.asked)
        if exchange.first is not None and exchange.ended is not None:
            times["writing_ms"] = 1000 * (exchange.ended - exchange.first)
        times |= {name: exchange.timings[name] for name in STAGES if name in exchange.timings}
    return times


FIGURES: tuple[tuple[str, str, Unit, Callable[[Outcome], float | None]], ...] = (
    ("exact_line", "exact match, first line", "%", lambda it: it.exact_line),
    ("exact", "exact match, all of the hidden text", "%", lambda it: it.exact),
    ("similarity", "edit similarity", "%", lambda it: it.similarity),
    ("nothing", "shows nothing", "%", lambda it: not it.shown),
    ("right_so_far", "is a correct beginning (of those shown)", "%", lambda it: _if(it, it.right_so_far)),
    ("repeats", "repeats a line that is there already (of those shown)", "%", lambda it: _if(it, it.repeats)),
    ("loops", "repeats itself (of those shown)", "%", lambda it: _if(it, it.loops)),
    ("parses", "still parses with the item", "%", lambda it: it.parses),
    ("one_line_parses", "… items of one line, where one line can", "%", lambda it: it.one_line_parses),
    ("names_in_view", "hidden names that the model could see", "%", lambda it: it.names_in_view),
    ("names_added", "… not in the window but in the context", "%", lambda it: it.names_added),
    ("names_right", "hidden names that the item has", "%", lambda it: it.names_right),
)


def quality(outcomes: Sequence[Outcome]) -> Table:
    """The figures by level."""
    levels = list(dict.fromkeys(it.level for it in outcomes))
    groups = [[it for it in outcomes if it.level == level] for level in levels] + [list(outcomes)]
    if len(levels) == 1:
        groups.pop()
    rows = [Row("holes", "holes", "", tuple(map(len, groups)))]
    rows += [
        Row(name, label, unit, tuple(mean(map(figure, group)) for group in groups))
        for name, label, unit, figure in FIGURES
    ]
    right = tuple(sum(it.n_shown for it in group if it.right_so_far) for group in groups)
    wrong = tuple(sum(it.n_shown for it in group if not it.right_so_far) for group in groups)
    ratio = tuple(a / b if b else None for a, b in zip(right, wrong, strict=True))
    rows.append(Row("characters_right", "characters shown that are right", "", right))
    rows.append(Row("characters_wrong", "characters shown that are wrong", "", wrong))
    rows.append(Row("right_to_wrong", "… right to wrong", ": 1", ratio))
    judged = (sum(it.one_line_parses is not None for it in group) for group in groups)
    rows.append(Row("one_line_judged", "… out of this many", "", tuple(judged)))
    rows.append(Row("reuse", "prefix tokens from the KV cache", "%", tuple(map(_reuse, groups))))
    return Table("quality", "Quality", (*levels, "all")[: len(groups)], tuple(rows))


def speed(outcomes: Sequence[Outcome]) -> Table:
    """The stages of a completion, p50 and p95."""
    rows = []
    for name, label in STAGES.items():
        times = [it.stages[name] for it in outcomes if name in it.stages]
        rows.append(Row(name, label, "ms", (percentile(times, 50), percentile(times, 95))))
    return Table("speed", "Speed by stage", ("p50", "p95"), tuple(rows))


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least `share` per cent do not exceed; None of nothing."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share) // 100) - 1)] if ordered else None


def mean(values: Iterable[float | None]) -> float | None:
    """Of those that apply."""
    numbers = [float(value) for value in values if value is not None]
    return sum(numbers) / len(numbers) if numbers else None


def _if(outcome: Outcome, value: float) -> float | None:
    return value if outcome.shown else None


def _reuse(outcomes: Sequence[Outcome]) -> float | None:
    whole = sum(it.prefix_tokens for it in outcomes)
    return sum(it.reused_tokens for it in outcomes) / whole if whole else None
