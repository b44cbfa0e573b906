"""One server's engine, before real processes and before stand-ins."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from midfill_server.engines import failures
from midfill_server.engines.backend import Order
from midfill_server.engines.resident import Resident
from midfill_server.engines.status import State, Status

from ....engine_program import engines_run
from ....scripted_engine import PATIENCE

ORDER = Order("def add(a, b):\n    ", "\n", max_tokens=16)
Does = Callable[..., None]


class Front:
    """One server's engine, and what its user is told."""

    def __init__(self) -> None:
        self.told: list[Status] = []
        self.resident = Resident(self.told.append)

    async def ask(self, order: Order = ORDER) -> str:
        return "".join([chunk.text async for chunk in self.resident.stream(order)])

    async def until(self, state: State) -> Status:
        async with asyncio.timeout(30):
            while not self.told or self.told[-1].state is not state:  # noqa: ASYNC110  it is told by a task
                await asyncio.sleep(0.01)
        return self.told[-1]

    @property
    def failures(self) -> list[str]:
        return [it.message for it in self.told if it.state is State.FAILED]


@pytest.fixture
async def front(runtime: Path) -> AsyncIterator[Front]:
    front = Front()
    yield front
    front.resident.close()
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(left, timeout=PATIENCE)
    del front.resident  # pytest holds the front for longer than `runtime` can collect what that has started


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "PAUSES", (0.01, 0.02))


HOLDS_PYTHON_ONCE = """
import ctypes, pathlib, sys
from midfill_model.checkpoint.weights import Checkpoint
from midfill_model.generation.completion import Completion
from midfill_model.process import engines, main
once = pathlib.Path(__file__).with_name("has hung")
def hangs(*_): ctypes.PyDLL(None).sleep(300)
if not once.exists():
    once.touch()
    {} = hangs
sys.exit(main.main(sys.argv[sys.argv.index("engine") + 1:]))
"""


@pytest.fixture
def holds_python_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Say where the first real engine that is started from now on hangs, so that nothing of Python runs."""

    def does(where: str) -> None:
        engines_run(HOLDS_PYTHON_ONCE.replace("{}", where), tmp_path, monkeypatch)

    return does
