"""Real editors in a terminal of our own, with the snippets of editors/ and the real `midfill serve` behind.

`make test-editors` unpacks the editors into .editors/ first.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..e2e.conftest import Engine, runtime_folder  # noqa: TID252 - the tests are no package

ROOT = Path(__file__).parents[2]
EDITORS = ROOT / "editors"
DEBIAN = ROOT / ".editors" / "forky"
FONT = DEBIAN / "usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"
SCREENSHOTS = ROOT / ".editors" / "screenshots"

# What stands before the cursor: enough for the embedded model to have something to say.
PROGRAM = '''"""Bank accounts."""


class Account:
    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError("the amount must be positive")
        self.balance += amount

    def withdraw(self, amount):
'''


@pytest.fixture(scope="session")
def shared_engine() -> Iterator[Engine]:
    with runtime_folder() as folder:
        yield Engine(folder)


@pytest.fixture
def own_engine() -> Iterator[Engine]:
    """For tests in which engines die, or do not run yet."""
    with runtime_folder() as folder:
        yield Engine(folder)


def environment(engine: Engine, home: Path) -> dict[str, str]:
    """A user with an empty home, and `midfill` in the PATH."""
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": str(home),
        "MIDFILL_RUNTIME_DIR": str(engine.folder),
        "HF_HUB_OFFLINE": "1",
    }
