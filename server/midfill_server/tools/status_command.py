"""`midfill status` and `midfill stop`: the engine as seen from a terminal."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from midfill_model import seam
from midfill_model.command_line import Busy
from midfill_server.engines import process
from midfill_server.engines.backend import BackendError
from midfill_server.engines.process import find, hangs
from midfill_server.engines.status import UNTRAINED

__all__ = ["BackendError", "as_text", "state", "stop"]

ENDING = 3.0  # seconds in which one that starts or ends comes to answer, or is gone
STOPPED: dict[str, Any] = {
    "state": "stopped",
    "pid": None,
    "model": None,
    "fim_trained": None,
    "device": None,
    "weights": None,
    "memory": None,
    "socket": None,
    "url": None,
    "uptime_s": None,
    "version": None,
    "requests": None,
    "message": "",
}


async def state() -> dict[str, Any]:
    """How the engine is, the same keys whether one runs or not. Raises BackendError."""
    folder = _folder()
    with Busy() as busy:
        busy.show("Asking the engine")
        if (found := await find(folder)) is None:
            return _silent(folder)
    found.backend.close()
    card, health, model = found.card, found.health, found.health.model
    return STOPPED | {
        "state": health.status,
        "pid": card.pid,
        "model": model.id or card.model,
        "fim_trained": model.fim_trained,
        "device": model.device,
        "weights": model.dtype,
        "memory": dict(health.memory),
        "socket": card.socket,
        "url": card.url,
        "uptime_s": _uptime(card),
        "version": card.version,
        "requests": health.requests,
        "message": f"{health.message} {health.reason}".strip(),
    }


async def stop() -> str:
    """Stop the engine and wait until it is gone; a sentence. Raises BackendError."""
    folder = _folder()
    with Busy() as busy:
        busy.show("Stopping the engine")
        until = time.monotonic() + ENDING
        while (found := await find(folder)) is None:
            if _silent(folder)["state"] == "stopped":
                return "No engine is running."
            if time.monotonic() > until:
                raise BackendError(hangs(folder))
            await asyncio.sleep(0.1)
        await process.stop(folder, found.backend)
    return f"The engine (process {found.card.pid}) has stopped."


def _folder() -> Path:
    try:
        return seam.runtime_folder()
    except seam.RuntimeFolderError as error:
        raise BackendError(str(error)) from None


def _silent(folder: Path) -> dict[str, Any]:
    """No engine answers: there is none, or it is starting, or it hangs."""
    if not seam.engine_lives(folder):
        return STOPPED
    if (card := seam.read_card(folder)) is None:
        return STOPPED | {"state": "starting"}
    return STOPPED | {
        "state": "hangs",
        "pid": card.pid,
        "model": card.model,
        "socket": card.socket,
        "url": card.url,
        "uptime_s": _uptime(card),
        "version": card.version,
        "message": hangs(folder),
    }


def _uptime(card: seam.Card) -> float | None:
    return None if card.started is None else round(max(0.0, time.time() - card.started), 1)


def as_text(state: dict[str, Any]) -> str:
    if state["state"] == "stopped":
        return "No engine is running; the next completion starts one."
    if state["state"] == "starting":
        return "The engine is starting."
    if state["state"] == "hangs":
        return f"{state['message']}."
    words = f"{state['state']}: model {state['model'] or 'of an unknown name'}"
    words += f" in {state['weights']}" if state["weights"] else ""
    words += f" on {state['device']}" if state["device"] else ""
    words += f", process {state['pid']}"
    words += "" if state["uptime_s"] is None else f", up {state['uptime_s']:.0f} s"
    words += "" if state["requests"] is None else f", {_counted(state['requests'], 'request')}"
    words += f"{_held(state['memory'] or {})}."
    if state["fim_trained"] is False:
        words += f" {UNTRAINED}."
    return f"{words} {state['message']}".strip()


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _held(memory: dict[str, int]) -> str:
    """Bytes as the engine tells them, in words."""
    places = (("gpu_reserved", "of GPU memory"), ("resident", "of memory"))
    return "".join(f", {memory[key] / 2**30:.1f} GiB {place}" for key, place in places if key in memory)
