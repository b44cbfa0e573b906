"""Real servers over stdio, before an engine whose words a test gives, or before a real one of their own."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_model.seam import LOG
from midfill_server.engines.process import find
from midfill_server.tools.lsp_client import Editor, Pending

from ..known_model import write_known
from ..scripted_engine import PATIENCE, ScriptedEngine
from ..scripted_generation import Text

CLI = [sys.executable, "-I", "-m", "midfill_server"]

PROGRAM = '''"""Bank accounts."""

class Account:
    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError("the amount must be positive")
        self.balance += amount

    def transfer(self, amount, other):
        '''

TOKENS = ("self", ".balance", " -=", " amount", "\n        ", "other", ".balance", " +=", " amount", "\n")
"""What follows PROGRAM."""
FIRST = "self.balance -= amount"
ITEM = FIRST + "\n        other.balance += amount"


class Engine:
    """The real engine of a runtime folder, seen from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def pid(self) -> int | None:
        card = seam.read_card(self.folder)
        return card.pid if card else None

    async def health(self) -> seam.Health:
        found = await find(self.folder)
        assert found is not None, "no engine is running"
        found.backend.close()
        return found.health

    async def generations(self) -> int:
        return (await self.health()).requests

    async def idle(self) -> None:
        """Wait until nothing is being decoded."""
        async with asyncio.timeout(PATIENCE):
            while (await self.health()).busy:  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.01)


@contextlib.contextmanager
def runtime_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="midfill-"))  # short: a socket's path may have 107 characters
    try:
        yield folder
    finally:
        pid = Engine(folder).pid
        done = subprocess.run([*CLI, "stop"], env=environment(folder), capture_output=True, check=False)
        shutil.rmtree(folder)
        assert done.returncode == 0, done.stderr
        assert pid is None or ends(pid), "an engine was left behind"


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "MIDFILL_RUNTIME_DIR": str(folder),
        "MIDFILL_STATE_DIR": str(folder / "state"),
    }


def ends(pid: int) -> bool:
    """The interpreter needs a moment after the engine has let go of its lock."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
        if not state.stdout.strip() or "Z" in state.stdout:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """For tests in which engines start, die or do not start."""
    with runtime_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """For them: a model that is loaded in no time and always says `SAID`."""
    return str(write_known(tmp_path_factory.mktemp("models") / "known"))


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    """One that knows what follows PROGRAM. No server may start another in its place."""
    with tempfile.TemporaryDirectory(prefix="midfill-") as name, ScriptedEngine(Path(name)) as engine:
        engine.says(*TOKENS, after=PROGRAM)
        yield engine
        assert not (engine.folder / LOG).exists()


@pytest.fixture
async def editor(engine: ScriptedEngine) -> AsyncIterator[Editor]:
    async with asyncio.timeout(10 * PATIENCE), Editor(environment=environment(engine.folder)) as editor:
        await editor.initialize()
        yield editor


def end_of(text: str) -> tuple[int, int]:
    """The position at the end of `text`, in characters."""
    return text.count("\n"), len(text) - text.rfind("\n") - 1


@dataclass(frozen=True, slots=True)
class Growing:
    """A completion of which the first line is on screen, and the second has begun."""

    text: Text
    request: Pending
    answer: asyncio.Future[str]


async def mid_stream(engine: ScriptedEngine, editor: Editor, uri: str = "file:///a.py") -> Growing:
    """PROGRAM, opened as `uri`, while what follows it is written; `text.go()` writes the rest."""
    text = engine.says(*TOKENS, after=PROGRAM, steps=TOKENS.index("other") + 1)
    editor.open(uri, PROGRAM)
    shown = asyncio.Event()
    request = editor.complete(uri, *end_of(PROGRAM), grow=lambda text: shown.set() if text == FIRST else None)
    answer = asyncio.ensure_future(request.text())
    await shown.wait()
    return Growing(text, request, answer)
