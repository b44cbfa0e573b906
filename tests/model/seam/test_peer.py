"""Who is at the other end of a socket; real processes of another user, where a test may start them."""

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_model.process.sockets import unix_socket
from midfill_server.engines.backend import Backend, BackendError
from midfill_server.engines.http.connection import Address

NOBODY = 65_534

pytestmark = [
    pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="Linux tells who is there"),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="becomes another user"),
]

AS_NOBODY = f"""
import os, socket, sys
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
there = socket.socket(socket.AF_UNIX)
"""
LISTEN = """
there.bind(sys.argv[1]); there.listen(); print("listens", flush=True)
print(there.accept()[0].recv(9).decode(), end="")
"""
CONNECT = "there.connect(sys.argv[1]); there.sendall(b'hello'); print(there.recv(9), flush=True)"


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others may write to, as no runtime folder is."""
    with tempfile.TemporaryDirectory(prefix="midfill-") as name:
        os.chmod(name, 0o777)
        yield Path(name)


async def test_nothing_is_sent_to_another_users_socket(folder: Path) -> None:
    path = str(folder / seam.SOCKET)
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", AS_NOBODY + LISTEN, path, stdout=-1)
    try:
        assert other.stdout is not None and await other.stdout.readline() == b"listens\n"
        with pytest.raises(BackendError, match="another user listens there"):
            await Backend(Address("http://localhost", path)).health()
        assert await other.stdout.read() == b""  # what it has received
    finally:
        with suppress(ProcessLookupError):
            other.kill()
        await other.wait()


async def test_a_server_whose_queue_is_full_is_asked_again_and_is_nobody_else(folder: Path) -> None:
    path = str(folder / seam.SOCKET)
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(path)
        there.listen(0)
        before = socket.socket(socket.AF_UNIX)
        before.connect(path)  # it waits to be accepted, and nobody else may
        health = asyncio.create_task(Backend(Address("http://localhost", path)).health())
        await asyncio.sleep(0.1)  # it has met the full queue, and is not given up
        assert not health.done()
        with there.accept()[0], before:
            pass
        there.settimeout(5)
        asked = (await asyncio.to_thread(there.accept))[0]
        with asked:
            asked.settimeout(5)
            assert (await asyncio.to_thread(asked.recv, 20)).startswith(b"GET /health")
    with pytest.raises(BackendError, match="No answer"):
        await health


async def test_the_engine_hangs_up_on_other_users_and_serves_its_own(folder: Path) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    listener = unix_socket(folder)
    os.chmod(folder / seam.SOCKET, 0o666)
    async with await asyncio.start_unix_server(greet, sock=listener):
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", AS_NOBODY + CONNECT, str(folder / seam.SOCKET), stdout=-1, stderr=-1
        )
        said, errors = await other.communicate()
        assert b"hello" not in said, errors
        reader, writer = await asyncio.open_unix_connection(str(folder / seam.SOCKET))
        assert await reader.read() == b"hello"
        writer.close()
