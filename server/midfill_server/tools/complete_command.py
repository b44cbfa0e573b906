"""`midfill complete FILE:LINE:COL`: one completion through the real server, as an editor would ask for it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from midfill_server.tools.lsp_client import Editor, Json

LINES_BEFORE = 6  # the terminal shows so much of the file above the cursor


class UsageError(Exception):
    """What the user asked for makes no sense; the message says what would."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a file; line and column count from 1, the column in characters."""

    path: Path
    line: int
    column: int


def main(where: str, model: str, as_json: bool) -> int:
    spot = read_spot(where)
    text = read_text(spot)
    check_inside(spot, text)
    if as_json:
        outcome = asyncio.run(complete(spot, text, model, _Silent()))
        print(json.dumps(outcome))
    else:
        outcome = asyncio.run(complete(spot, text, model, _Terminal(text, spot)))
        _print_timings(outcome)
    if outcome["error"] is not None:
        print(f"midfill: {outcome['error']}", file=sys.stderr)
    return 1 if outcome["error"] is not None else 0


async def complete(spot: Spot, text: str, model: str, screen: _Silent) -> Json:
    """{text, streamed, timings in ms, model, error}; `screen` is told of the text while it grows."""
    started = time.perf_counter()
    uri, times = spot.path.resolve().as_uri(), _Times()
    async with Editor(folder=spot.path.resolve().parent) as editor:
        await editor.initialize({"model": model, "statistics": False})
        times.initialize_ms = _since(started)
        editor.open(uri, text)
        ready = await editor.notified(
            "midfill/statusChanged", lambda it: it["state"] in ("ready", "failed", "off")
        )
        times.ready_ms = _since(started)
        asked = time.perf_counter()

        def grow(growing: str) -> None:
            times.first_partial_ms = times.first_partial_ms or _since(asked)
            screen.show(growing)

        pending = editor.complete(uri, spot.line - 1, spot.column - 1, grow=grow)
        final = await pending.text()
        times.total_ms = _since(asked)
        screen.show(final)
        failed = [it["params"] for it in editor.notifications if it["params"].get("state") == "failed"]
    return {
        "text": final,
        "streamed": pending.partials,
        "timings": times.as_json(),
        "model": ready["model"],
        "error": failed[-1]["message"] if failed else None,
    }


def read_spot(where: str) -> Spot:
    """FILE:LINE:COL, where FILE may hold colons itself."""
    found = re.fullmatch(r"(.+):(\d+):(\d+)", where)
    if found is None or int(found[2]) < 1 or int(found[3]) < 1:
        raise UsageError(f"{where!r} is not FILE:LINE:COL with numbers from 1; try app.py:10:5")
    return Spot(Path(found[1]), int(found[2]), int(found[3]))


def read_text(spot: Spot) -> str:
    try:
        return spot.path.read_bytes().decode("utf-8", "replace")  # not read_text: \r\n must stay as it is
    except OSError as error:
        raise UsageError(f"cannot read {spot.path}: {error.strerror}") from error


def check_inside(spot: Spot, text: str) -> None:
    lines = lines_of(text)
    if spot.line > len(lines):
        raise UsageError(f"{spot.path} has {len(lines)} lines; line {spot.line} is outside")
    if spot.column > (last := len(lines[spot.line - 1]) + 1):
        raise UsageError(f"line {spot.line} of {spot.path} ends at column {last}; {spot.column} is outside")


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


class _Silent:
    def show(self, text: str) -> None:
        """The text so far, or the final one."""


class _Terminal(_Silent):
    """Prints the lines up to the cursor, then the ghost text behind it, only what is new of it each time."""

    def __init__(self, text: str, spot: Spot) -> None:
        before = lines_of(text)[max(spot.line - 1 - LINES_BEFORE, 0) : spot.line]
        before[-1] = before[-1][: spot.column - 1]
        self._shown = ""
        self._dim, self._plain = ("\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "")
        print("\n".join(before), end=self._dim, flush=True)

    def show(self, text: str) -> None:
        if not text.startswith(self._shown):  # the final text is shorter, or another one
            print(f"{self._plain}\n— instead:", end=f"\n{self._dim}")
            self._shown = ""
        print(text[len(self._shown) :], end="", flush=True)
        self._shown = text


def _print_timings(outcome: dict[str, Any]) -> None:
    times = outcome["timings"]
    first = times["first_partial_ms"]
    colour_off = "\033[0m" if sys.stdout.isatty() else ""
    parts = [
        f"model {outcome['model']}",
        f"server answered after {times['initialize_ms']:.0f} ms",
        f"engine ready after {times['ready_ms']:.0f} ms",
        "nothing to show" if first is None else f"first text {first:.0f} ms after the request",
        f"whole {times['total_ms']:.0f} ms",
    ]
    print(f"{colour_off}\n\n[{' · '.join(parts)}]")


def _since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
