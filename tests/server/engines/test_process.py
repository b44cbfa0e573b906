"""How the engine's process is started, and what it is quoted with when it has ended."""

import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from midfill_model import seam
from midfill_model.command_line import NAMES
from midfill_model.seam import LOG, LONGEST_LOG, MARK, OLD_LOG
from midfill_server.engines.process import (
    first_finding,
    last_words,
    start,
    why_it_ended,
)
from midfill_server.settings import Settings, as_options

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Python")


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that will hold what an engine was started with, as JSON."""
    program, said = tmp_path / "python", tmp_path / "arguments"
    told = "[os.environ.get('MIDFILL_CACHE_DIR'), os.getcwd(), *sys.argv[2:]]"
    code = f"import json, os, sys; json.dump({told}, open(sys.argv[1], 'w'))"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "{said}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))
    return said


def started_with(said: Path, folder: Path, model: str, *options: str) -> list[str]:
    assert start(folder, model, options).wait(30) == 0
    _, directory, *arguments = json.loads(said.read_text())
    assert directory == str(folder) and arguments[-2:] == ["--runtime-dir", str(folder)]
    assert arguments[:5] == ["-I", "-m", "midfill_server", "engine", "--stay"]
    return list(arguments[5:-2])


@pytest.mark.parametrize("model", ["weights", "./weights", "../here/weights", "~/here/weights"])
def test_a_relative_model_folder_is_the_users(
    arguments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    here, run = tmp_path / "here", tmp_path / "run"
    (here / "weights").mkdir(parents=True)
    run.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    option, named = started_with(arguments, run, model)
    assert option == "--model" and Path(named).is_absolute() and Path(named).samefile(here / "weights")


@pytest.mark.parametrize("named", ["cache", "./cache", "~/here/cache"])
def test_a_relative_cache_folder_is_the_users(
    arguments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    here, run = tmp_path / "here", tmp_path / "run"
    here.mkdir()
    run.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MIDFILL_CACHE_DIR", named)
    started_with(arguments, run, "auto")
    assert json.loads(arguments.read_text())[0] == str(here / "cache")


@pytest.mark.parametrize("model", [*NAMES, "owner/name@main"])
def test_names_stay_as_they_are_and_options_are_handed_on(
    arguments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    for name in NAMES:
        (tmp_path / name).mkdir()  # a folder of that name is not meant
    monkeypatch.chdir(tmp_path)
    options = ["--threads", "2", "--device=cpu"]
    assert started_with(arguments, tmp_path, model, *options) == ["--model", model, *options]


def test_the_log_is_bounded(arguments: Path, tmp_path: Path) -> None:
    log = tmp_path / LOG
    log.write_bytes(b"x" * (LONGEST_LOG + 1))
    for _ in range(2):
        started_with(arguments, tmp_path, "demo")
    assert (tmp_path / OLD_LOG).stat().st_size > LONGEST_LOG
    assert log.read_bytes() == 2 * seam.mark("starts") and log.stat().st_mode & 0o77 == 0


def test_each_engine_is_quoted_with_its_own_last_words(tmp_path: Path) -> None:
    assert last_words(tmp_path) == "it said nothing"
    log = tmp_path / LOG
    log.write_text("yesterday\n")
    assert last_words(tmp_path) == last_words(tmp_path, 7) == "it said nothing"
    log.write_text(f"yesterday\n\n{MARK}7\nmidfill engine: no model.\n\n{MARK}77\nloading\nno memory\n\n")
    assert last_words(tmp_path, 7) == "no model."
    assert last_words(tmp_path, 77) == last_words(tmp_path) == "no memory"
    log.write_text(
        f"\n{MARK}7\n2026-11-26 00:52:29,415 ERROR midfill_model.generation.engine: No model: a b.\n"
    )
    assert last_words(tmp_path) == "No model: a b."
    log.write_text(f"{log.read_text()}\n{MARK}8\n")
    assert last_words(tmp_path) == last_words(tmp_path, 8) == "it said nothing"


def test_what_was_said_before_an_engine_was_ready_or_ended_in_order_is_no_last_word(tmp_path: Path) -> None:
    """So a fault that is mended is not told for ever, whoever started the engine that came after it."""
    log, me = tmp_path / LOG, os.getpid()
    log.write_bytes(seam.mark("starts") + b"Python cannot be started.\n")
    assert (last_words(tmp_path), last_words(tmp_path, me)) == (
        "Python cannot be started.",
        "it said nothing",
    )
    for what in ("", "is ready", "has ended"):
        seam.note(tmp_path, what)
        assert last_words(tmp_path) == last_words(tmp_path, me) == "it said nothing"
        log.write_bytes(log.read_bytes() + b"no memory\n")
        assert last_words(tmp_path) == last_words(tmp_path, me) == "no memory"


def test_what_took_an_engines_last_words_is_said(tmp_path: Path) -> None:
    (tmp_path / LOG).write_bytes(seam.mark("starts"))
    assert "memory runs out" in why_it_ended(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # where no disk can be filled
    try:
        assert why_it_ended(tmp_path).endswith(
            "cannot be written to (File too large): make room on that disk"
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    for words in ("  what():  std::bad_alloc", "midfill: MemoryError", "OSError: Cannot allocate memory"):
        (tmp_path / LOG).write_bytes(seam.mark("starts") + words.encode())
        assert why_it_ended(tmp_path).startswith("there was not enough memory for it: ")


def test_the_mark_of_a_start_stands_before_anything_that_the_engine_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast it is: its first words are there before the front goes on."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho first words; exit 1\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    real = subprocess.Popen

    def at_once(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        process = real(*args, **kwargs)
        process.wait(30)
        return process

    monkeypatch.setattr(subprocess, "Popen", at_once)
    start(tmp_path, "demo")
    assert last_words(tmp_path) == "first words"


async def test_the_doctors_first_finding_is_a_sentence_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIDFILL_RUNTIME_DIR", str(tmp_path / "file"))
    assert "set MIDFILL_RUNTIME_DIR to a private folder of your own. " in await first_finding({})


async def test_the_doctor_is_asked_with_the_settings_of_the_session() -> None:
    found = await first_finding(as_options(Settings(model="./no-such-model")))
    assert "no-such-model" in found


async def test_a_doctor_that_cannot_be_asked_has_found_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    assert await first_finding({}) == ""
