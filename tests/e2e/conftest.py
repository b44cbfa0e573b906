"""Real servers over stdio, one real engine in a private runtime folder, stopped at the end."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_server.engines.process import find
from midfill_server.tools.lsp_client import Editor, Pending

MODEL = os.environ.get("MIDFILL_TEST_MODEL", "demo")
PATIENCE = 60.0  # seconds, for what takes a second: a slow machine is no failure
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


class Engine:
    """The engine of a runtime folder, seen from outside."""

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
        assert pid is None or _ends(pid), "an engine was left behind"


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "MIDFILL_RUNTIME_DIR": str(folder),
        "MIDFILL_STATE_DIR": str(folder / "state"),
    }


def _ends(pid: int) -> bool:
    """The interpreter needs a moment after the engine has let go of its lock."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
        if not state.stdout.strip() or "Z" in state.stdout:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="session")
def shared_folder() -> Iterator[Path]:
    with runtime_folder() as folder:
        yield folder


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """For tests in which engines die or do not start."""
    with runtime_folder() as folder:
        yield folder


@pytest.fixture
def engine(shared_folder: Path) -> Engine:
    return Engine(shared_folder)


@pytest.fixture
async def editor(shared_folder: Path) -> AsyncIterator[Editor]:
    async with asyncio.timeout(10 * PATIENCE), Editor(environment=environment(shared_folder)) as editor:
        await editor.initialize({"model": MODEL})
        yield editor


def end_of(text: str) -> tuple[int, int]:
    """The position at the end of `text`, in characters."""
    return text.count("\n"), len(text) - text.rfind("\n") - 1


async def mid_stream(editor: Editor, name: str) -> tuple[str, Pending, asyncio.Future[str]]:
    """(uri, request, its answer) of a completion that is being written right now, whatever it says."""
    for n in range(20):
        uri = f"file:///{name}{n}.py"
        text = PROGRAM + f"# {n}\n        "
        editor.open(uri, text)
        growing = asyncio.Event()
        pending = editor.complete(uri, *end_of(text), grow=lambda _, it=growing: it.set())  # type: ignore[misc]
        answer = asyncio.ensure_future(pending.text())
        first = asyncio.ensure_future(growing.wait())
        await asyncio.wait([answer, first], return_when=asyncio.FIRST_COMPLETED)
        first.cancel()
        if not answer.done():
            return uri, pending, answer
    raise AssertionError("every completion was over before it could be caught")
