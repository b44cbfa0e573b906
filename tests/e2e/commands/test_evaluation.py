"""`midfill eval` and `midfill replay` as a user types them. What the model says there is not looked at."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from midfill_server.tools.evaluation.figures.outcome import FIGURES, STAGES
from midfill_server.tools.evaluation.infilling import KEYS
from midfill_server.tools.evaluation.replay.trace import FIGURES as TYPING_FIGURES

from ...scripted_engine import PATIENCE
from ..conftest import CLI, PROGRAM, environment

CODE = (
    PROGRAM.rstrip()
    + "\n        return amount\n\n\n"
    + PROGRAM.rstrip()
    + "\n        self.balance -= amount\n"
)


def midfill(folder: Path, *arguments: str | Path | int) -> subprocess.CompletedProcess[str]:
    command = [*CLI, *map(str, arguments)]
    return subprocess.run(command, env=environment(folder), capture_output=True, text=True, check=False)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    path = tmp_path / "code" / "bank.py"
    path.write_text(CODE)
    return path


def test_eval_of_a_folder(own_folder: Path, code: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    arguments = ("--repo", code.parent, "--holes", 2, "--model", "demo", "--set", "debounceMs=0")
    done = midfill(own_folder, "eval", *arguments, "--json", "--html", page)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["settings"] == {"debounceMs": 0}
    assert found["quality"].keys() == {"line", "block", "span", "all"}
    assert found["quality"]["all"]["holes"] == 6
    counted = {"holes", "one_line_judged", "reuse", "characters_right", "characters_wrong", "right_to_wrong"}
    assert found["quality"]["all"].keys() == counted | {name for name, *_ in FIGURES}
    assert found["quality"]["all"]["names_in_view"] is not None
    assert found["curve"]["0"]["shown"] >= found["curve"]["0.9"]["shown"]
    assert sum(it["holes"] for it in found["calibration"].values()) == 6
    speed = found["speed"]["p95"]
    assert speed.keys() == STAGES.keys()
    assert 0 < speed["prefill_ms"] < speed["whole_ms"]
    assert 0 < speed["first_text_ms"] <= speed["whole_ms"]  # of those holes where there is text to show
    assert "<svg" in page.read_text("utf-8")


@pytest.mark.parametrize("context", ["on", "off"])
def test_eval_tells_what_other_files_add(own_folder: Path, code: Path, context: str) -> None:
    """Names that only another file has: the engine is given them, or not."""
    used = "".join(f"def use_{n}(it):\n    return it.unusual_method_{n}(1)\n\n\n" for n in range(9))
    (code.parent / "user.py").write_text("from other import Other\n\n\n" + used)
    defined = "".join(f"    def unusual_method_{n}(self, n): ...\n" for n in range(9))
    (code.parent / "other.py").write_text("class Other:\n" + defined)
    arguments = ("--repo", code.parent, "--holes", 8, "--context", context, "--set", "contextTokens=256")
    done = midfill(own_folder, "eval", *arguments, "--model", "demo", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    added = json.loads(done.stdout)["quality"]["all"]["names_added"]
    assert added > 0.3 if context == "on" else added == 0


def test_eval_of_tasks_runs_their_tests(own_folder: Path, tmp_path: Path) -> None:
    """Two tasks that any item solves, and one that none can."""
    start = "def first(items):\n    result = items[0]\n"
    head = {"prompt": start, "canonical_solution": "    return result\n", "entry_point": "first"}
    tests = ["def check(f):\n    pass\n", "def check(f):\n    f([1])\n", "def check(f):\n    assert False\n"]
    tasks = [
        head | {"task_id": f"Own/{n}", "suffix": "    return result\n", "test": test}
        for n, test in enumerate(tests)
    ]
    tasks[0] |= {
        "prompt": "def first(items):\n    return items[0]\n# ",
        "suffix": "",
        "canonical_solution": "x",
    }
    assert tasks[0].keys() == set(KEYS)
    data = tmp_path / "tasks.jsonl"
    data.write_text("\n".join(map(json.dumps, tasks)) + "\n")
    done = midfill(own_folder, "eval", data, "--model", "demo", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["quality"]["Own"]["holes"] == 3
    assert 0 < found["tests"]["Own"]["pass_at_1"] < 1


def test_replay_types_the_file_and_leaves_it_alone(own_folder: Path, code: Path) -> None:
    done = midfill(own_folder, "replay", code, "--lines", 2, "--speed", 4, "--model", "demo", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)["typing"]["bank.py"]
    assert found.keys() == {name for name, *_ in TYPING_FIGURES}
    assert 10 < found["keys"] < 200 and found["generations"] > 0 and found["engine_seconds"] > 0
    assert sum(found[it] for it in ("known", "joined", "asked", "unanswered")) == pytest.approx(1, abs=0.001)
    assert code.read_text() == CODE


def test_an_engine_that_dies_meanwhile_is_one_sentence(own_folder: Path, code: Path) -> None:
    command = [*CLI, "eval", "--repo", str(code.parent), "--holes", "100", "--model", "demo"]
    temporary = {**environment(own_folder), "TMPDIR": str(own_folder)}
    run = subprocess.Popen(command, env=temporary, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while not (taps := list(own_folder.glob("midfill-*/tap/engine.json"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(json.loads(taps[0].read_text())["pid"], signal.SIGKILL)
    out, errors = run.communicate(timeout=PATIENCE)
    assert (run.returncode, out) == (1, "")
    assert errors == "midfill: The engine stopped while it was measured; what it measured so far is lost\n"
