"""`midfill eval DATA.jsonl`: HumanEval-infilling's tasks; a completion passes when the task's tests pass."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midfill_model.command_line import UsageError, refusal
from midfill_server.tools.evaluation import judge
from midfill_server.tools.evaluation.figures.outcome import Outcome, mean, outcome, quality, speed
from midfill_server.tools.evaluation.holes import File, Hole
from midfill_server.tools.evaluation.report.tables import Report, Row, Table
from midfill_server.tools.evaluation.repository import Progress, latencies
from midfill_server.tools.evaluation.session import Trial, session

KEYS = ("task_id", "prompt", "suffix", "canonical_solution", "test", "entry_point")


@dataclass(frozen=True, slots=True)
class Task:
    """One line of the data; `level` is what its id begins with, such as SingleLineInfilling."""

    name: str
    prompt: str
    suffix: str
    solution: str
    test: str
    entry_point: str

    @property
    def level(self) -> str:
        return self.name.partition("/")[0]

    def hole(self, folder: Path) -> Hole:
        """The task as an editor shows it. A hidden line keeps its end: the cursor has its own line."""
        path = folder / (self.name.replace("/", "_") + ".py")
        end = len(self.prompt) + len(self.solution.removesuffix("\n"))
        return Hole(self.level, File(path, self.prompt + self.solution + self.suffix), len(self.prompt), end)


async def evaluate(data: Path, limit: int | None, seed: int, trial: Trial, progress: Progress) -> Report:
    """All tasks, or `limit` drawn ones; runs what was written. Raises UsageError and BackendError."""
    if sys.platform == "win32":
        raise UsageError("tasks are run with limits that Windows lacks; use Linux, macOS or WSL")
    tasks = read_tasks(data)
    if limit is not None and limit < len(tasks):
        tasks = random.Random(seed).sample(tasks, limit)  # neighbours in the file belong to one problem
    folder = Path(tempfile.gettempdir(), "midfill-eval")  # files in it are opened by name alone
    outcomes: list[Outcome] = []
    passed: list[bool] = []
    async with session(trial) as editor:
        for task in tasks:
            hole = task.hole(folder)
            answer = await editor.ask(hole.file.path, hole.prefix + hole.suffix, hole.start, "python")
            program = hole.prefix + answer.text + hole.suffix
            outcomes.append(outcome(hole, answer))
            passed.append(await asyncio.to_thread(judge.passes, judged(program, task)))
            progress(len(passed), len(tasks))
    about = {"data": f"{data.name}, {len(tasks)} tasks", "seed": seed, "model": editor.name}
    tables = (_passes(tasks, passed), quality(outcomes), speed(outcomes))
    return Report(about, tables, (latencies(outcomes),))


def judged(program: str, task: Task) -> str:
    """The program with its tests behind it."""
    return f"{program}\n{task.test}\ncheck({task.entry_point})\n"


def read_tasks(data: Path) -> list[Task]:
    """From JSON lines, plain or gzipped. Raises UsageError."""
    try:
        raw = data.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = (
            refusal(error) if isinstance(error, OSError) and error.errno else "it is damaged; fetch it again"
        )
        raise UsageError(f"cannot read {data}: {reason}") from error
    lines = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise UsageError(f"{data} holds no tasks; give a file in HumanEval-infilling's format")
    return [_task(line, f"{data}, line {n}") for n, line in lines]


def _task(line: str, where: str) -> Task:
    try:
        raw: Any = json.loads(line)
    except ValueError:
        raise UsageError(f"{where} is not JSON; give a file in HumanEval-infilling's format") from None
    values = [raw.get(key) if isinstance(raw, dict) else None for key in KEYS]
    if missing := [key for key, value in zip(KEYS, values, strict=True) if not isinstance(value, str)]:
        raise UsageError(f"{where} lacks the text {missing[0]}; HumanEval-infilling's tasks have one")
    return Task(*map(str, values))


def _passes(tasks: list[Task], passed: list[bool]) -> Table:
    levels = list(dict.fromkeys(task.level for task in tasks))
    groups = [[ok for task, ok in zip(tasks, passed, strict=True) if task.level == it] for it in levels]
    row = Row("pass_at_1", "pass@1", "%", tuple(map(mean, groups)))
    return Table("tests", "Tests", tuple(levels), (row,))
