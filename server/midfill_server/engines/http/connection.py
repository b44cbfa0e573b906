"""HTTP/1.1 to one address, by h11: each request has a connection of its own, which is gone when it is.

Typing ends most requests at some random moment, and the pools of HTTP clients lose connections then
(httpcore's issues 830 and 1093). So there is no pool, and closing is one call that waits for nothing: no
cancel can come between. Only a connection whose answer was read to its end may be used again.
"""

from __future__ import annotations

import asyncio
import errno
import socket as sockets
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11

from midfill_model import seam
from midfill_server.engines.http.route import USUAL_WAY, Route, Way, find_route, host_header

CONNECT_SECONDS = 5.0
FULL_SECONDS = 0.02  # until a server is asked again that has too many waiting
SILENCE_SECONDS = 300.0  # between two parts: the resident engine makes a request wait while it loads
IDLE_CONNECTIONS = 2
READ_BYTES = 1 << 16


class ConnectionLost(Exception):
    """Nobody answers there, or not to the end; the message says why, or nothing."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an engine is: `url` alone, or an http URL spoken over a Unix socket."""

    url: str
    socket: str | None = None
    token: str | None = field(default=None, repr=False)
    way: Way = field(default=USUAL_WAY, repr=False)


class Connections:
    """Connections to one address. `keep`: use those again whose answer was read to its end."""

    def __init__(self, address: Address, keep: bool) -> None:
        self._address, self._keep = address, keep
        self.headers: dict[str, str] = dict(address.way.headers)
        """Of every request, beside those that HTTP wants."""
        self._open: set[_Connection] = set()
        self._idle: list[_Connection] = []
        self._route: Route | None = None
        self._closed = False

    @asynccontextmanager
    async def request(
        self, method: str, path: str, body: bytes = b"", seconds: float = SILENCE_SECONDS
    ) -> AsyncGenerator[Answer]:
        """The answer once its head has come; leaving the block hangs up. `seconds`: the longest silence.

        Raises ConnectionLost, also while the answer is read, and ValueError for an address that is none.
        """
        connection = None
        try:
            async with _losses():
                connection, head = await self._ask(method, path, body, seconds)
            yield Answer(connection, head, seconds)
        finally:
            if connection is not None:
                self._leave(connection)

    def close(self) -> None:
        """Hang up on everything. Whoever still reads hears of it as ConnectionLost."""
        self._closed = True
        for connection in self._open | set(self._idle):
            connection.close()
        self._idle.clear()

    async def _ask(
        self, method: str, path: str, body: bytes, seconds: float
    ) -> tuple[_Connection, h11.Response]:
        address = self._address
        route = self._route = self._route or await find_route(address.url, address.socket, address.way)
        headers = self.headers | dict(route.headers) | {"Host": route.host, "Content-Length": str(len(body))}
        if body:
            headers["Content-Type"] = "application/json"
        if self._address.token:
            headers["Authorization"] = f"Bearer {self._address.token}"
        request = h11.Request(method=method, target=route.target(path), headers=list(headers.items()))
        while self._idle:
            connection = self._taken(self._idle.pop())
            try:
                return connection, await self._asked(connection, request, body, seconds)
            except TimeoutError:
                raise
            except (ConnectionLost, OSError, h11.RemoteProtocolError):
                continue  # the server had closed it, or was about to
        connection = self._taken(_Connection(*await _connect(route, self._address.socket)))
        return connection, await self._asked(connection, request, body, seconds)

    async def _asked(
        self, connection: _Connection, request: h11.Request, body: bytes, seconds: float
    ) -> h11.Response:
        try:
            return await connection.ask(request, body, seconds)
        except BaseException:
            self._open.discard(connection)
            connection.close()
            raise

    def _taken(self, connection: _Connection) -> _Connection:
        if self._closed:
            connection.close()
        self._open.add(connection)
        return connection

    def _leave(self, connection: _Connection) -> None:
        self._open.discard(connection)
        keep = self._keep and not self._closed and len(self._idle) < IDLE_CONNECTIONS
        if keep and connection.renew():
            self._idle.append(connection)
        else:
            connection.close()


class Answer:
    """An HTTP answer whose body is still to be read."""

    def __init__(self, connection: _Connection, head: h11.Response, seconds: float) -> None:
        self.status = head.status_code
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        """By their names in lower case."""
        self._connection, self._seconds = connection, seconds

    async def part(self, seconds: float | None = None) -> bytes | None:
        """The next part of the body; None behind its end. `seconds`: the longest silence before it."""
        async with _losses():
            event = await self._connection.next_event(self._seconds if seconds is None else seconds)
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def whole(self, most: int = 1 << 20) -> bytes:
        """The body, or its first `most` bytes and some."""
        body = b""
        while len(body) < most and (part := await self.part()) is not None:
            body += part
        return body


