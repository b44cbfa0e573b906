"""`midfill` as a user types it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from midfill_server.tools.bench import TARGETS

from ..scripted_engine import ScriptedEngine
from .conftest import CLI, ITEM, PROGRAM, end_of, environment


def midfill(folder: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *arguments], env=environment(folder), capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "bank:1.py"
    path.write_text(PROGRAM)
    line, column = end_of(PROGRAM)
    return f"{path}:{line + 1}:{column + 1}"


def test_complete_prints_the_line_the_text_and_the_timings(engine: ScriptedEngine, program: str) -> None:
    done = midfill(engine.folder, "complete", program)
    assert (done.returncode, done.stderr) == (0, "")
    assert PROGRAM.splitlines()[-1] + ITEM in done.stdout
    assert "server answered after" in done.stdout
    assert "whole" in done.stdout


def test_complete_as_json(engine: ScriptedEngine, program: str) -> None:
    done = midfill(engine.folder, "complete", program, "--json")
    outcome = json.loads(done.stdout)
    assert outcome["text"] == outcome["streamed"][-1] == ITEM
    assert outcome["model"] == "scripted"
    times = outcome["timings"]
    assert 0 < times["first_partial_ms"] <= times["total_ms"]
    assert 0 < times["initialize_ms"] <= times["ready_ms"]


def test_status_has_the_same_keys_with_and_without_an_engine(
    engine: ScriptedEngine, own_folder: Path, program: str
) -> None:
    midfill(engine.folder, "complete", program)
    running = json.loads(midfill(engine.folder, "status", "--json").stdout)
    stopped = json.loads(midfill(own_folder, "status", "--json").stdout)
    assert running.keys() == stopped.keys()
    assert (running["state"], stopped["state"]) == ("ready", "stopped")
    assert (running["pid"], running["model"], running["requests"]) == (os.getpid(), "scripted", 1)
    assert running["fim_trained"] is True and running["memory"]["resident"] > 50 << 20
    assert stopped["pid"] is None and stopped["model"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["complete"],
        ["complete", "a.py"],
        ["complete", "a.py:1"],
        ["complete", "a.py:0:1"],
        ["complete", "/nowhere/a.py:1:1"],
        ["complete", f"{__file__}:100000:1"],
        ["complete", f"{__file__}:2:1000"],
        ["status", "--yaml"],
        ["download", "a/b", "c/d"],
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(own_folder: Path, arguments: list[str]) -> None:
    done = midfill(own_folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() and "Traceback" not in done.stderr


def test_a_failing_engine_is_exit_code_1(own_folder: Path, program: str) -> None:
    done = midfill(own_folder, "complete", program, "--model", "/nowhere/model")
    assert done.returncode == 1
    assert "/nowhere/model" in done.stderr and "Traceback" not in done.stderr


def test_bench_measures_every_figure(own_folder: Path) -> None:
    done = midfill(own_folder, "bench", "--model", "demo", "--runs", "1", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert figures.keys() == {"machine", *TARGETS}
    assert all(figures[name]["n"] == 1 for name in TARGETS)


def test_bench_without_a_model_is_one_sentence(own_folder: Path) -> None:
    done = midfill(own_folder, "bench", "--model", "/nowhere/model", "--runs", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "/nowhere/model" in done.stderr and "Traceback" not in done.stderr


def test_version(own_folder: Path) -> None:
    assert midfill(own_folder, "--version").stdout.startswith("midfill 0.")


def test_a_users_folder_cannot_shadow_our_modules(own_folder: Path, tmp_path: Path) -> None:
    for name in ("tomllib", "json", "server", "midfill_server", "lsprotocol", "httpx"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    assert midfill(own_folder, "status", cwd=tmp_path).returncode == 0
