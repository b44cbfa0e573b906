"""How an engine's process ends: idle, killed, out of reach, with a dead thread, or before it begins."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from midfill_model.process.main import main

from .test_api import PROMPT, client, end, start, wait_for_card


def test_an_engine_that_nobody_uses_gives_its_memory_back(tmp_path: Path, tiny_folder: Path) -> None:
    process = start(tmp_path, tiny_folder, "--idle-minutes", "0.01")
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["engine.lock"]


@pytest.mark.parametrize("name", ["engine.json", "engine.sock"])
def test_an_engine_that_nobody_can_find_ends(tmp_path: Path, tiny_folder: Path, name: str) -> None:
    """A cleaner of temporary files took its card or socket: it frees the lock for one that can be found."""
    process = start(tmp_path, tiny_folder)
    wait_for_card(tmp_path, process)
    (tmp_path / name).unlink()
    errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors.count("\n")) == (1, 1)
    assert f"{tmp_path / name} was removed" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["engine.lock"]


def test_an_engine_whose_folder_vanishes_ends(tmp_path: Path, tiny_folder: Path) -> None:
    process = start(folder := tmp_path / "run", tiny_folder)
    wait_for_card(folder, process)
    shutil.rmtree(folder)
    assert "was removed" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


async def test_an_engine_that_was_replaced_ends_and_leaves_the_other_alone(
    tmp_path: Path, tiny_folder: Path
) -> None:
    """The folder was emptied while the first one was frozen, and a second one has its place."""
    first = start(tmp_path, tiny_folder)
    wait_for_card(tmp_path, first)
    first.send_signal(signal.SIGSTOP)
    for name in os.listdir(tmp_path):
        os.remove(tmp_path / name)
    second = start(tmp_path, tiny_folder)
    card = wait_for_card(tmp_path, second)
    first.send_signal(signal.SIGCONT)
    assert "replaced" in first.communicate(timeout=60)[1]
    async with client(card) as http:
        assert (await http.get("/health")).json()["pid"] == second.pid
    end(second)


def test_an_engine_whose_thread_dies_ends_and_says_why(tmp_path: Path, tiny_folder: Path) -> None:
    """With its card and socket, so that the next completion starts another."""
    code = (
        "import sys\n"
        "from midfill_model.generation import engine\n"
        "from midfill_model.process.main import main\n"
        "def broken(*_): raise ZeroDivisionError\n"
        "engine.Slots = broken\nsys.exit(main(sys.argv[1:]))"
    )
    where = ("--runtime-dir", str(tmp_path), "--model", str(tiny_folder), "--threads", "1")
    process = subprocess.run(
        [sys.executable, "-I", "-c", code, *where], capture_output=True, text=True, timeout=60, check=False
    )
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert last.startswith("midfill: The generation thread failed (ZeroDivisionError); ")
    assert [path.name for path in tmp_path.iterdir()] == ["engine.lock"]


@pytest.mark.parametrize(
    "options",
    [
        ("--threads", "0"),
        ("--threads", "-3"),
        ("--threads", "two"),
        ("--cache-mb", "-1"),
        ("--port", "99999"),
        ("--device", "tpu"),
        ("--slots", "0"),
        ("--idle-minutes", "-1"),
        ("--idle-minutes", "nan"),
        ("--idle-minutes", "soon"),
        ("--no-such-option",),
    ],
)
def test_a_bad_option_is_one_sentence(capsys: pytest.CaptureFixture[str], options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as end:
        main(list(options))
    errors = capsys.readouterr().err
    assert end.value.code == 2
    assert errors.startswith("midfill: ") and errors.count("\n") == 1
    assert options[0] in errors


async def test_a_dead_engines_socket_is_replaced(tmp_path: Path, tiny_folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "engine.sock"))
    killed = start(tmp_path, tiny_folder)
    wait_for_card(tmp_path, killed)
    killed.kill()
    killed.communicate(timeout=30)
    (tmp_path / "engine.json").unlink()
    process = start(tmp_path, tiny_folder)
    async with client(wait_for_card(tmp_path, process)) as http:
        assert (await http.post("/v1/completions", json=PROMPT)).status_code == 200
    assert end(process)[0] == 0
