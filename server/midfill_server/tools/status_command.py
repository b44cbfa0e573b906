"""`midfill status` and `midfill stop`: the engine as seen from a terminal."""

from __future__ import annotations

import time
from typing import Any

from midfill_model.command_line import Busy
from midfill_server.engines import resident
from midfill_server.engines.backend import BackendError
from midfill_server.engines.resident import find, registered, runtime_folder

__all__ = ["BackendError", "as_text", "state", "stop"]

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
    folder = runtime_folder()
    with Busy() as busy:
        busy.show("Asking the engine")
        backend = await find(folder)
        record = registered(folder)
        if backend is None or record is None:
            return STOPPED
        try:
            health = await backend.health()
        finally:
            await backend.close()
    model = health.get("model") or {}
    return STOPPED | {
        "state": health.get("status"),
        "pid": record["pid"],
        "model": model.get("id") or record.get("model"),
        "fim_trained": model.get("fim_trained"),
        "device": model.get("device"),
        "weights": model.get("dtype"),
        "memory": health.get("memory"),
        "socket": record.get("socket"),
        "url": record["url"],
        "uptime_s": round(time.time() - record.get("started", time.time()), 1),
        "version": record.get("version"),
        "requests": health.get("requests"),
        "message": health.get("message") or "",
    }


async def stop() -> str:
    """Stop the engine and wait until it is gone; a sentence. Raises BackendError."""
    folder = runtime_folder()
    with Busy() as busy:
        busy.show("Stopping the engine")
        backend, record = await find(folder), registered(folder)
        if backend is None or record is None:
            return "No engine is running."
        await resident.stop(folder, backend)
    return f"The engine (process {record['pid']}) has stopped."


def as_text(state: dict[str, Any]) -> str:
    if state["state"] == "stopped":
        return "No engine is running; the next completion starts one."
    weights = f" in {state['weights']}" if state["weights"] else ""
    words = f"{state['state']}: model {state['model']}{weights} on {state['device']}, process {state['pid']}"
    words += f", up {state['uptime_s']:.0f} s, {state['requests']} requests{_held(state['memory'] or {})}."
    if state["fim_trained"] is False:
        words += f" {resident.UNTRAINED}."
    return f"{words} {state['message']}".strip()


def _held(memory: dict[str, int]) -> str:
    """Bytes as the engine tells them, in words."""
    places = (("gpu_reserved", "of GPU memory"), ("resident", "of memory"))
    return "".join(f", {memory[key] / 2**30:.1f} GiB {place}" for key, place in places if key in memory)
