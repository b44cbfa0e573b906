"""`midfill eval --repo DIR`: holes in a folder's own code, each asked for as a keystroke would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from midfill_model.command_line import UsageError
from midfill_server.tools.evaluation.figures import curve
from midfill_server.tools.evaluation.figures.curve import Filled
from midfill_server.tools.evaluation.figures.outcome import STAGES, Outcome, outcome, quality, speed
from midfill_server.tools.evaluation.holes import EXTENSIONS, LARGEST, SMALLEST, Hole, holes, source_files
from midfill_server.tools.evaluation.report.tables import Curves, Report
from midfill_server.tools.evaluation.session import Trial, session

Progress = Callable[[int, int], None]


async def evaluate(root: Path, n: int, seed: int, trial: Trial, progress: Progress) -> Report:
    """`n` holes of each level. Raises UsageError when there are none, and BackendError."""
    root, found = find(root, n, seed)
    outcomes, filled = list[Outcome](), list[Filled]()
    async with session(trial, root) as editor:
        for hole in found:
            text = hole.prefix + hole.suffix
            answer = await editor.ask(hole.file.path, text, hole.start, hole.file.language)
            outcomes.append(outcome(hole, answer))
            filled += [Filled(hole, answer.exchange)] if answer.exchange else []
            progress(len(outcomes), len(found))
    n_files = len({hole.file.path for hole in found})
    about = {"data": f"{root.name}, holes in {n_files} files", "seed": seed, "model": editor.name}
    tables = (quality(outcomes), *curve.tables(filled), speed(outcomes))
    return Report(about, tables, (*curve.plots(filled), latencies(outcomes)))


def find(root: Path, n: int, seed: int) -> tuple[Path, list[Hole]]:
    """The folder, absolute, and its holes. Raises UsageError."""
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder; give one that holds code")
    found = list(holes(source_files(root), n, seed))
    if not found:
        raise UsageError(
            f"no holes found in {root}; it needs a file of code ({', '.join(sorted(EXTENSIONS))}) "
            f"of {SMALLEST:,} to {LARGEST:,} bytes"
        )
    return root.resolve(), found


def latencies(outcomes: list[Outcome]) -> Curves:
    shown = {name: STAGES[name] for name in ("prefill_ms", "first_text_ms", "whole_ms")}
    samples = {
        label: [it.stages[name] for it in outcomes if name in it.stages] for name, label in shown.items()
    }
    return Curves("How long it takes (share of completions within)", "ms", samples)
