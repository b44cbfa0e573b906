"""A runtime folder of a test's own, and a stand-in for the engine's process, which is real."""

import gc
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_model.seam import LOG, MARK

from ...engine_program import engines_are

STAND_IN = Path(__file__).parent / "stand_in.py"


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="midfill-"))  # short: a socket's path may have 107 characters
    monkeypatch.setenv("MIDFILL_RUNTIME_DIR", str(folder))
    yield folder
    for pid in started(folder):
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    shutil.rmtree(folder)
    gc.collect()  # of Popen objects whose process outlives them, as an engine does


@pytest.fixture
def stand_in(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what engines that are started from now on do: see stand_in.py."""
    engines_are(STAND_IN, runtime, monkeypatch)

    def does(**what: object) -> None:
        monkeypatch.setenv("STAND_IN", json.dumps(what))

    does()
    return does


def started(folder: Path) -> list[int]:
    """The process ids of all engines that were started there, by whomever."""
    if not (folder / LOG).exists():
        return []
    lines = (folder / LOG).read_text().split("\n")
    marks = [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
    return [int(it) for it in marks if it.isdecimal()]


def pid_of(folder: Path) -> int | None:
    card = seam.read_card(folder)
    return card.pid if card else None
