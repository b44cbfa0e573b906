"""`midfill bench`: what a user feels, measured through the real server and the real engine, medians of runs.

On a GPU the network's own figures follow (network.py).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass

from midfill_model.command_line import (
    Busy,
    Parser,
    complain,
    file_named,
    machine,
    model_name,
    whole,
    writable,
)
from midfill_server.engines.backend import BackendError
from midfill_server.tools.bench.chart import svg
from midfill_server.tools.bench.network import as_text, network_figures
from midfill_server.tools.bench.samples import measure

TARGETS: dict[str, tuple[str, float | None]] = {
    "initialize_ms": ("initialize answered", 500),
    "keystroke_ms": ("first ghost text after a key, in the editor", None),
    "known_ms": ("known (typed-through) answer", 10),
    "cold_first_token_ms": ("first token, cold prompt of 1,000 tokens", 300),
    "cold_24_tokens_ms": ("24-token item, cold prompt of 1,000 tokens", 600),
    "warm_first_token_ms": ("first token, next keystroke, suffix of 100 tokens", 80),
    "cancel_ms": ("cancel answered", 10),
    "idle_ms": ("engine idle after a cancel", None),
    "decode_step_ms": ("one token of decode, on average", None),
    "front_ms": ("the front's share of a completion", 10),
}
"""Figure -> (what it says, what we want at most on two CPU cores with the embedded model). The engine may end
the step that it is in after a cancel: those two are to be compared, and have no number of their own."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Milliseconds; None where there was nothing to measure."""

    median: float | None
    p95: float | None
    best: float | None
    worst: float | None
    n: int


def main(argv: list[str]) -> int:
    """Print the figures. Raises BackendError when there is nothing to measure."""
    options = _parse(argv)
    if options.chart is not None:
        writable(options.chart)
    against, network = None, None
    with Busy() as busy:
        samples, on_gpu = asyncio.run(measure(options.model, options.runs, busy))
        if on_gpu:
            busy.show("Measuring the network alone")
            network = network_figures(options.model, options.runs, options.against is not None)
        elif options.against:
            busy.show("Measuring transformers")
            against = _against(options.model)
    figures = {name: _figure(values) for name, values in samples.items()}
    if options.json:
        named = {name: asdict(figure) for name, figure in figures.items()}
        alone = {} if network is None else {"network": asdict(network)}
        print(json.dumps({"machine": machine(), **named, **(against or {}), **alone}))
    else:
        _print_table(figures, against)
        if network is not None:
            print("\n" + as_text(network))
    if options.chart and network is not None and network.theirs is not None:
        options.chart.write_text(svg(network), "utf-8")
    elif options.chart:
        complain("--chart needs a GPU and --against transformers; nothing is drawn", 0)
    return 0


def _against(model: str) -> dict[str, dict[str, float]]:
    """transformers' generate and ours, in turn, in a process of their own: the front never loads torch."""
    command = [sys.executable, "-I", "-m", "midfill_model.lab.reference", model]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["it said nothing"]  # whoever is killed for memory
        raise BackendError(f"transformers did not run: {words[-1]}")
    found: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _figure(values: list[float]) -> Figure:
    if not values:
        return Figure(None, None, None, None, 0)
    median, p95 = round(statistics.median(values), 2), round(_p95(values), 2)
    return Figure(median, p95, round(min(values), 2), round(max(values), 2), len(values))


def _p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(0.95 * len(values)))]


def _print_table(figures: dict[str, Figure], against: dict[str, dict[str, float]] | None) -> None:
    columns = "".join(f"{it:>9}" for it in ("median", "95 %", "best", "worst", "target", "met"))
    print(f"{machine()}\n\n{'milliseconds':52}{columns}")
    for name, figure in figures.items():
        label, target = TARGETS[name]
        four = (figure.median, figure.p95, figure.best, figure.worst)
        numbers = "".join(f"{'-' if it is None else f'{it:.1f}':>9}" for it in four)
        met = "" if target is None or figure.median is None else "yes" if figure.median <= target else "no"
        wanted = "" if target is None else f"≤ {target:g}"
        print(f"{label:52}{numbers}{wanted:>9}{met:>9}".rstrip())
    if against:
        theirs, mine = against["transformers"], against["midfill"]
        print(f"\n{'the same weights in one process':52}{'midfill':>9}{'transf.':>9}{'ratio':>9}")
        for name, label in (
            ("decode_tok_s", "decode, tokens a second"),
            ("first_token_ms", "first token, ms"),
        ):
            print(f"{label:52}{mine[name]:9.1f}{theirs[name]:9.1f}{mine[name] / theirs[name]:9.2f}")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="midfill bench", description="Measure how fast it feels: medians of several runs.")
    parser.add_argument("--model", type=model_name, default="demo", help="demo, lite, a folder or a hub id")
    parser.add_argument("--runs", type=whole(1), default=7, help="samples of each figure (%(default)s)")
    parser.add_argument(
        "--against", choices=("transformers",), help="also run transformers (install midfill[compare])"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    chart = file_named(".svg")
    parser.add_argument("--chart", type=chart, metavar="FILE.svg", help="on a GPU, with --against: draw both")
    return parser.parse_args(argv)
