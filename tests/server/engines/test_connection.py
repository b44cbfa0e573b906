"""A stream that ends, however and whenever, leaves no connection behind, and no word on stderr."""

import asyncio
import gc
import os
import random
from contextlib import aclosing, closing, suppress
from pathlib import Path

import pytest

from midfill_server.engines.backend import Backend, BackendError, Interrupted, Order
from midfill_server.engines.dialects.midfill import MIDFILL
from midfill_server.engines.http.connection import Address

from .server import Peer, event, serving

PATIENCE = 60.0  # seconds

ORDER = Order("def add(a, b):\n    ", "\n", max_tokens=16)


def open_sockets() -> int:
    """Of this process."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return found


def theirs(address: Address) -> Backend:
    """Of which connections are kept."""
    return Backend(address, keep=True)


async def read(backend: Backend) -> list[str]:
    return [chunk.text async for chunk in backend.stream(ORDER, MIDFILL) if chunk.text]


@pytest.fixture(params=["unix", "tcp"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path if request.param == "unix" else None


@pytest.fixture
async def quiet() -> list[dict[str, object]]:
    """What asyncio would write to stderr: exceptions in callbacks, and those that nobody retrieved."""
    found: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux shows them")
@pytest.mark.parametrize("seed", range(2))
async def test_thousands_of_streams_that_end_at_any_moment_leave_nothing(
    folder: Path | None, quiet: list[dict[str, object]], seed: int
) -> None:
    """Cancelled before they connect, while they do, in the head, in the text, at its end, or not at all."""
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
        backend, before = Backend(server.address), open_sockets()
        for _ in range(500):
            task = asyncio.create_task(read(backend))
            await hops(chance.randrange(40))
            for _ in range(chance.randrange(3)):  # the second one comes while the first is being worked off
                task.cancel()
                await hops(chance.randrange(2))
            with suppress(asyncio.CancelledError):
                await task
        await server.deserted()
        async with asyncio.timeout(PATIENCE):
            while open_sockets() != before:  # noqa: ASYNC110 - the system closes them a little later
                await asyncio.sleep(0.01)
        assert await read(backend) is not None
    gc.collect()
    assert quiet == []


@pytest.mark.parametrize("deaf", ["silent", "half a head", "half a line", "slow"])
async def test_a_cancel_hangs_up_at_once_whatever_the_server_does(
    folder: Path | None, quiet: list[dict[str, object]], deaf: str
) -> None:
    heard = asyncio.Event()

    async def answer(peer: Peer) -> None:
        await peer.request()
        if deaf == "half a head":
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-")
        elif deaf != "silent":
            await peer.head()
            await peer.part(event("word") if deaf == "slow" else event("word")[:9])
        heard.set()
        await peer.reader.read()  # until the client hangs up

    async with serving(answer, folder) as server:
        backend = Backend(server.address)
        task = asyncio.create_task(read(backend))
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.deserted()
    assert quiet == []


async def test_a_client_that_is_closed_ends_the_streams_that_are_being_read(folder: Path | None) -> None:
    begun = asyncio.Event()

    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.head()
        await peer.part(event("word"))
        begun.set()
        await peer.reader.read()

    async with serving(answer, folder) as server:
        backend = Backend(server.address)
        task = asyncio.create_task(read(backend))
        await begun.wait()
        backend.close()
        with pytest.raises(BackendError):
            await task
        await server.deserted()
        with pytest.raises(BackendError):
            await read(backend)


async def test_an_engine_that_vanishes_is_gone_and_what_it_began_is_no_answer(folder: Path | None) -> None:
    async def before_any_text(peer: Peer) -> None:
        await peer.request()
        peer.writer.transport.abort()

    async def in_the_text(peer: Peer) -> None:
        await peer.request()
        await peer.head()
        await peer.part(event("word"))
        peer.writer.transport.abort()

    for answer, error in ((before_any_text, BackendError), (in_the_text, Interrupted)):
        async with serving(answer, folder) as server:
            with pytest.raises(BackendError) as raised:
                await read(Backend(server.address))
        assert type(raised.value) is error and raised.value.gone
    with pytest.raises(BackendError) as raised:  # nobody listens there any more
        await read(Backend(server.address))
    assert raised.value.gone


async def test_a_remote_connection_is_used_again_only_when_it_ended_in_order() -> None:
    async def answer(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.completion("a", "b")

    async with serving(answer) as server:
        backend = theirs(server.address)
        for _ in range(5):
            assert await read(backend) == ["a", "b"]
        assert (server.accepted, server.open) == (1, 1)
        async with aclosing(backend.stream(ORDER, MIDFILL)) as chunks:
            await anext(chunks)
        await server.deserted()
        many = await asyncio.gather(*(read(backend) for _ in range(8)))
        assert many == [["a", "b"]] * 8
        await asyncio.sleep(0)
        backend.close()
        await server.deserted()


async def test_a_kept_connection_that_the_server_closed_is_replaced() -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.completion("a")

    async with serving(once) as server:
        backend = theirs(server.address)
        for _ in range(3):
            assert await read(backend) == ["a"]
        assert server.accepted == 3
        backend.close()


async def test_tls_and_its_handshake_can_be_cancelled(tmp_path: Path) -> None:
    async def never(peer: Peer) -> None:
        await peer.reader.read()

    async with serving(never) as server:  # it answers no handshake
        backend = theirs(Address(server.address.url.replace("http", "https")))
        task = asyncio.create_task(read(backend))
        async with asyncio.timeout(20):
            while not server.open:  # noqa: ASYNC110  the server's side is another task
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.deserted()


async def test_stale_certificates_concern_no_unix_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.completion("a")

    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/cacert.pem")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with serving(answer, tmp_path) as server:
        assert await read(Backend(server.address)) == ["a"]


async def test_a_proxy_of_the_environment_is_used_for_others_and_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, dict[str, str]]] = []

    async def answer(peer: Peer) -> None:
        first, headers, _ = await peer.request()
        seen.append((first, headers))
        await peer.completion("a")

    async with serving(answer) as server:
        monkeypatch.setenv("http_proxy", server.address.url.replace("//", "//me:secret@"))
        monkeypatch.delenv("no_proxy", raising=False)
        with closing(theirs(Address("http://example.com", token="key"))) as backend:
            assert await read(backend) == ["a"]
        first, headers = seen[0]
        assert first == "POST http://example.com/v1/completions HTTP/1.1"
        assert (headers["host"], headers["authorization"]) == ("example.com", "Bearer key")
        assert headers["proxy-authorization"].startswith("Basic ")
        with closing(theirs(server.address)) as backend:
            assert await read(backend) == ["a"]
        assert seen[1][0] == "POST /v1/completions HTTP/1.1" and "proxy-authorization" not in seen[1][1]


async def test_a_tunnel_through_a_proxy_is_closed_with_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def refuse(peer: Peer) -> None:
        asked.append((await peer.request())[0])
        await peer.json({}, "403 Forbidden")

    async with serving(refuse) as server:
        monkeypatch.setenv("https_proxy", server.address.url)
        monkeypatch.delenv("no_proxy", raising=False)
        with pytest.raises(BackendError, match="proxy refuses"):
            await read(theirs(Address("https://example.com")))
        assert asked == ["CONNECT example.com:443 HTTP/1.1"]
        await server.deserted()
