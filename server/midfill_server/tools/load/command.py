"""`midfill load --url URL --developers N --trace FILE`: N people type at once; how fast are they answered?"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from time import perf_counter

from midfill_model.command_line import (
    Busy,
    Parser,
    UsageError,
    above_zero,
    any_whole,
    file_named,
    machine,
    path,
    refuse_stdin,
    whole,
    writable,
)
from midfill_server.engines.backend import BackendError
from midfill_server.settings import Settings, read_settings
from midfill_server.tools.evaluation.figures.outcome import percentile
from midfill_server.tools.evaluation.replay.run import Manner, part
from midfill_server.tools.evaluation.report.page import drawing
from midfill_server.tools.evaluation.report.tables import Curves, Report, Row, Table
from midfill_server.tools.load.developer import Developer, Figures
from midfill_server.tools.set_option import add_set_option, settings_of

PLACES = 8  # of a file, from which on somebody types


def main(argv: list[str]) -> int:
    """0, or 1 when no request was answered. Raises UsageError and BackendError."""
    options = _parser().parse_args(argv)
    refuse_stdin(*options.trace)
    settings = _settings(options)
    places = [Manner(lines=options.lines, seed=options.seed + n) for n in range(PLACES)]
    parts = [[part(file, it) for file in options.trace] for it in places]
    developers = [
        Developer(n, parts[n % PLACES][n % len(options.trace)], settings, options.seed)
        for n in range(options.developers)
    ]
    _check_plot(options)
    with Busy() as busy:
        busy.show(f"{options.developers} developers type for {options.seconds:g} s")
        seconds = asyncio.run(_type(developers, options.seconds))
    found = sum((it.figures for it in developers), Figures())
    curves = _curves(found)
    report = Report(_about(options, settings, seconds), (_table(found, seconds),), (curves,))
    if options.plot is not None:
        options.plot.write_text(drawing(curves), "utf-8")
    errors = {"errors": dict(found.errors)}
    print(json.dumps(report.as_json() | errors) if options.json else report.as_text())
    if not options.json:
        for sentence, n in found.errors.most_common():
            print(f"{_how_often(n)}: {sentence}")
    if not found.n_keys:
        raise UsageError(f"nobody typed a key in {options.seconds:g} s; give more --seconds")
    if not found.n_tokens:
        raise BackendError("no request was answered")
    return 0


def _how_often(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


def _check_plot(options: argparse.Namespace) -> None:
    """UsageError where it cannot be written, or would take a trace's place."""
    if options.plot is not None:
        writable(options.plot)
        if options.plot.resolve() in [it.resolve() for it in options.trace]:
            raise UsageError(f"{options.plot} is a --trace; give another file to --plot")


async def _type(developers: Sequence[Developer], seconds: float) -> float:
    begun = perf_counter()
    await asyncio.gather(*(it.run(begun + seconds) for it in developers))
    return perf_counter() - begun


def _table(found: Figures, seconds: float) -> Table:
    first, items = found.first_texts, found.items
    share = found.n_cancelled / found.n_generations if found.n_generations else None
    rows = [
        Row("keys", "keys typed", "", (found.n_keys,)),
        Row("first_p50", "first text within (p50)", "ms", (_ms(first, 50),)),
        Row("first_p95", "first text within (p95)", "ms", (_ms(first, 95),)),
        Row("item_p50", "item within (p50)", "ms", (_ms(items, 50),)),
        Row("item_p95", "item within (p95)", "ms", (_ms(items, 95),)),
        Row("generations", "generations", "", (found.n_generations,)),
        Row("cancelled", "… cancelled before they were of use", "%", (share,)),
        Row("tokens", "tokens written", "", (found.n_tokens,)),
        Row("wasted", "… of cancelled generations", "", (found.n_wasted,)),
        Row("tokens_per_second", "tokens a second", "", (round(found.n_tokens / seconds, 1),)),
        Row("errors", "errors", "", (found.errors.total(),)),
    ]
    return Table("load", "Load", ("all",), tuple(rows))


def _curves(found: Figures) -> Curves:
    samples = {
        "first text": [1000 * it for it in found.first_texts],
        "item": [1000 * it for it in found.items],
    }
    return Curves("From the request to the answer (share of answers within)", "ms", samples)


def _ms(seconds: Sequence[float], share: int) -> float | None:
    found = percentile(seconds, share)
    return None if found is None else 1000 * found


def _about(options: argparse.Namespace, settings: Settings, seconds: float) -> dict[str, object]:
    return {
        "command": "load",
        "developers": options.developers,
        "seconds": round(seconds, 1),
        "traces": ", ".join(file.name for file in options.trace),
        "servers": len(settings.urls),
        "machine": machine(),
    }


def _settings(options: argparse.Namespace) -> Settings:
    if "" in options.url:
        raise UsageError("--url is empty; give an address, such as http://localhost:8000/v1")
    urls = options.url[0] if len(options.url) == 1 else options.url
    return read_settings(settings_of(options.set, {"url": urls}))[0]


def _parser() -> Parser:
    it = Parser("midfill load", description="Let many people type at one server, and measure it.")
    it.add_argument(
        "--url", action="append", required=True, help="the server; again for those that take over from it"
    )
    it.add_argument(
        "--developers", type=whole(1, 1000), default=20, metavar="N", help="who type at once (%(default)s)"
    )
    it.add_argument(
        "--trace",
        action="append",
        type=path,
        required=True,
        metavar="FILE",
        help="code, of which some lines are typed at a person's speed, again and again; or several",
    )
    it.add_argument(
        "--lines",
        type=whole(1, 100_000),
        default=30,
        help="how many lines each types (%(default)s)",
    )
    it.add_argument("--seconds", type=above_zero(86_400), default=120.0, help="for how long (%(default)s)")
    it.add_argument("--seed", type=any_whole, default=1, help="seed of the places and pauses (%(default)s)")
    add_set_option(it)
    it.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    plot = file_named(".svg")
    it.add_argument("--plot", type=plot, metavar="FILE.svg", help="also draw how long answers took")
    return it
