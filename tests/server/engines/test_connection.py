"""A stream that ends, however and whenever, leaves no connection behind, and no word on stderr."""

import asyncio
import gc
import os
import random
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from midfill_server.engines.backend import Backend, BackendError, Interrupted, Order
from midfill_server.engines.connection import Address

from .server import Peer, event, serving

ORDER = Order("def add(a, b):\n    ", "\n", max_tokens=16)


def open_sockets() -> int:
    """Of this process."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return found


def ours(address: Address) -> Backend:
    return Backend(address, "demo", "ours")


async def read(backend: Backend, order: Order = ORDER) -> list[str]:
    return [chunk.text async for chunk in backend.stream(order) if chunk.text]


@pytest.fixture(params=["unix", "tcp"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "unix" else None


@pytest.fixture
def complaints() -> list[dict[str, object]]:
    """What asyncio would write to stderr: exceptions in callbacks, and those that nobody retrieved."""
    found: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    return found


@pytest.fixture
async def quiet() -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux shows them")
@pytest.mark.parametrize("seed", range(3))
async def test_thousands_of_streams_that_end_at_any_moment_leave_nothing(
    folder: Path | None, quiet: list[dict[str, object]], seed: int
) -> None:
    """Cancelled before they connect, while they do, in the head, in the text, at the end, or read to the end."""
    chance = random.Random(seed)

    async def answer(peer: Peer) -> None:
        await peer.request()
        await hops(chance.randrange(4))
        await peer.head()
        for _ in range(chance.randrange(4)):
            await peer.part(event("word "))
            await hops(chance.randrange(3))
        await peer.part(event("", "stop"))
        await peer.end()

    async def hops(n: int) -> None:
        for _ in range(n):
            await asyncio.sleep(0)

    async with serving(answer, folder) as server:
        backend, before = ours(server.address), open_sockets()
        for _ in range(1000):
            task = asyncio.create_task(read(backend))
            await hops(chance.randrange(40))
            for _ in range(chance.randrange(3)):  # the second one comes while the first is being worked off
                task.cancel()
                await hops(chance.randrange(2))
            with suppress(asyncio.CancelledError):
                await task
        await server.deserted()
        await hops(3)
        assert open_sockets() == before
        assert await read(backend) is not None
    gc.collect()
    assert quiet == []
