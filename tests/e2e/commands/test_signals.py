"""Signals end a command as Ctrl-C does, wherever they find it."""

import signal
import subprocess
import sys

import pytest

IN_A_FINALIZER = """
import asyncio, os, signal, sys, weakref
from midfill_model.command_line import ended_as_by_control_c

class It: ...

async def main():
    it = It()
    weakref.finalize(it, os.kill, os.getpid(), int(sys.argv[1]))
    del it
    await asyncio.sleep(60)

with ended_as_by_control_c():
    asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("in_background", [False, True])
def test_none_is_lost_in_a_finalizer(number: signal.Signals, in_background: bool) -> None:
    """Shells have what runs in the background ignore SIGINT."""
    at_sigint = signal.SIG_IGN if in_background else signal.default_int_handler

    def inherited() -> None:
        signal.signal(signal.SIGINT, at_sigint)
        signal.signal(number, signal.SIG_DFL)

    command = [sys.executable, "-I", "-c", IN_A_FINALIZER, str(int(number))]
    done = subprocess.run(
        command, preexec_fn=inherited, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    assert "Exception ignored" not in done.stderr
