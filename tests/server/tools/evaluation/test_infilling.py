"""HumanEval-infilling's tasks, read and put together again."""

import gzip
import json
from pathlib import Path

import pytest

from midfill_server.tools.evaluation import judge
from midfill_server.tools.evaluation.infilling import judged, read_tasks

LINE = {
    "task_id": "SingleLineInfilling/HumanEval/0/L0",
    "prompt": "def double(x):\n    y = 2 * x\n",
    "canonical_solution": "    return y\n",
    "suffix": "\n\nz = 1\n",
    "test": "def check(f):\n    assert f(2) == 4\n",
    "entry_point": "double",
}
SPAN = LINE | {"task_id": "RandomSpan/1", "prompt": "def double(x):\n    y = 2", "canonical_solution": " * x"}
SPAN |= {"suffix": "\n    return y\n"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_tasks_are_read_plain_or_gzipped(tmp_path: Path, pack: type[bytes]) -> None:
    data = tmp_path / "tasks.jsonl"
    data.write_bytes(pack(f"{json.dumps(LINE)}\n\n{json.dumps(SPAN)}\n".encode()))
    assert [task.level for task in read_tasks(data)] == ["SingleLineInfilling", "RandomSpan"]


@pytest.mark.parametrize("raw", [LINE, SPAN])
def test_the_right_answer_passes_and_a_wrong_one_does_not(tmp_path: Path, raw: dict[str, str]) -> None:
    data = tmp_path / "tasks.jsonl"
    data.write_text(json.dumps(raw))
    (task,) = read_tasks(data)
    hole = task.hole(tmp_path)
    assert hole.suffix.startswith("\n"), "the cursor is at the end of its line"
    assert hole.hidden == raw["canonical_solution"].removesuffix("\n")
    assert judge.passes(judged(hole.prefix + hole.hidden + hole.suffix, task))
    assert not judge.passes(judged(hole.prefix + hole.suffix, task))
