"""Finds the engine of a runtime folder, or starts one. Of many windows that open at once, one starts it.

An engine holds its lock from its first moment to its last, and writes its card once it listens. A front that
finds the lock held waits; one that finds it free starts an engine, and holds a second lock until that has the
first.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from midfill_model import seam
from midfill_server.engines.backend import BackendError
from midfill_server.engines.process import (
    POLL_SECONDS,
    STOP_SECONDS,
    Found,
    find,
    hangs,
    last_words,
    start,
    stop,
)

LISTEN_SECONDS = 60.0  # from the start of an engine until it listens; loading comes later
SILENT_SECONDS = 20.0  # an engine that runs and does not answer for so long hangs
MOST_STARTS = 3  # in one search


class Launcher:
    """`starting` is called when an engine is being started, by this front or another."""

    def __init__(self, starting: Callable[[], None]) -> None:
        self.keeps = ""
        """Why an engine of another version was not replaced, in one sentence."""
        self._starting = starting
        self._process: subprocess.Popen[bytes] | None = None
        self._replaced = False

    async def find_or_start(
        self,
        folder: Path,
        model: str,
        options: Sequence[str],
        before_start: Callable[[Path], Awaitable[None]],
    ) -> Found:
        """An engine that answers; one that failed is stopped first. `before_start` may wait, or raise.

        Raises BackendError.
        """
        n_starts = 0
        while True:
            found = await self.answering(folder)
            if found is not None:
                just_failed = n_starts > 0 and found.health.status == "failed"  # it would again
                if just_failed or await self._stays(folder, found):
                    return found
            elif n_starts < MOST_STARTS:
                n_starts += await self._start(folder, model, options, before_start)
            else:
                raise BackendError(f"The engine stopped while starting: {last_words(folder)}")

    async def answering(self, folder: Path) -> Found | None:
        """The engine that lives there, once it answers; None when none lives, or no more. BackendError."""
        await asyncio.to_thread(__import__, "filelock")  # 0.1 s in which the editor is still answered
        begun = time.monotonic()
        while True:
            if (found := await find(folder)) is not None:
                return found
            if not seam.engine_lives(folder):
                return None
            if (card := seam.read_card(folder)) is None:
                self._starting()
            waited = time.monotonic() - begun
            if waited > (LISTEN_SECONDS if card is None else SILENT_SECONDS):
                raise BackendError(hangs(folder))
            await asyncio.sleep(POLL_SECONDS if waited < 1 else 4 * POLL_SECONDS)

    def collect(self) -> None:
        """No zombie stays of an engine that has ended."""
        if self._process is not None:
            self._process.poll()

    async def end(self) -> None:
        """The engine that this front has started ends, whether it is ready or has just begun."""
        if (process := self._process) is not None and process.poll() is None:
            process.terminate()
            await asyncio.to_thread(process.wait, STOP_SECONDS)

    async def _start(
        self,
        folder: Path,
        model: str,
        options: Sequence[str],
        before_start: Callable[[Path], Awaitable[None]],
    ) -> bool:
        """Start an engine and wait until it holds its lock; False if another front is at it."""
        self._starting()
        try:
            with seam.start_lock(folder):
                if seam.engine_lives(folder):
                    return False
                await before_start(folder)
                self._process = process = start(folder, model, options)
                deadline = time.monotonic() + LISTEN_SECONDS
                while process.poll() is None and not seam.engine_lives(folder):
                    if time.monotonic() > deadline:
                        raise BackendError(f"The engine does not start: see what process {process.pid} does")
                    await asyncio.sleep(POLL_SECONDS)
        except seam.Locked:
            await asyncio.sleep(POLL_SECONDS)
            return False
        if process.poll():
            raise BackendError(f"The engine stopped while starting: {last_words(folder, process.pid)}")
        return True

    async def _stays(self, folder: Path, found: Found) -> bool:
        """Whether this engine is to be used. If not it has been stopped, or was asked to."""
        if found.health.status == "failed":  # it could not load its model, which may be mended by now
            await stop(folder, found.backend)
            return False
        protocol, name = found.health.protocol, found.health.version
        if (protocol in (None, seam.PROTOCOL)) and name in (None, version("midfill")):
            self.keeps = ""
            return True
        newer = _ordered(protocol, name) > _ordered(seam.PROTOCOL, version("midfill"))
        if newer or found.health.running or self._replaced:
            self.keeps = _why_kept(name or "unknown", newer, found.health.running > 0)
            if protocol not in (None, seam.PROTOCOL):
                raise BackendError(self.keeps)
            return True
        self._replaced = True  # once: two windows of two versions shall not do it for ever
        with suppress(BackendError):  # one that does not stop is kept
            await stop(folder, found.backend)
        return False


def _ordered(protocol: int | None, name: str | None) -> tuple[int, list[int]]:
    """What of it is not told counts as ours."""
    told = version("midfill") if name is None else name
    return seam.PROTOCOL if protocol is None else protocol, [int(it) for it in re.findall(r"\d{1,9}", told)]


def _why_kept(theirs: str, newer: bool, running: bool) -> str:
    ours = version("midfill")
    if newer:
        return f"The engine is of Midfill {theirs}, newer than this {ours}: start this editor again to use it"
    return (
        f"The engine is of Midfill {theirs}, not {ours}, and {'in use' if running else 'did not make way'}; "
        "after `midfill stop` the next key starts the right one"
    )
