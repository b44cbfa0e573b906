"""`midfill status` and `midfill stop`: the engine as seen from a terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from midfill_model import seam
from midfill_model.command_line import Busy
from midfill_server.engines import process
from midfill_server.engines.backend import BackendError
from midfill_server.engines.launcher import LISTEN_SECONDS
from midfill_server.engines.process import find, hanging, hangs, heir_stays, pid_of
from midfill_server.engines.status import UNTRAINED

__all__ = ["BackendError", "as_text", "of_engine", "pause", "resume", "state", "stop"]

ENDING = 3.0  # seconds in which one that has begun to answer does so, or is gone
HEIR_ENDING = 20.0  # in which one that has just begun sees that it is not wanted: it imports torch first
STILL = 10.0  # seconds without a step of the network, which is odd
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
    "asleep": None,
    "windows": None,
    "stalled_s": None,
    "figures": None,
    "last_error": None,
    "paused": False,
    "message": "",
}


async def state() -> dict[str, Any]:
    """How the engine is, the same keys whether one runs or not. Raises BackendError."""
    folder = _folder()
    paused = {"paused": seam.is_paused(folder)}
    with Busy() as busy:
        busy.show("Asking the engine")
        if (found := await find(folder)) is None:
            return _silent(folder) | paused
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
        "uptime_s": health.uptime_seconds or _since(card.started),
        "version": card.version,
        "requests": health.requests,
        "asleep": health.asleep,
        "windows": health.windows,
        "stalled_s": health.stalled_seconds,
        "figures": dict(health.figures),
        "last_error": health.last_error or None,
        **paused,
        "message": f"{health.message} {health.reason}".strip(),
    }


async def stop() -> str:
    """Stop the engine, and one that loads to take its place; a sentence. Raises BackendError.

    That one ends by itself when it sees the other gone, or has its place by then.
    """
    folder = _folder()
    stopped: list[int] = []
    patience, known = seam.Patience(), None
    with Busy() as busy:
        busy.show("Stopping the engine")
        while True:
            if (found := await find(folder)) is not None:
                await process.stop(folder, found)
                stopped.append(found.card.pid)
                continue
            if (state := _silent(folder)["state"]) != known:
                patience, known = seam.Patience(), state
            if state == "stopped":
                if not seam.heir_lives(folder):
                    break
                if patience.seconds() > HEIR_ENDING:
                    raise BackendError(heir_stays(folder))
                await asyncio.sleep(0.1)
            elif patience.seconds() > (LISTEN_SECONDS if state == "starting" else ENDING):
                raise BackendError(hangs(folder))
            else:
                await asyncio.sleep(0.1)
    if not stopped:
        return "No engine is running."
    return f"The engine (process {' and '.join(map(str, stopped))}) has stopped."


async def pause() -> str:
    """Nothing is offered in any window, and the model leaves the memory; a sentence. Raises BackendError."""
    folder = _folder()
    was = not _changed(seam.pause, folder)
    again = "was paused already" if was else "is paused in all windows"
    patience = seam.Patience()
    with Busy() as busy:
        busy.show("Waiting until the model has left the memory")
        while (found := await find(folder)) is not None:
            found.backend.close()
            loads = seam.heir_lives(folder)
            if found.health.asleep and not loads:
                return f"Midfill {again}, and its model has left the memory; `midfill resume` goes on."
            if patience.seconds() > (HEIR_ENDING if loads else ENDING):
                return f"Midfill {again}; its model leaves the memory soon. `midfill resume` goes on."
            await asyncio.sleep(0.1)
    return f"Midfill {again}; `midfill resume` goes on."


async def resume() -> str:
    """A sentence. Raises BackendError."""
    if _changed(seam.resume, _folder()):
        return "Midfill goes on in all windows; the next key loads the model."
    return "Midfill is not paused."


def _changed(change: Callable[[Path], bool], folder: Path) -> bool:
    try:
        return change(folder)
    except IsADirectoryError as error:
        mend = "remove it, and Midfill goes on in all windows"
        raise BackendError(f"{error.filename} pauses Midfill, but is a folder; {mend}") from None
    except OSError as error:
        why = f"{error.filename} cannot be changed ({error.strerror})"
        raise BackendError(f"{why}: make room, or give yourself the right to write there") from None


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
        seconds = _since(seam.silent_since(seam.lock_file(folder)))
        return STOPPED | {"state": "starting", "pid": pid_of(folder), "uptime_s": seconds}
    return STOPPED | {
        "state": "hangs",
        "pid": card.pid,
        "model": card.model,
        "socket": card.socket,
        "url": card.url,
        "uptime_s": _since(card.started),
        "version": card.version,
        "message": hangs(folder),
    }


def _since(moment: float | None) -> float | None:
    """Seconds from then until now."""
    return None if moment is None else round(max(0.0, time.time() - moment), 1)


def as_text(state: dict[str, Any]) -> str:
    """For people; what is not known is not said."""
    words = of_engine(state, key_starts=not state["paused"])
    return f"{words} {PAUSED}." if state["paused"] else words


PAUSED = "Midfill is paused in all windows; `midfill resume` goes on"


def of_engine(state: dict[str, Any], key_starts: bool) -> str:
    """The same without the pause; `key_starts`: whether a key may start an engine, and load its model."""
    if state["state"] == "stopped":
        return "No engine is running" + ("; the next key starts one." if key_starts else ".")
    if state["state"] == "starting":
        which = "" if state["pid"] is None else f" (process {state['pid']})"
        return f"The engine{which} is starting, or ending{for_long(state)}."
    if state["state"] == "hangs":
        return "{} {}.".format(*hanging(state["pid"], key_starts))
    words = f"{state['state']}: model {state['model'] or 'of an unknown name'}"
    words += f" in {state['weights']}" if state["weights"] else ""
    words += f" on {state['device']}" if state["device"] else ""
    words += f", process {state['pid']}"
    words += "" if state["uptime_s"] is None else f", up {state['uptime_s']:.0f} s"
    words += "" if state["requests"] is None else f", {_counted(state['requests'], 'request')}"
    words += f"{_held(state['memory'] or {})}"
    words += f", {_counted(state['windows'], 'window')}" if state["windows"] else ""
    words += f".{_speed(state['figures'] or {})}"
    if state["fim_trained"] is False:
        words += f" {UNTRAINED}."
    words += stands_still(state)
    if state["last_error"]:
        words += f" The last error: {state['last_error'].rstrip('.')}."
    loads = " The next key loads it." if state["asleep"] and key_starts else ""
    return f"{words} {state['message']}{loads}".strip()


def for_long(state: dict[str, Any]) -> str:
    """Of one that starts or ends, the seconds for which it has, if these are many; else ""."""
    seconds = state["uptime_s"] or 0.0
    return f", for {seconds:.0f} s now" if seconds > LISTEN_SECONDS else ""


def stands_still(state: dict[str, Any]) -> str:
    """Of an engine in which nothing goes on, a sentence with a blank before it; else ""."""
    seconds = state["stalled_s"] or 0.0
    if seconds < STILL:
        return ""
    what = "The load of its model" if state["state"] == "loading" else "A completion"
    return f" {what} has stood still for {seconds:.0f} s; if it stays so, the engine ends by itself."


def _speed(figures: dict[str, float]) -> str:
    """What the last requests took, a sentence with a blank before it."""
    parts = []
    if (half := figures.get("first_text_p50")) and (most := figures.get("first_text_p95")):
        parts.append(f"first text after {1000 * half:.0f} ms (p50) and {1000 * most:.0f} ms (p95)")
    if (rate := figures.get("tokens_per_second")) is not None:
        parts.append(f"{rate:.0f} tokens a second")
    if (share := figures.get("reused_share")) is not None:
        parts.append(f"{100 * share:.0f} % of prompts reused")
    return f" The last requests: {', '.join(parts)}." if parts else ""


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _held(memory: dict[str, int]) -> str:
    """Bytes as the engine tells them, in words."""
    places = (("gpu_reserved", "of GPU memory"), ("resident", "of memory"))
    return "".join(f", {memory[key] / 2**30:.1f} GiB {place}" for key, place in places if key in memory)
