"""The command lines of `midfill eval` and `midfill replay`: what to measure, and where the figures go."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable, Coroutine
from typing import Any

from midfill_model.command_line import (
    Busy,
    Parser,
    UsageError,
    above_zero,
    any_whole,
    file_named,
    machine,
    model_name,
    path,
    refuse_stdin,
    whole,
    writable,
)
from midfill_server.tools.evaluation import infilling, repository
from midfill_server.tools.evaluation.replay import trace
from midfill_server.tools.evaluation.replay.run import Manner, replay
from midfill_server.tools.evaluation.report import page
from midfill_server.tools.evaluation.report.tables import Report
from midfill_server.tools.evaluation.repository import Progress
from midfill_server.tools.evaluation.session import Trial
from midfill_server.tools.set_option import add_set_option, settings_of


def evaluate_main(argv: list[str]) -> int:
    """`midfill eval`: 0. Raises UsageError, BackendError and ConnectionError."""
    options = _evaluate_parser().parse_args(argv)
    if (options.data is None) == (options.repo is None):
        raise UsageError("give either DATA.jsonl or --repo DIR")
    refuse_stdin(*filter(None, (options.data, options.repo)))
    return _measure("eval", options, _evaluate)


def replay_main(argv: list[str]) -> int:
    """`midfill replay`: as above."""
    options = _replay_parser().parse_args(argv)
    refuse_stdin(*options.files)
    return _measure("replay", options, _replay)


async def _evaluate(options: argparse.Namespace, trial: Trial, progress: Progress) -> Report:
    if options.data is not None:
        return await infilling.evaluate(options.data, options.limit, options.seed, trial, progress)
    return await repository.evaluate(options.repo, options.holes, options.seed, trial, progress)


async def _replay(options: argparse.Namespace, trial: Trial, progress: Progress) -> Report:
    manner = Manner(
        options.lines,
        options.speed,
        options.accept,
        options.press,
        options.seed,
        options.pairs,
        options.whole,
    )
    with tempfile.TemporaryFile() as log:
        traces = await replay(options.files, manner, trial, progress, log)
        log.seek(0)
        said = log.read().decode("utf-8", "replace").splitlines()
    how_much = "all" if manner.whole else f"{manner.lines} lines"
    about = {
        "data": f"{len(traces)} files, {how_much} of each, speed {manner.speed:g}",
        "accepting": f"{manner.accept}s, {'pressed' if manner.press else 'counted'}",
        "pairs": "closed by the editor" if manner.pairs else "typed",
        "seed": manner.seed,
        "model": trial.model,
        "stderr": f"{len(said)} lines{': ' + said[0] if said else ''}",
    }
    return Report(about, (trace.table(traces),), trace.plots(traces))


_OF_OTHER_ENGINES = {"url", "engineOptions", "idleMinutes"}
Run = Callable[[argparse.Namespace, Trial, Progress], Coroutine[Any, Any, Report]]


def _measure(command: str, options: argparse.Namespace, run: Run) -> int:
    context = getattr(options, "context", None)
    own = {"model": options.model} | ({} if context is None else {"context": context == "on"})
    settings = settings_of(options.set, own)
    del settings["model"]  # the trial's
    for key in _OF_OTHER_ENGINES & settings.keys():
        raise UsageError(f"leave out --set {key}: `midfill {command}` measures an engine of its own")
    if options.html is not None:
        writable(options.html)
    trial = Trial(options.model, settings)
    with Busy() as busy:
        found = asyncio.run(run(options, trial, lambda done, total: busy.show(f"{done} of {total}")))
    about = {"command": command, "settings": dict(trial.settings or {}), "machine": machine()}
    report = Report({**about, **found.about}, found.tables, found.plots)
    if options.html is not None:
        options.html.write_text(page.html(report), "utf-8")
    print(json.dumps(report.as_json()) if options.json else report.as_text())
    return 0


def _evaluate_parser() -> Parser:
    it = Parser("midfill eval", description="Measure how good completions are.")
    it.add_argument(
        "data",
        nargs="?",
        type=path,
        metavar="DATA.jsonl",
        help="tasks in HumanEval-infilling's format, plain or gzipped; RUNS the code that the model writes, "
        "limited in time and memory but not in a sandbox",
    )
    it.add_argument("--limit", type=whole(1), help="run only this many tasks, drawn by the seed")
    it.add_argument("--repo", type=path, metavar="DIR", help="make holes in the code of this folder instead")
    it.add_argument("--holes", type=whole(1), default=100, help="how many holes of each kind (%(default)s)")
    it.add_argument("--context", choices=("on", "off"), help="send other files as context, or not")
    return _shared(it)


def _replay_parser() -> Parser:
    it = Parser("midfill replay", description="Type real files, and measure what is shown.")
    it.add_argument("files", nargs="+", type=path, metavar="FILE")
    it.add_argument(
        "--lines", type=whole(1), default=30, help="how many lines of each file are typed (%(default)s)"
    )
    it.add_argument("--whole", action="store_true", help="all of each file, typed into a new folder")
    it.add_argument("--speed", type=above_zero(1000), default=1.0, help="2 halves the pauses (%(default)s)")
    it.add_argument(
        "--accept",
        choices=("item", "word"),
        default="item",
        help="take suggestions whole, or also word by word (%(default)s)",
    )
    it.add_argument("--press", action="store_true", help="accept what is right, instead of only counting it")
    it.add_argument("--pairs", action="store_true", help="close brackets and quotes as VS Code does")
    return _shared(it)


def _shared(it: Parser) -> Parser:
    it.add_argument("--seed", type=any_whole, default=1, help="seed of the random choices (%(default)s)")
    it.add_argument(
        "--model", type=model_name, default="demo", help="demo, lite, a folder or a hub id (%(default)s)"
    )
    add_set_option(it)
    it.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    page = file_named(".html", ".htm")
    it.add_argument("--html", type=page, metavar="FILE.html", help="also write a page with plots")
    return it