class _Connection:
    """One open connection, and where its HTTP is."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT)

    async def ask(self, request: h11.Request, body: bytes, seconds: float) -> h11.Response:
        """Send a request; the head of its answer."""
        parts = [self._http.send(it) or b"" for it in (request, h11.Data(data=body), h11.EndOfMessage())]
        self._writer.write(b"".join(parts))  # in one packet: a second one costs as much as all else here
        async with asyncio.timeout(seconds):
            await self._writer.drain()
        while isinstance(answer := await self.next_event(seconds), h11.InformationalResponse):
            pass
        if not isinstance(answer, h11.Response):
            raise ConnectionLost("it hung up")
        return answer

    async def next_event(self, seconds: float) -> h11.Event:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(seconds):
                    data = await self._reader.read(READ_BYTES)
                self._http.receive_data(data)
            elif event is h11.PAUSED:  # bytes behind the answer's end
                return h11.ConnectionClosed()
            else:
                return event  # type: ignore[return-value]  # PAUSED and NEED_DATA are above

    def renew(self) -> bool:
        """Whether another request may follow: this one's answer was read to its end, and nobody hung up."""
        if self._writer.is_closing() or self._reader.at_eof():
            return False
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def close(self) -> None:
        """At once, whatever is under way; nothing that was not sent yet is waited for."""
        self._writer.transport.abort()


@asynccontextmanager
async def _losses() -> AsyncGenerator[None]:
    """All that goes wrong on a line, as ConnectionLost."""
    try:
        yield
    except TimeoutError:
        raise ConnectionLost("it is silent: see what it does") from None
    except OSError as error:
        raise ConnectionLost(_why(error)) from error
    except h11.RemoteProtocolError as error:
        illegal = "illegal" in str(error)  # what it sends is no HTTP; anything else is an end before the end
        raise ConnectionLost("it speaks no HTTP: perhaps https://" if illegal else "it hung up") from error
    except h11.LocalProtocolError as error:
        raise ValueError(str(error)) from error


def _why(error: OSError) -> str:
    """What is wrong with an address, and what to change."""
    if isinstance(error, sockets.gaierror):
        return "there is no such host: correct its name"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not trusted: name the file of its authority in midfill.caFile"
    if isinstance(error, ssl.SSLError):
        return "it speaks no TLS: write http:// instead of https://"
    if error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return "nobody listens there: start the server, or correct the port"  # of several addresses, too
    return error.strerror or str(error)


async def _connect_to_socket(path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Asks again while many wait before us: asyncio takes a full queue (EAGAIN) for a connection."""
    while True:
        reader, writer = await asyncio.open_unix_connection(path)
        try:
            if seam.is_ours(writer.get_extra_info("socket")):
                return reader, writer
        except seam.NotConnected:
            writer.transport.abort()
            await asyncio.sleep(FULL_SECONDS)
        else:
            writer.transport.abort()
            raise ConnectionLost("another user listens there: stop the engine, then restart it")


async def _connect(route: Route, socket: str | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            if socket is not None:
                return await _connect_to_socket(socket)
            if route.proxy is None:
                tls_name = route.server[0] if route.tls else None
                return await asyncio.open_connection(*route.server, ssl=route.tls, server_hostname=tls_name)
            return await (_tunnel(route, route.proxy, route.tls) if route.tls else _to_proxy(route.proxy))
    except TimeoutError:
        if route.proxy is None:
            raise
        raise _proxy_fails(route.proxy, "nothing comes through it") from None


async def _to_proxy(proxy: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """What goes wrong before it answers is no fault of the server behind it, and is told so."""
    try:
        return await asyncio.open_connection(*proxy)
    except TimeoutError:
        raise
    except OSError as error:
        raise _proxy_fails(proxy, _why(error).partition(":")[0]) from error


def _proxy_fails(proxy: tuple[str, int], why: str) -> ConnectionLost:
    mend = "correct midfill.proxy or the variables HTTP_PROXY and HTTPS_PROXY"
    return ConnectionLost(f"the proxy {host_header(*proxy)} cannot be used, {why}: {mend}")


async def _tunnel(
    route: Route, proxy: tuple[str, int], tls: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """TLS through an HTTP proxy."""
    reader, writer = await _to_proxy(proxy)
    try:
        place = host_header(*route.server)
        http = h11.Connection(h11.CLIENT)
        request = h11.Request(method="CONNECT", target=place, headers=[("Host", place), *route.proxy_headers])
        writer.write((http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b""))
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(await reader.read(READ_BYTES))
        if not isinstance(event, h11.Response) or not 200 <= event.status_code < 300:
            raise ConnectionLost("the proxy refuses")
        await writer.start_tls(tls, server_hostname=route.server[0])
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer
