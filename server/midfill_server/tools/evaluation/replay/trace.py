"""What came of typing a text: each keystroke, each generation, and the figures of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from midfill_server.tools.evaluation.figures.outcome import mean, percentile, reused_prefix
from midfill_server.tools.evaluation.replay.screen import HELPS, Episode
from midfill_server.tools.evaluation.report.tables import Curves, Row, Strip, Table, Unit
from midfill_server.tools.evaluation.tap import Exchange

Source = Literal["known", "joined", "asked", "superseded", "unasked"]
"""Where an answer came from: what was known, a generation under way, a new one. Or there was none, because
the next key came before it, or before the editor had even asked."""


Shown = Literal["line", "word", "wrong", "nothing"]
"""Text whose first line is right; only its next word or sign; not even that; no text."""


@dataclass(slots=True)
class Keystroke:
    """What the screen showed when the key was pressed, against what was typed from there on."""

    shown: Shown
    source: Source = "unasked"
    starts_line: bool = False
    latency: float | None = None  # seconds from the request to the answer
    first: float | None = None  # seconds from the request to the first text, or part of one, that came of it


@dataclass(frozen=True, slots=True)
class Trace:
    """`n_keys` would type the text without help; accepting would have saved `n_saved` of them, or did.

    `episodes` are the texts that appeared.
    """

    name: str
    n_keys: int
    n_saved: int
    episodes: Sequence[Episode]
    seconds: float
    strokes: Sequence[Keystroke]
    exchanges: Sequence[Exchange]

    def screen(self, *shown: Shown) -> float | None:
        return mean(stroke.shown in shown for stroke in self.strokes)

    def line_starts(self, *shown: Shown) -> float | None:
        return mean(stroke.shown in shown for stroke in self.strokes if stroke.starts_line)

    def texts(self, counts: Callable[[Episode], bool]) -> float | None:
        return mean(counts(it) for it in self.episodes)

    def share(self, *sources: Source) -> float | None:
        return mean(stroke.source in sources for stroke in self.strokes)

    def latencies(self, *sources: Source) -> list[float]:
        """Milliseconds."""
        return [1000 * it.latency for it in self.strokes if it.source in sources and it.latency is not None]

    def first_texts(self, *sources: Source) -> list[float]:
        """Milliseconds; of requests that the next key overtook too, if there was text before it."""
        return [1000 * it.first for it in self.strokes if it.source in sources and it.first is not None]

    def reuse(self) -> float | None:
        """The first generation is left out: there is nothing yet to reuse."""
        later = [it.timings for it in self.exchanges if it.timings][1:]
        whole = sum(timings["prefix_tokens"] for timings in later)
        return sum(map(reused_prefix, later)) / whole if whole else None

    def busy_seconds(self) -> float:
        """The time in which some generation was under way."""
        total, until = 0.0, 0.0
        for it in sorted(self.exchanges, key=lambda it: it.started):
            ended = it.ended or it.started
            total += max(0.0, ended - max(it.started, until))
            until = max(until, ended)
        return total


FIGURES: tuple[tuple[str, str, Unit, Callable[[Trace], float | None]], ...] = (
    ("keys", "keys needed for the text", "", lambda it: it.n_keys),
    ("seconds", "time", "s", lambda it: it.seconds),
    ("shown", "keystrokes with text on screen", "%", lambda it: it.screen("line", "word", "wrong")),
    ("word", "… whose next word is right", "%", lambda it: it.screen("line", "word")),
    ("line", "… whose first line is right", "%", lambda it: it.screen("line")),
    ("texts", "texts that appeared", "", lambda it: len(it.episodes)),
    ("useful", f"… useful: right for {HELPS} keys or more", "%", lambda it: it.texts(lambda it: it.useful)),
    ("trivial", "… right for fewer", "%", lambda it: it.texts(lambda it: 0 < it.right < HELPS)),
    ("wrong", "… wrong from the first character", "%", lambda it: it.texts(lambda it: it.wrong)),
    (
        "wrong_long",
        "… wrong, and 3 characters or more",
        "%",
        lambda it: it.texts(lambda it: it.wrong and it.length >= 3),
    ),
    ("flashed", "… of no use, and gone at the next key", "%", lambda it: it.texts(lambda it: it.flashed)),
    (
        "blinked",
        "… the same within 0.3 s",
        "%",
        lambda it: it.texts(lambda it: it.flashed and it.seconds < 0.3),
    ),
    ("line_starts", "line starts", "", lambda it: sum(stroke.starts_line for stroke in it.strokes)),
    ("starts_line", "… whose first line is right", "%", lambda it: it.line_starts("line")),
    ("starts_word", "… only the first word", "%", lambda it: it.line_starts("word")),
    ("starts_wrong", "… wrong", "%", lambda it: it.line_starts("wrong")),
    ("saved", "keystrokes that accepting saves", "%", lambda it: it.n_saved / it.n_keys),
    ("known", "answered from known text", "%", lambda it: it.share("known")),
    ("joined", "answered from a generation under way", "%", lambda it: it.share("joined")),
    ("asked", "answered by a new generation", "%", lambda it: it.share("asked")),
    ("unanswered", "the next key came first", "%", lambda it: it.share("superseded", "unasked")),
    ("known_p95", "known answers within (p95)", "ms", lambda it: percentile(it.latencies("known"), 95)),
    ("asked_p50", "new generations within (p50)", "ms", lambda it: percentile(it.latencies("asked"), 50)),
    ("asked_p95", "new generations within (p95)", "ms", lambda it: percentile(it.latencies("asked"), 95)),
    ("first_p50", "first text of new generations within (p50)", "ms", lambda it: _first(it, 50)),
    ("first_p95", "first text of new generations within (p95)", "ms", lambda it: _first(it, 95)),
    ("generations", "generations started", "", lambda it: len(it.exchanges)),
    ("engine_seconds", "engine busy", "s", lambda it: it.busy_seconds()),
    ("reuse", "prefix tokens from the KV cache", "%", lambda it: it.reuse()),
)


def _first(trace: Trace, share: int) -> float | None:
    return percentile(trace.first_texts("joined", "asked", "superseded"), share)


SOURCES: dict[str, Source] = {"known": "known", "under way": "joined", "new": "asked"}


def table(traces: Sequence[Trace]) -> Table:
    """One column for each file, and one for all."""
    columns = [*traces, together(traces)] if len(traces) > 1 else traces
    rows = (
        Row(name, label, unit, tuple(figure(it) for it in columns)) for name, label, unit, figure in FIGURES
    )
    return Table("typing", "Typing", tuple(it.name for it in columns), tuple(rows))


def plots(traces: Sequence[Trace]) -> tuple[Curves | Strip, ...]:
    """How fast answers came, and what the screen showed at each key."""
    every = together(traces)
    samples = {label: every.latencies(source) for label, source in SOURCES.items()}
    strips = (
        Strip(f"{it.name}: the screen at each keystroke", get_args(Shown), [k.shown for k in it.strokes])
        for it in traces
    )
    return (Curves("From the request to the answer (share of answers within)", "ms", samples), *strips)


def together(traces: Sequence[Trace]) -> Trace:
    return Trace(
        "all",
        sum(it.n_keys for it in traces),
        sum(it.n_saved for it in traces),
        [episode for it in traces for episode in it.episodes],
        sum(it.seconds for it in traces),
        [stroke for it in traces for stroke in it.strokes],
        [exchange for it in traces for exchange in it.exchanges],
    )
