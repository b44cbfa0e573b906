"""`midfill complete FILE:LINE:COL`: one completion through the real server, as an editor would ask for it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from midfill_model.command_line import Busy, UsageError, complain, refusal
from midfill_server.context.languages.names import language_of
from midfill_server.tools.lsp_client import Editor, Json

LINES_BEFORE = 6  # lines of the file that the terminal shows above the cursor


@dataclass(frozen=True, slots=True)
class Place:
    """A cursor in a file; line and column count from 1, the column in characters. The path is absolute."""

    path: Path
    line: int
    column: int


def main(where: str, settings: Json, as_json: bool) -> int:
    place = read_place(where)
    text = read_text(place)
    check_inside(place, text)
    if as_json:
        outcome = asyncio.run(complete(place, text, settings, lambda _: None))
        print(json.dumps(outcome))
    else:
        with _Terminal(text, place) as terminal:
            outcome = asyncio.run(complete(place, text, settings, terminal.show))
        if outcome["error"] is None:
            print(f"\n\n[{_timings(outcome)}]")
    if outcome["warning"]:
        complain(outcome["warning"])
    return 0 if outcome["error"] is None else complain(outcome["error"])


async def complete(place: Place, text: str, settings: Json, show: Callable[[str], None]) -> Json:
    """{text, streamed, timings in ms, model, why, warning, error}; `show` gets the whole text as it grows.

    `why`: what ended the request, in words, if there is nothing to show.
    """
    started = time.perf_counter()
    times, root = _Times(), workspace(place.path)
    with Busy() as busy:
        async with Editor(folder=root, on_notification=lambda it: busy.show(_doing(it))) as editor:
            await editor.initialize(settings | {"statistics": False, "alternatives": 1}, root=root)
            times.initialize_ms = _since(started)
            editor.open(place.path.as_uri(), text, language_of(place.path))
            status = await editor.notified(
                "midfill/statusChanged", lambda it: it["state"] in ("ready", "failed", "off") or it["paused"]
            )
            times.ready_ms = _since(started)
            streamed, final, why = [], "", None
            if status["state"] == "ready" and not status["paused"]:
                asked = time.perf_counter()

                def grow(growing: str) -> None:
                    times.first_partial_ms = times.first_partial_ms or _since(asked)
                    show(growing)

                pending = editor.complete(place.path.as_uri(), place.line - 1, place.column - 1, grow=grow)
                streamed, final = pending.partials, await pending.text()
                times.total_ms = _since(asked)
                show(final)
                why = None if final else _reason(await editor.request("midfill/why"))
            failed = [it["params"] for it in editor.notifications if it["params"].get("state") == "failed"]
    return {
        "text": final,
        "streamed": streamed,
        "timings": times.as_json(),
        "model": status["model"],
        "why": why,
        "warning": status["warning"] or None,
        "error": _with_another_model(failed[-1]["message"], settings) if failed else _silence(status),
    }


def _with_another_model(message: str, settings: Json) -> str:
    """What an editor's settings say, the command line does: which model."""
    named = Path(str(settings.get("model") or "")).name
    if settings.get("url") or not named or named not in message:
        return message
    return f"{message.removesuffix('.')}; or choose another with --set model=demo"


def _silence(status: Json) -> str | None:
    """Why nothing was asked."""
    if status["state"] == "off":
        return "the setting enabled is false, so nothing is offered"
    return "Midfill is paused in all windows; `midfill resume` goes on" if status["paused"] else None


def _reason(told: Json) -> str | None:
    """What ended the last request: its line begins with the place and the times."""
    found = re.search(r":\d+:\d+ [^:]*: (.*)", told["requests"][-1]) if told["requests"] else None
    return found[1] if found else None


def workspace(path: Path) -> Path:
    """What an editor would open as its workspace: git's top level, or the file's own folder."""
    return next((folder for folder in path.parents if (folder / ".git").exists()), path.parent)


def _doing(notification: Json) -> str:
    """What there is to wait for, from a status of the server; "" when nothing."""
    status = notification["params"]
    if notification["method"] != "midfill/statusChanged" or status["state"] not in ("starting", "loading"):
        return ""
    percent = f" {100 * status['progress']:.0f} %" if status["progress"] else ""
    return (status["message"] or "Starting the engine") + percent


def read_place(where: str) -> Place:
    """FILE:LINE:COL, where FILE may hold colons itself."""
    found = re.fullmatch(r"(.+):([0-9]{1,9}):([0-9]{1,9})", where, re.DOTALL)
    if found is None or int(found[2]) < 1 or int(found[3]) < 1:
        raise UsageError(f"{where!r} is not FILE:LINE:COL with numbers from 1; try app.py:10:5")
    return Place(Path(found[1]).resolve(), int(found[2]), int(found[3]))


def read_text(place: Place) -> str:
    try:
        return place.path.read_bytes().decode("utf-8", "replace")  # not read_text: \r\n must stay as it is
    except OSError as error:
        raise UsageError(f"cannot read {place.path}: {refusal(error)}") from error


def check_inside(place: Place, text: str) -> None:
    lines = lines_of(text)
    if place.line > len(lines):
        raise UsageError(f"{place.path} has {len(lines)} lines; line {place.line} is outside")
    if place.column > (last := len(lines[place.line - 1]) + 1):
        raise UsageError(
            f"line {place.line} of {place.path} ends at column {last}; {place.column} is outside"
        )


def lines_of(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


@dataclass(slots=True)
class _Times:
    initialize_ms: float = 0.0
    ready_ms: float = 0.0
    first_partial_ms: float | None = None
    total_ms: float = 0.0

    def as_json(self) -> dict[str, float | None]:
        return {name: value and round(value, 1) for name, value in asdict(self).items()}


class _Terminal:
    """Prints the lines up to the cursor, then the ghost text after it: each time only what is new."""

    def __init__(self, text: str, place: Place) -> None:
        before = lines_of(text)[max(place.line - 1 - LINES_BEFORE, 0) : place.line]
        self._before = "\n".join([*before[:-1], before[-1][: place.column - 1]])
        self._shown: str | None = None
        self._dim, self._plain = ("\033[2m", "\033[0m") if _has_colours() else ("", "")

    def show(self, text: str) -> None:
        if self._shown is None:
            print(self._before, end=self._dim)
        elif not text.startswith(self._shown):
            print(f"{self._plain}\n({'it now reads:' if text else 'withdrawn'})", end=f"\n{self._dim}")
            self._shown = ""
        print(text[len(self._shown or "") :], end="", flush=True)
        self._shown = text

    def __enter__(self) -> _Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown is not None:  # also after Ctrl-C: the terminal must not stay dim
            print(end=self._plain, flush=True)


def _has_colours() -> bool:
    """As no-color.org has it."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _timings(outcome: dict[str, Any]) -> str:
    times = outcome["timings"]
    first = times["first_partial_ms"]
    parts = [
        f"model {outcome['model']}",
        f"server answered after {times['initialize_ms']:.0f} ms",
        f"engine ready after {times['ready_ms']:.0f} ms",
        *([f"first text {first:.0f} ms after the request"] if first is not None else []),
        f"{'all of it' if outcome['text'] else 'nothing to show,'} after {times['total_ms']:.0f} ms",
        *([outcome["why"]] if outcome["why"] else []),
    ]
    return " · ".join(parts)


def _since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
