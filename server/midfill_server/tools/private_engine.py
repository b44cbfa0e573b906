"""An engine of one's own, for measurements: a user's engine is left alone, and every run starts afresh."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from midfill_model.command_line import Busy
from midfill_server.engines.backend import Backend, BackendError
from midfill_server.engines.process import POLL_SECONDS, find, why_it_ended
from midfill_server.engines.resident import Resident


@asynccontextmanager
async def private_engine(model: str) -> AsyncGenerator[Backend]:
    """A client for a new engine that is ready; servers started meanwhile find it too. Raises BackendError."""
    with tempfile.TemporaryDirectory(prefix="midfill-") as name:  # short: a socket's path is limited
        os.environ["MIDFILL_RUNTIME_DIR"] = name
        folder = Path(name)
        resident = Resident(lambda _: None)
        resident.use(model, ("--idle-minutes", "10"))  # for nobody could end it if this process were killed
        try:
            with Busy() as busy:
                busy.show("Starting the engine")
                await resident.backend()
            resident.close()  # it would start another engine when this one fails
            if (found := await find(folder)) is None:
                raise BackendError(f"The engine stopped while loading: {why_it_ended(folder)}")
            with closing(found.backend) as backend:
                await _ready(backend)
                yield backend
        finally:
            await resident.end()


async def _ready(backend: Backend) -> None:
    with Busy() as busy:
        while (health := await backend.health()).status == "loading":
            busy.show(f"Loading the model {100 * health.progress:.0f} %")
            await asyncio.sleep(POLL_SECONDS)
    if health.status != "ready":
        raise BackendError(health.message)
