"""A server leaves when nobody needs it any more, even if its stdin stays open."""

import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from midfill_server.tools.lsp_client import SERVER

PATIENCE = 30.0  # seconds; a slow machine is no failure


@pytest.fixture
def editor() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as editor:
        yield editor
        editor.kill()


class Server:
    """It was initialized by `editor`; what it says is read from `stdout`, or left there."""

    def __init__(self, folder: Path, editor: int) -> None:
        mine, its = os.pipe()
        environment = {**os.environ, "MIDFILL_RUNTIME_DIR": str(folder)}
        self.process = subprocess.Popen(SERVER, stdin=subprocess.PIPE, stdout=its, env=environment)
        os.close(its)
        self.stdout: BinaryIO = os.fdopen(mine, "rb")
        self.send("initialize", {"processId": editor, "rootUri": None, "capabilities": {}}, id=1)
        self.send("initialized", {})
        self.send("midfill/ping", None, id=2)
        while self.read().get("id") != 2:
            pass

    def send(self, method: str, params: Any, **more: int) -> None:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params} | more).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        length = 0
        while (header := self.stdout.readline()).strip():
            name, _, value = header.partition(b":")
            length = int(value) if name == b"Content-Length" else length
        message: dict[str, Any] = json.loads(self.stdout.read(length))
        return message

    def ask_without_end(self) -> None:
        with suppress(OSError):
            while True:
                self.send("midfill/ping", None, id=3)

    def is_blocked(self) -> bool:
        """Whether what it says has filled the pipe."""
        import fcntl
        import termios

        pipe = self.stdout.fileno()
        (waiting,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
        return int(waiting) > fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) - 1_000


@pytest.fixture
def server(tmp_path: Path, editor: "subprocess.Popen[bytes]") -> Iterator[Server]:
    server = Server(tmp_path, editor.pid)
    yield server
    server.process.kill()
    server.process.wait()
    server.stdout.close()
    with suppress(OSError):
        assert server.process.stdin is not None
        server.process.stdin.close()


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system how full a pipe is")
def test_it_leaves_with_its_editor_while_nobody_reads_what_it_says(
    server: Server, editor: "subprocess.Popen[bytes]"
) -> None:
    asking = threading.Thread(target=server.ask_without_end)
    asking.start()
    deadline = time.monotonic() + PATIENCE
    while not server.is_blocked():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    editor.kill()
    editor.wait()
    assert server.process.wait(PATIENCE) == 1
    asking.join(PATIENCE)


@pytest.mark.skipif(sys.platform == "win32", reason="elsewhere the closed stdin has to do")
def test_it_leaves_when_nobody_can_read_what_it_says(server: Server) -> None:
    server.stdout.close()
    server.send("midfill/ping", None, id=3)
    assert server.process.wait(PATIENCE) == 1
