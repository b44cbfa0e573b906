"""A real server on a Unix socket or a TCP port whose behaviour a test gives, and that counts connections."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from midfill_model import seam
from midfill_server.engines.http.connection import Address

Handler = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection, from the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def request(self) -> tuple[str, dict[str, str], bytes]:
        """The next request's first line, headers and body. IncompleteReadError when the client hangs up."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return first, headers, await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: str = "200 OK", kind: str = "text/event-stream") -> None:
        await self.send(
            f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )

    async def part(self, data: bytes) -> None:
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def json(self, value: object, status: str = "200 OK") -> None:
        await self.head(status, "application/json")
        await self.part(json.dumps(value).encode())
        await self.end()

    async def completion(self, *texts: str, finish: str | None = "stop", done: bool = True) -> None:
        """A whole answer."""
        await self.head()
        for text in texts:
            await self.part(event(text))
        if finish is not None:
            await self.part(event("", finish))
        if done:
            await self.part(b"data: [DONE]\n\n")
        await self.end()


def event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "text": text, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice]}, ensure_ascii=False)}\n\n".encode()


class Server:
    """`accepted` and `open`: how many connections there were, and are."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.accepted = self.open = 0
        self.address = Address("")
        self.trouble: list[BaseException] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.open += 1
        try:
            await self.handler(Peer(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client has hung up
        except Exception as error:
            self.trouble.append(error)
        finally:
            self.open -= 1
            writer.transport.abort()

    async def deserted(self) -> None:
        """Once no client is connected; it times out if one stays."""
        async with asyncio.timeout(20):
            while self.open:  # noqa: ASYNC110  a hang-up is seen by another task
                await asyncio.sleep(0.001)


@dataclass
class Engine:
    """An engine at the seam: the real lock and card, and a /health and completions that a test gives."""

    folder: Path
    completions: Handler
    health: dict[str, Any]
    asked: int = 0
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    is_still: bool = False
    """Whether it answers nothing, as one whose process is stopped."""

    async def answer(self, peer: Peer) -> None:
        first, _, _ = await peer.request()
        if first.startswith("GET /health"):
            if not self.is_still:
                await peer.json(self.health)
        elif first.startswith("POST /v1/completions"):
            self.asked += 1
            await self.completions(peer)
        else:
            await peer.json({"status": "stopping"})
            self.stopped.set()


READY = {
    "status": "ready",
    "message": "Ready.",
    "protocol": seam.PROTOCOL,
    "version": version("midfill"),
    "model": {"id": "demo", "device": "cpu", "budgets": seam.SMALL._asdict()},
}


@asynccontextmanager
async def engine_at(
    folder: Path, completions: Handler, pid: int = 1, **health: object
) -> AsyncGenerator[Engine]:
    """It lives until the block ends or it is told to stop; then its lock is free and its card gone."""
    engine = Engine(folder, completions, READY | health)
    up, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        with seam.engine_lock(folder):
            (folder / seam.SOCKET).unlink(missing_ok=True)
            async with serving(engine.answer, folder) as server:
                assert server.address.socket is not None
                card = seam.Card(pid, server.address.url, server.address.socket, model="demo")
                with seam.card_in(folder, card):
                    up.set()
                    ends = [asyncio.create_task(it.wait()) for it in (engine.stopped, over)]
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                    for end in ends:
                        end.cancel()

    life = asyncio.create_task(live())
    await asyncio.wait([life, asyncio.create_task(up.wait())], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield engine
    finally:
        over.set()
        await life


@asynccontextmanager
async def serving(
    handler: Handler, folder: Path | None = None, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Server]:
    """On a socket in `folder`, or on a port of this machine."""
    server = Server(handler)
    if folder is not None:
        path = str(folder / "engine.sock")
        listening: Any = await asyncio.start_unix_server(server.serve, path)
        server.address = Address("http://localhost", path)
    else:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
        port = listening.sockets[0].getsockname()[1]
        server.address = Address(f"http{'s' if tls else ''}://localhost:{port}")
    try:
        yield server
    finally:
        listening.close()
    assert not server.trouble, server.trouble
