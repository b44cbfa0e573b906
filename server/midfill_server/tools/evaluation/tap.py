"""A tap between a language server and its engine: bytes pass as they are, and what they say is written down.

So an evaluation sees the very prompts that keystrokes lead to, and the engine's own figures, while the server
under test is the real one and knows nothing of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from midfill_model import seam
from midfill_server.engines.backend import BackendError
from midfill_server.engines.dialects.openai import chunks_of
from midfill_server.trim.gate import Scored

Tell = Callable[[bytes], None]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Exchange:
    """One generation as the wire shows it; times as of time.perf_counter."""

    body: dict[str, Any]
    started: float
    ended: float | None = None
    """When the last text came, or either side hung up."""
    first: float | None = None
    timings: dict[str, float] = field(default_factory=dict)
    """The engine's own; those of the first text when the server hung up before the last one."""
    scored: Scored = field(default_factory=Scored)
    """What was written, as far as the server listened."""
    finish: str | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def prefix(self) -> str:
        return str(self.body["prompt"])

    @property
    def suffix(self) -> str:
        return str(self.body.get("suffix") or "")

    def seen(self) -> str:
        """What of its text the model was given, its token budget cutting the far ends; all, if not known."""
        head = str(self.body.get("head") or "") if self.timings.get("head_bytes") else ""
        before, after = self.prefix.encode(), self.suffix.encode()
        n_before = int(self.timings.get("prefix_bytes", len(before)))
        n_after = int(self.timings.get("suffix_bytes", len(after)))
        return head + (before[len(before) - n_before :] + b"\n" + after[:n_after]).decode("utf-8", "replace")

    def added(self) -> str:
        """What the model was given of other files, and of this one's parts outside the window."""
        context = "".join(self.body.get("context") or ()).encode()
        return context[: int(self.timings.get("context_bytes", len(context)))].decode("utf-8", "replace")


class Tap:
    """All generations that passed, oldest first."""

    def __init__(self, engine: seam.Card) -> None:
        self.exchanges: list[Exchange] = []
        self.engine_gone = asyncio.Event()
        self._engine = engine

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end: a hang-up on one side is one on the other."""
        try:
            from_engine, to_engine = await _connect(self._engine)
        except OSError:
            self.engine_gone.set()
            writer.close()
            return
        listener = Listener(self.exchanges)
        pumps = [
            asyncio.create_task(_pump(reader, to_engine, listener.sent)),
            asyncio.create_task(_pump(from_engine, writer, listener.received)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            listener.over()
            writer.close()
            to_engine.close()


@asynccontextmanager
async def tap(engine: seam.Card, folder: Path) -> AsyncGenerator[Tap]:
    """Stand in for `engine` in the new runtime folder `folder`.

    Its lock is held, so that no server starts an engine there that nobody would listen to, or stop.
    """
    it = Tap(engine)
    os.mkdir(folder, mode=0o700)
    with seam.engine_lock(folder):
        if engine.socket is not None:
            card = replace(engine, socket=str(folder / "tap.sock"))
            server = await asyncio.start_unix_server(it.carry, card.socket)
        else:
            server = await asyncio.start_server(it.carry, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            card = replace(engine, url=f"http://127.0.0.1:{port}")
        seam.write_card(folder, card)
        try:
            yield it
        finally:
            server.close()


class Listener:
    """Reads one connection's two streams of bytes: requests with their bodies, answers line by line."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        self._exchanges = exchanges
        self._now: Exchange | None = None
        self._request = b""
        self._line = b""

    def sent(self, data: bytes) -> None:
        self._request += data
        while (end := self._request.find(b"\r\n\r\n")) >= 0:
            head = self._request[:end].lower()
            _, _, length = head.partition(b"content-length:")
            size = int(length.split(b"\r\n")[0]) if length else 0
            if len(self._request) < end + 4 + size:
                return
            body, self._request = self._request[end + 4 :][:size], self._request[end + 4 + size :]
            if head.startswith(b"post /v1/completions "):
                self.over()
                self._now = Exchange(json.loads(body), time.perf_counter())
                self._exchanges.append(self._now)

    def received(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            if self._now is not None and line.startswith(b"data: "):
                self._heard(self._now, line[6:].strip())

    def over(self) -> None:
        if self._now is not None and self._now.ended is None:
            self._now.ended = time.perf_counter()
            self._now.over.set()

    def _heard(self, exchange: Exchange, data: bytes) -> None:
        if data == b"[DONE]":
            self.over()
            return
        exchange.first = exchange.first or time.perf_counter()
        event = json.loads(data)
        exchange.timings = event.get("timings") or exchange.timings
        with suppress(BackendError):  # the server tells of it
            for chunk in chunks_of(event):
                exchange.scored = exchange.scored.then(chunk.text, chunk.tokens)
                exchange.finish = chunk.finish or exchange.finish


async def _connect(engine: seam.Card) -> Connection:
    if engine.socket is not None:
        return await asyncio.open_unix_connection(engine.socket)
    address = urlsplit(engine.url)
    return await asyncio.open_connection(address.hostname, address.port)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tell: Tell) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            tell(data)
            writer.write(data)
            await writer.drain()
