"""What became of requests, in numbers: for /health, and for /metrics in Prometheus' text form.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format. No text of a user is in it.
"""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .ticket import Delta, Done, Emit, Event, Failed, Timings

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
OUTCOMES = ("stop", "length", "cancelled", "failed")
_RECENT = 512  # requests of which /health tells percentiles and rates


@dataclass(slots=True)
class Histogram:
    """Durations in seconds, by the first of BOUNDS that holds them."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def lines(self, name: str) -> Iterator[str]:
        n = 0
        for bound, count in zip((*BOUNDS, math.inf), self.counts, strict=True):
            n += count
            limit = "+Inf" if math.isinf(bound) else f"{bound:g}"
            yield f'{name}_bucket{{le="{limit}"}} {n}'
        yield f"{name}_sum {self.total:.6f}"
        yield f"{name}_count {n}"


class Metrics:
    """Counts since the engine's start. Every method may be called from every thread."""

    def __init__(self) -> None:
        self.last_error = ""
        """The last sentence that a request has failed with, the engine's fault."""
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._first, self._whole = Histogram(), Histogram()
        self._waits: deque[float] = deque(maxlen=_RECENT)  # seconds to a first text
        self._writing: deque[tuple[int, float]] = deque(maxlen=_RECENT)  # tokens, seconds
        self._reuse: deque[tuple[int, int]] = deque(maxlen=_RECENT)  # a prompt's tokens, those reused

    def watched(self, emit: Emit) -> Emit:
        """The same, and what passes is counted. A request begins here."""
        return _Watched(self, emit)

    def told(self) -> dict[str, float]:
        """Of the last requests: seconds to the first text, tokens a second, the share of tokens reused."""
        with self._lock:
            waits, found = sorted(self._waits), dict[str, float]()
            if waits:
                found["first_text_p50"] = round(_percentile(waits, 0.5), 4)
                found["first_text_p95"] = round(_percentile(waits, 0.95), 4)
            if seconds := sum(it for _, it in self._writing):
                found["tokens_per_second"] = round(sum(n for n, _ in self._writing) / seconds, 1)
            if prompts := sum(it for it, _ in self._reuse):
                found["reused_share"] = round(sum(n for _, n in self._reuse) / prompts, 4)
        return found

    def as_text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """`gauges`: name -> (what it is, how much there is now)."""
        with self._lock:
            lines = [
                *_head("requests_total", "counter", "Requests that have ended, by how"),
                *(f'midfill_requests_total{{outcome="{it}"}} {self._outcomes[it]}' for it in OUTCOMES),
                *_head("tokens_total", "counter", "Tokens of prompts, found in a KV cache, and written"),
                *(f'midfill_tokens_total{{kind="{it}"}} {self._tokens[it]}' for it in _KINDS),
                *_head("first_text_seconds", "histogram", "From a request to its first text"),
                *self._first.lines("midfill_first_text_seconds"),
                *_head("request_seconds", "histogram", "From a request to its end, however it ended"),
                *self._whole.lines("midfill_request_seconds"),
            ]
        for name, (what, value) in gauges.items():
            lines += [*_head(name, "gauge", what), f"midfill_{name} {value:.15g}"]  # bytes, too, are whole
        return "\n".join([*lines, ""])

    def wrote(self, seconds: float) -> None:
        """A first text, so long after its request."""
        with self._lock:
            self._first.add(seconds)
            self._waits.append(seconds)

    def ended(self, end: Done | Failed, prompt: Timings, seconds: float) -> None:
        """`prompt`: what was told of it last."""
        with self._lock:
            self._whole.add(seconds)
            if isinstance(end, Failed):
                self._outcomes["failed"] += 1
                if end.blame != "request":
                    self.last_error = end.message
                return
            self._outcomes[end.finish] += 1
            it = end.timings
            self._tokens["prompt"] += prompt.prompt_tokens
            self._tokens["reused"] += prompt.reused_tokens
            self._tokens["written"] += it.completion_tokens
            self._reuse.append((prompt.prompt_tokens, prompt.reused_tokens))
            if it.decode_ms > 0 and it.completion_tokens > 1:
                self._writing.append((it.completion_tokens - 1, it.decode_ms / 1000))


_KINDS = ("prompt", "reused", "written")


class _Watched:
    """What is emitted of one request."""

    def __init__(self, metrics: Metrics, emit: Emit) -> None:
        self._metrics, self._emit = metrics, emit
        self._begun = time.perf_counter()
        self._has_text = False
        self._prompt = Timings()

    def __call__(self, event: Event) -> None:
        seconds = time.perf_counter() - self._begun
        if isinstance(event, Delta):
            self._prompt = event.timings or self._prompt
            if event.text and not self._has_text:
                self._has_text = True
                self._metrics.wrote(seconds)
        else:
            if isinstance(event, Done) and event.timings.prompt_tokens:
                self._prompt = event.timings
            self._metrics.ended(event, self._prompt, seconds)
        self._emit(event)


def _head(name: str, kind: str, what: str) -> Iterable[str]:
    return f"# HELP midfill_{name} {what}.", f"# TYPE midfill_{name} {kind}"


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]
