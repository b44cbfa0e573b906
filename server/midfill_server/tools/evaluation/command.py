"""The command lines of `midfill eval` and `midfill replay`: what to measure, and where the figures go."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from midfill_server import __version__
from midfill_server.engines.backend import BackendError
from midfill_server.settings import read_settings
from midfill_server.tools.complete_command import UsageError
from midfill_server.tools.evaluation import infilling, page, repository, trace
from midfill_server.tools.evaluation.replay import Manner, replay
from midfill_server.tools.evaluation.report import Report
from midfill_server.tools.evaluation.session import Trial


def evaluate_main(argv: list[str]) -> int:
    """`midfill eval`: 0, or one sentence and 2 for wrong usage, 1 for an engine that fails."""
    options = _evaluate_parser().parse_args(argv)
    if (options.data is None) == (options.repo is None):
        return _complain("give either DATA.jsonl or --repo DIR", 2)
    return _measure("eval", options, _evaluate)


def replay_main(argv: list[str]) -> int:
    """`midfill replay`: as above."""
    return _measure("replay", _replay_parser().parse_args(argv), _replay)


async def _evaluate(options: argparse.Namespace, trial: Trial) -> Report:
    if options.data is not None:
        return await infilling.evaluate(options.data, options.limit, options.seed, trial, _progress)
    return await repository.evaluate(options.repo, options.holes, options.seed, trial, _progress)


async def _replay(options: argparse.Namespace, trial: Trial) -> Report:
    manner = Manner(options.lines, options.speed, options.accept, options.seed, options.pairs)
    traces = await replay(options.files, manner, trial, _progress)
    about = {
        "data": f"{len(traces)} files, {manner.lines} lines of each, speed {manner.speed:g}",
        "tab": "pressed" if manner.accept else "counted",
        "pairs": "closed by the editor" if manner.pairs else "typed",
        "seed": manner.seed,
        "model": trial.model,
    }
    return Report(about, (trace.table(traces),), trace.plots(traces))


Run = Callable[[argparse.Namespace, Trial], Coroutine[Any, Any, Report]]


def _measure(command: str, options: argparse.Namespace, run: Run) -> int:
    try:
        settings = _settings(options.set)
        if getattr(options, "context", None) is not None:
            settings["context"] = options.context == "on"
        trial = Trial(options.model, settings)
        found = asyncio.run(run(options, trial))
        about = {"command": command, "settings": dict(trial.settings or {}), "machine": _machine()}
        report = Report({**about, **found.about}, found.tables, found.plots)
        if options.html is not None:
            _write(options.html, page.html(report))
    except UsageError as error:
        return _complain(str(error), 2)
    except BackendError as error:
        return _complain(str(error), 1)
    except ConnectionError:
        return _complain("the language server stopped; `midfill serve` on its own shows why", 1)
    print(json.dumps(report.as_json()) if options.json else report.as_text())
    return 0


def _settings(pairs: list[str]) -> dict[str, Any]:
    """From KEY=VALUE, values as in JSON; what is no JSON is a text. Raises UsageError."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} is not KEY=VALUE; try --set debounceMs=0")
        try:
            settings[key] = json.loads(value)
        except ValueError:
            settings[key] = value
    if complaints := read_settings(settings)[1]:
        raise UsageError(f"--set: {'; '.join(complaints)}")
    return settings


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {total} ", end="" if done < total else "\n", file=sys.stderr, flush=True)


def _machine() -> str:
    return (
        f"Midfill {__version__}, Python {platform.python_version()}, {platform.machine()}, "
        f"{os.cpu_count()} CPUs"
    )


def _complain(message: str, code: int) -> int:
    print(f"midfill: {message}", file=sys.stderr)
    return code


def _evaluate_parser() -> argparse.ArgumentParser:
    it = argparse.ArgumentParser("midfill eval", description="Measure how good completions are.")
    it.add_argument(
        "data",
        nargs="?",
        type=Path,
        metavar="DATA.jsonl",
        help="tasks in HumanEval-infilling's format, or gzipped; RUNS what the model writes, limited but not "
        "in a sandbox",
    )
    it.add_argument("--limit", type=_positive, help="only so many tasks, drawn by the seed")
    it.add_argument("--repo", type=Path, metavar="DIR", help="holes in the code of a folder instead")
    it.add_argument("--holes", type=_positive, default=100, help="holes of each level (%(default)s)")
    it.add_argument("--context", choices=("on", "off"), help="with or without what other files say")
    return _shared(it)


def _replay_parser() -> argparse.ArgumentParser:
    it = argparse.ArgumentParser("midfill replay", description="Type real files, and see what that shows.")
    it.add_argument("files", nargs="+", type=Path, metavar="FILE")
    it.add_argument("--lines", type=_positive, default=30, help="how many are typed (%(default)s)")
    it.add_argument("--speed", type=_factor, default=1.0, help="2: pauses of half the length (%(default)s)")
    it.add_argument("--accept", action="store_true", help="press Tab for what is right; else only count it")
    it.add_argument(
        "--pairs", action="store_true", help="the editor closes brackets and quotes itself, as VS Code does"
    )
    return _shared(it)


def _shared(it: argparse.ArgumentParser) -> argparse.ArgumentParser:
    it.add_argument("--seed", type=int, default=1, help="another one draws others (%(default)s)")
    it.add_argument("--model", default="demo", help="demo, lite, or a model folder (%(default)s)")
    it.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, such as maxTokens=32"
    )
    it.add_argument("--json", action="store_true", help="one JSON object instead of tables")
    it.add_argument("--html", type=Path, metavar="FILE", help="also write a page with plots")
    return it


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError
    return number


def _factor(text: str) -> float:
    if not 0 < (number := float(text)) <= 1000:
        raise ValueError
    return number
