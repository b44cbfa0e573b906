"""Programs that end well, badly, and never."""

import os
import subprocess
import time

import pytest

from midfill_server.tools.evaluation import judge


@pytest.mark.parametrize(
    ("program", "passes"),
    [
        ("x = 1", True),
        ("print('much ' * 100_000)", True),
        ("assert False", False),
        ("x = (", False),
        ("raise SystemExit(0)", False),  # its tests never ran
        ("import os; os._exit(0)", False),
        ("input()", False),
        ("x = bytearray(4 << 30)", False),
        ("open('big', 'wb').write(bytes(8 << 20))", False),
        ("import os; assert os.listdir() == []", True),
    ],
)
def test_a_program_passes_when_it_gets_to_its_end(program: str, passes: bool) -> None:
    assert judge.passes(program) is passes


def test_an_endless_loop_is_ended() -> None:
    started = time.monotonic()
    assert not judge.passes("while True: pass", seconds=0.5)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("ending", ["", "while True: pass"])
def test_what_it_starts_ends_with_it(ending: str) -> None:
    mark = f"midfill-{os.getpid()}-{len(ending)}"
    program = f"import os, sys\nif os.fork() == 0:\n    while {mark!r}: pass\n{ending}\n"
    before = own_group_members()
    judge.passes(program, seconds=0.5)
    deadline = time.monotonic() + 10
    while own_group_members() - before and time.monotonic() < deadline:
        time.sleep(0.02)  # the system needs a moment to bury them
    assert not own_group_members() - before


def own_group_members() -> set[str]:
    """Processes that run the judge's program, zombies aside."""
    listed = subprocess.run(["ps", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True)
    lines = (line.split(None, 2) for line in listed.stdout.splitlines())
    return {pid for pid, state, command in lines if "RLIMIT_" in command and not state.startswith("Z")}
