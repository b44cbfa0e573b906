"""Another program in the engine's place: fronts start their engine with `sys.executable`."""

import sys
from pathlib import Path

import pytest

PYTHON = sys.executable


def engines_are(program: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that are started from now on are `program`, with their arguments. `folder` gets a script."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec "{PYTHON}" "{program}" "$@"\n')
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))


def engines_run(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, of the text of a program."""
    program = folder / "engine_program.py"
    program.write_text(code)
    engines_are(program, folder, monkeypatch)
