"""A GPU that fails for real under a real engine: what its user gets all the same. Runs where there is one."""

from pathlib import Path

import pytest
import torch

from midfill_model import seam
from midfill_server.engines.backend import Order
from midfill_server.engines.resident import Resident
from midfill_server.engines.status import State, Status

from ...engine_program import engines_run

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
]

FAILS_ONCE = """
import pathlib, sys, torch
from midfill_model.generation.completion import Completion
from midfill_model.process import main
once = pathlib.Path(__file__).with_name("has failed")
step = Completion.step
def fails(self):
    if not once.exists():
        once.touch()
        numbers = torch.zeros(4, device="cuda")
        WHAT
    return step(self)
Completion.step = fails
sys.exit(main.main(sys.argv[sys.argv.index("engine") + 1:]))
"""
# What a context never recovers from: a kernel that stops, and one that writes where it may not.
STOPS = "numbers[torch.full((4,), 9_999_999, device='cuda')]"
STRAYS = """import triton, triton.language as tl
        @triton.jit
        def stray(at, n): tl.store(at + n, 1.0)
        stray[(1,)](numbers, 1 << 45)"""


ORDER = Order("def add(a, b):\n    ", "\n", max_tokens=16)


async def ask(front: Resident) -> str:
    return "".join([chunk.text async for chunk in front.stream(ORDER)])


@pytest.mark.parametrize("what", [STOPS, STRAYS], ids=["an assertion in a kernel", "a stray write"])
async def test_a_gpu_that_is_lost_in_a_text_costs_no_text(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The engine ends and says why; the next one answers the same request; its user hears of no failure."""
    engines_run(FAILS_ONCE.replace("WHAT", what), tmp_path, monkeypatch)
    monkeypatch.setenv("MIDFILL_RUNTIME_DIR", str(own_folder))
    told: list[Status] = []
    front = Resident(told.append)
    front.use("demo", ("--device", "cuda"))
    assert await ask(front)
    assert (tmp_path / "has failed").exists()
    assert not [it for it in told if it.state is State.FAILED]
    assert "The GPU failed and answers no more" in (own_folder / seam.LOG).read_text("utf-8")
    front.close()
