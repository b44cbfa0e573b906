"""How the engine's process is started, and what it is quoted with when it has ended."""

import json
import stat
import sys
from pathlib import Path

import pytest

from midfill_server.engines.process import LOG, LONGEST_LOG, MARK, OLD_LOG, last_words, start

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


@pytest.mark.parametrize("model", ["auto", "demo", "lite", "owner/name@main"])
def test_names_stay_as_they_are_and_options_are_handed_on(
    arguments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    (tmp_path / "demo").mkdir()  # a folder of that name is not meant
    monkeypatch.chdir(tmp_path)
    options = ["--threads", "2", "--device=cpu"]
    assert started_with(arguments, tmp_path, model, *options) == ["--model", model, *options]


def test_the_log_is_bounded(arguments: Path, tmp_path: Path) -> None:
    log = tmp_path / LOG
    log.write_bytes(b"x" * (LONGEST_LOG + 1))
    for _ in range(2):
        started_with(arguments, tmp_path, "demo")
    assert (tmp_path / OLD_LOG).stat().st_size > LONGEST_LOG
    assert log.stat().st_size < 100 and log.stat().st_mode & 0o77 == 0


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
