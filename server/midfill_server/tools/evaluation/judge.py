"""Runs a program that a model wrote, in a limited process: whether it gets to its end.

This holds off accidents (endless loops, all of the memory, files left about), not malice: it is no sandbox.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress

SECONDS = 5.0
MEMORY = 1 << 30  # bytes of address space
VERDICT = b"passed"


def passes(program: str, seconds: float = SECONDS) -> bool:
    """Whether Python runs `program` to its last line within `seconds`. Nothing that it starts outlives it.

    It gets an empty folder, no input and no output, 1 GiB of memory, and no further processes where the
    system lets that be forbidden (it does not for root; then those of its group are killed).
    """
    with tempfile.TemporaryDirectory(prefix="midfill-judge-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _LIMITED, str(MEMORY), str(int(seconds) + 1)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"PATH": os.defpath, "PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(program.encode())
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with process.stdout:
            os.set_blocking(process.stdout.fileno(), False)  # should somebody hold the other end
            return code == 0 and process.stdout.read(len(VERDICT)) == VERDICT


# The program's exit code alone would not do: a completion may well say exit().
_LIMITED = f"""
import contextlib, os, resource, sys
memory, seconds = map(int, sys.argv[1:])
for name, limit in ("AS", memory), ("CPU", seconds), ("NPROC", 0), ("FSIZE", 1 << 20), ("CORE", 0):
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(getattr(resource, "RLIMIT_" + name), (limit, limit))
program = sys.stdin.buffer.read()
verdict, nowhere = os.dup(1), os.open(os.devnull, os.O_RDWR)
for stream in 0, 1, 2:
    os.dup2(nowhere, stream)
exec(compile(program, "program", "exec"), {{"__name__": "__main__"}})
os.write(verdict, {VERDICT!r})
"""
