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
    machine,
    path,
    whole,
    writable,
)
from midfill_server.engines.backend import BackendError
from midfill_server.settings import Settings, read_settings
from midfill_server.tools.evaluation.outcome import percentile
from midfill_server.tools.evaluation.page import drawing
from midfill_server.tools.evaluation.replay import Manner, part
from midfill_server.tools.evaluation.report import Curves, Report, Row, Table
from midfill_server.tools.load.developer import Developer, Figures
from midfill_server.tools.set_option import add_set_option, settings_of

LINES, PLACES = 30, 8  # of a file: how much each developer types, and from how many places on


def main(argv: list[str]) -> int:
    """0, or 1 when no request was answered. Raises UsageError and BackendError."""
    options = _parser().parse_args(argv)
    settings = _settings(options)
    places = [Manner(lines=LINES, seed=options.seed + n) for n in range(PLACES)]
    parts = [[part(file, it) for file in options.trace] for it in places]
    developers = [
        Developer(n, parts[n % PLACES][n % len(options.trace)], settings, options.seed)
        for n in range(options.developers)
    ]
    if options.plot is not None:
        writable(options.plot)
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
            print(f"{n} times: {sentence}")
    if not found.n_tokens:
        raise BackendError("no request was answered")
    return 0


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
    given = settings_of(options.set) | {"url": options.url[0] if len(options.url) == 1 else options.url}
    settings, complaints = read_settings(given)
    if complaints:
        raise UsageError("; ".join(complaints))
    return settings


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
        help=f"code; {LINES} lines of it are typed at a person's speed, again and again; or several",
    )
    it.add_argument("--seconds", type=above_zero(86_400), default=120.0, help="for how long (%(default)s)")
    it.add_argument("--seed", type=any_whole, default=1, help="seed of the places and pauses (%(default)s)")
    add_set_option(it)
    it.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    it.add_argument("--plot", type=path, metavar="FILE.svg", help="also draw how long answers took")
    return it
