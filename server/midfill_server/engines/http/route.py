"""How a URL is reached: host and port, TLS, the system's proxy. Nothing of this concerns a Unix socket."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from midfill_model import seam

PORTS = {"http": 80, "https": 443}
Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Way:
    """What a user says of the way to a server; `headers` may hold secrets."""

    ca_file: str = ""
    """Certificates of authorities to trust, beside the system's, in PEM."""
    proxy: str = ""
    """Of HTTP, instead of the system's; for every host."""
    headers: tuple[Header, ...] = ()


USUAL_WAY = Way()


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a server."""

    host: str
    """As the Host header has it."""
    path: str
    """What stands before every path."""
    server: tuple[str, int]
    headers: tuple[Header, ...] = ()
    tls: ssl.SSLContext | None = None
    proxy: tuple[str, int] | None = None
    proxy_headers: tuple[Header, ...] = ()

    def target(self, path: str) -> str:
        """What the request line names."""
        absolute = f"http://{self.host}" if self.proxy and self.tls is None else ""
        return f"{absolute}{self.path}{path}"


async def find_route(url: str, socket: str | None, way: Way = USUAL_WAY) -> Route:
    """ValueError for what is no http or https URL; OSError for files and proxies that are none."""
    parts = urlsplit(url)
    port = parts.port  # ValueError when it is none
    if parts.scheme not in PORTS or not parts.hostname or port == 0:
        raise ValueError(f"{url} is no http or https URL")
    server = parts.hostname, port or PORTS[parts.scheme]
    host = host_header(*server, default=PORTS[parts.scheme])
    headers = _basic(parts, "Authorization")
    path = parts.path.rstrip("/")
    if socket is not None:
        return Route(host, path, server)
    if way.proxy:
        proxy: SplitResult | None = _as_proxy(way.proxy)
    else:
        proxy = await asyncio.to_thread(_proxy, parts)  # on some systems it asks a name server
    tls = (
        await asyncio.to_thread(_tls, way.ca_file) if parts.scheme == "https" else None
    )  # it reads some hundred certificates
    if proxy is None:
        return Route(host, path, server, headers, tls)
    extra = _basic(proxy, "Proxy-Authorization")
    through = proxy.hostname or "", proxy.port or PORTS[proxy.scheme]
    return Route(host, path, server, headers if tls else headers + extra, tls, through, extra)


def without_login(url: str) -> str:
    """For people, and for logs: a URL may hold a user's name and password."""
    scheme, slashes, rest = url.partition("//")
    host, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}"


def host_header(host: str, port: int, default: int | None = None) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == default else f"{name}:{port}"


def _proxy(parts: SplitResult) -> SplitResult | None:
    """The proxy that the system, or its environment, names for a URL; this machine is reached without."""
    from urllib.request import getproxies, proxy_bypass

    host = parts.hostname or ""
    if host in ("localhost", "127.0.0.1", "::1") or proxy_bypass(host):
        return None
    named = getproxies()
    if not (proxy := named.get(parts.scheme) or named.get("all")):
        return None
    return _as_proxy(proxy)


def _as_proxy(proxy: str) -> SplitResult:
    split = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    if split.scheme != "http" or not split.hostname:
        raise OSError(f"the proxy {split.hostname} is not an http proxy")
    return split


def _tls(ca_file: str) -> ssl.SSLContext:
    """The system's certificates, which $SSL_CERT_FILE may name, and certifi's: some systems have none.

    Of `ca_file` those of an authority of one's own, too. OSError for a file that holds none.
    """
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if ca_file:
        try:
            path = Path(ca_file).expanduser()
            seam.check_plain(path, path.stat())
            context.load_verify_locations(path)
        except OSError as error:  # SSLError is one, too
            why = "holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
            raise OSError(f"midfill.caFile: {ca_file} {why or 'cannot be read'}") from None
    return context


def _basic(parts: SplitResult, header: str) -> tuple[Header, ...]:
    """user:password of a URL."""
    if parts.username is None:
        return ()
    both = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return ((header, "Basic " + base64.b64encode(both.encode()).decode()),)
