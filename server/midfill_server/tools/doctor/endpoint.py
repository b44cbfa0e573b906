"""The servers behind `url`: reached which way, what they are, how they are spoken to."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from midfill_server.engines.backend import BackendError
from midfill_server.engines.http.keys import from_environment, key_for
from midfill_server.engines.http.route import Way, find_route
from midfill_server.engines.status import Status
from midfill_server.engines.url.remote import Remote
from midfill_server.settings import Settings
from midfill_server.settings.faults import LOCAL
from midfill_server.tools.doctor.finding import Finding, fail, ok, warn

ENDPOINT = "Server"
_OFF = "The setting enabled is false: nothing is offered."
_SECONDS = 30.0  # for all questions to one server: whoever waits here wants to know why
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


async def endpoint(settings: Settings) -> list[Finding]:
    """Nothing but what the environment says where no `url` is set."""
    urls = settings.urls if settings.enabled else ()
    found = [] if settings.enabled else [warn(ENDPOINT, _OFF, "Set midfill.enabled to true.")]
    if settings.enabled and not urls:
        found.append(ok(ENDPOINT, "No url is set: the engine of this machine answers."))
    for number, url in enumerate(urls):
        if url.partition(":")[0] != LOCAL:
            found += await _server(settings, url, number)
    return [*found, *environment(dict(os.environ))]


async def _server(settings: Settings, url: str, number: int) -> list[Finding]:
    key, no_key = key_for(settings, number)
    headers = tuple((name, from_environment(value)) for name, value in settings.headers)
    way = Way(settings.ca_file or "", settings.proxy or "", headers)
    heard: list[Status] = []
    remote = Remote(url, settings.model, key, settings.dialect, heard.append, no_key, way)
    begun = time.perf_counter()
    try:
        found = await _route(url, way)
        async with asyncio.timeout(_SECONDS):
            await remote.dialect()
    except TimeoutError:
        text = f"{remote.name} has not said within {_SECONDS:.0f} s what it is."
        return [fail(ENDPOINT, text, "See whether it is overloaded, or hangs, and start it again.")]
    except (BackendError, OSError, ValueError) as error:
        return [fail(ENDPOINT, f"{remote.name}: {error}".rstrip(".") + ".", "")]
    finally:
        remote.close()
    took = 1000 * (time.perf_counter() - begun)
    said = heard[-1].message if heard else "it answers."
    with_key = "with a key" if key else "without a key"
    return [*found, ok(ENDPOINT, f"{remote.name}: {said} Asked {with_key}, in {took:.0f} ms.")]


async def _route(url: str, way: Way) -> list[Finding]:
    """OSError and ValueError for a way that leads nowhere."""
    route = await find_route(url, None, way)
    through = [ok(ENDPOINT, f"By way of the proxy {route.proxy[0]}:{route.proxy[1]}")] if route.proxy else []
    own = [ok(ENDPOINT, f"Certificates of {way.ca_file} are trusted, too")] if way.ca_file else []
    return [*through, *own]


def environment(variables: dict[str, str]) -> list[Finding]:
    """Which of the usual variables are set; of proxies no value, for it may hold a password."""
    upper = {name.upper(): value for name, value in variables.items() if name.upper() in _PROXIES and value}
    found = [ok(ENDPOINT, f"Set in the environment: {', '.join(sorted(upper))}")] if upper else []
    for name in _CERTIFICATES:
        if (named := variables.get(name)) and not Path(named).exists():
            text = f"{name} names {named}, which is not there."
            found.append(warn(ENDPOINT, text, "Unset the variable, or correct it."))
    return found
