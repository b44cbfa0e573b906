"""`midfill` as a user types it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from ...scripted_engine import ScriptedEngine
from ..conftest import CLI, ITEM, PROGRAM, end_of, environment


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
    assert "all of it after" in done.stdout


def test_complete_as_json(engine: ScriptedEngine, program: str) -> None:
    done = midfill(engine.folder, "complete", program, "--json")
    outcome = json.loads(done.stdout)
    assert outcome["text"] == outcome["streamed"][-1] == ITEM
    assert outcome["model"] == "scripted"
    times = outcome["timings"]
    assert 0 < times["first_partial_ms"] <= times["total_ms"]
    assert 0 < times["initialize_ms"] <= times["ready_ms"]


def test_that_another_model_runs_is_said(engine: ScriptedEngine, program: str) -> None:
    done = midfill(engine.folder, "complete", program, "--model", "lite")
    assert done.returncode == 0 and ITEM in done.stdout
    assert "The engine runs the model scripted, not lite" in done.stderr
    done = midfill(engine.folder, "complete", program, "--model", "lite", "--json")
    assert "not lite" in json.loads(done.stdout)["warning"]


def test_an_address_can_be_tried(tmp_path: Path, own_folder: Path, program: str) -> None:
    with ScriptedEngine(tmp_path, tcp=True) as server:
        server.says("pass\n", after=PROGRAM)
        key = environment(own_folder) | {"KEY": str(server.token)}
        command = [*CLI, "complete", program, "--url", server.url, "--set", "apiKeyEnv=KEY"]
        done = subprocess.run(command, env=key, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "pass" in done.stdout and len(server.calls) == 1
        refused = midfill(own_folder, *command[len(CLI) : -2])
        assert refused.returncode == 1 and refused.stderr.count("\n") == 1 and "401" in refused.stderr


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "xterm")])
def test_colours_only_where_they_are_wanted(
    engine: ScriptedEngine, program: str, variable: str, value: str
) -> None:
    end, other = os.openpty()
    known = environment(engine.folder) | {"TERM": "xterm", variable: value}
    with subprocess.Popen([*CLI, "complete", program], env=known, stdout=other) as process:
        os.close(other)
        said = b""
        while b"all of it" not in said:
            said += os.read(end, 10_000)
        process.wait()
    os.close(end)
    assert (b"\033[2m" in said) is (value == "xterm")


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


COMMANDS = (
    *("serve", "complete", "status", "why", "stop"),
    *("download", "export", "engine", "bench", "eval", "replay", "load"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_nothing_but_the_front(own_folder: Path, command: str) -> None:
    """Without the extra `local`: whatever it brings cannot be imported here."""
    code = (
        "import sys\n"
        "for name in 'torch numpy tokenizers safetensors huggingface_hub starlette uvicorn tqdm'.split():\n"
        "    sys.modules[name] = None\n"
        "from midfill_server.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [*CLI[:2], "-c", code, command, "--help"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: midfill {command}")
    if command in ("engine", "download"):
        done = subprocess.run(
            [*CLI[:2], "-c", code, command],
            env=environment(own_folder),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("midfill: ") and 'pip install "midfill[local]"' in done.stderr


def test_complete_asks_as_an_editor_does(engine: ScriptedEngine, tmp_path: Path) -> None:
    """The language by the file's name, git's top level as the workspace, other files as context."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "shapes.py").write_text("class Ellipse:\n    def circumference(self):\n        return 1\n")
    (tmp_path / "app").mkdir()
    path = tmp_path / "app" / "main.py"
    path.write_text("from shapes import Ellipse\n\nellipse = Ellipse()\nprint(ellipse.")
    engine.says("circumference())", after="ellipse.")
    told = ""
    for _ in range(5):  # on a busy machine what is around may come too late for the first request
        done = midfill(engine.folder, "complete", f"{path}:4:15", "--json")
        assert json.loads(done.stdout)["text"] == "circumference())"
        told = "".join(engine.calls[-1].body["context"])
        if "def circumference" in told:
            break
    assert "def circumference" in told


def test_a_failing_engine_is_exit_code_1(own_folder: Path, program: str) -> None:
    done = midfill(own_folder, "complete", program, "--model", "nobody/nothing")
    assert done.returncode == 1
    assert "midfill download nobody/nothing" in done.stderr and "Traceback" not in done.stderr


def test_version(own_folder: Path) -> None:
    assert midfill(own_folder, "--version").stdout.startswith("midfill 0.")


def test_a_users_folder_cannot_shadow_our_modules(own_folder: Path, tmp_path: Path) -> None:
    for name in ("tomllib", "json", "server", "midfill_server", "lsprotocol", "httpx"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n")
    assert midfill(own_folder, "status", cwd=tmp_path).returncode == 0


def test_a_model_that_is_none_is_told_with_the_way_to_choose_another(own_folder: Path) -> None:
    (own_folder / "a.py").write_text("x = \n")
    (own_folder / "empty").mkdir()
    command = [*CLI, "complete", f"{own_folder / 'a.py'}:1:5", "--model", str(own_folder / "empty")]
    done = subprocess.run(command, env=environment(own_folder), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "config.json is missing" in done.stderr
    assert done.stderr.endswith("; or choose another with --set model=demo\n")
