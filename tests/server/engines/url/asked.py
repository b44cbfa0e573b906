"""A server of a test's own behind `url`, and what its user is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from midfill_server.engines.backend import BackendError, Order
from midfill_server.engines.status import Status
from midfill_server.engines.url.remote import Remote

from ..fake import Fake, models
from ..server import Server, serving

ORDER = Order("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", max_tokens=16)
KNOWN = {"/v1/models": models("qwen2.5-coder", owner="tabbyAPI")}


@dataclass
class Asked:
    """A remote, the fake server behind it, and what was reported."""

    fake: Fake
    server: Server
    remote: Remote
    told: list[Status] = field(default_factory=list)

    async def text(self, order: Order = ORDER) -> str:
        return "".join([chunk.text async for chunk in self.remote.stream(order)])

    async def fault(self, order: Order = ORDER) -> str:
        with pytest.raises(BackendError) as raised:
            await self.text(order)
        return str(raised.value)


@asynccontextmanager
async def asking(
    fake: Fake, dialect: str = "auto", model: str = "auto", path: str = "", no_key: str = ""
) -> AsyncIterator[Asked]:
    told: list[Status] = []
    async with serving(fake.answer) as server:
        remote = Remote(server.address.url + path, model, None, dialect, told.append, no_key)
        yield Asked(fake, server, remote, told)
        remote.close()
        await server.deserted()
