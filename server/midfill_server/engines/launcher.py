"""Finds the engine of a runtime folder, or starts one. Of many windows that open at once, one starts it.

An engine holds its lock from its first moment to its last, and writes its card once it listens. A front that
finds the lock held waits; one that finds it free starts an engine, and holds a second lock until that has the
first. So does one that starts an heir, until that has a lock of its own. One that gives no sign of life
meanwhile is not waited for, and an heir that gives none is ended.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
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
    hanging,
    hangs,
    heir_stays,
    start,
    stop,
    why_it_ended,
)

LISTEN_SECONDS = 60.0  # from the start of an engine until it listens; loading comes later
SILENT_SECONDS = 20.0  # an engine that runs and does not answer for so long hangs
HEIR_SECONDS = 5.0  # in which an heir takes the place of an engine that was killed, or gives it up
HEIR_SILENCE = 120.0  # after which an heir hangs: it imports torch before its first sign of life
HEIR_PAUSES = (10.0, 60.0)  # until another heir is started, after one that was killed, and after two
MOST_STARTS = 3  # in one search


class Launcher:
    """`starting` is called when an engine is being started, by this front or another."""

    def __init__(self, starting: Callable[[], None]) -> None:
        self.keeps = ""
        """Why an engine of another version was not replaced, in one sentence."""
        self._starting = starting
        self._process: subprocess.Popen[bytes] | None = None  # of the engine that was started last
        self._children: list[subprocess.Popen[bytes]] = []  # that may not have ended yet
        self._replaced = False
        self._silence_of_start, self._silence_of_heir = seam.Silence(), seam.Silence()
        self._heir: subprocess.Popen[bytes] | None = None
        self._elder: seam.Card | None = None  # the engine whose heirs are counted
        self._n_lost = 0  # of these
        self._awaits_heir = False  # one lived at the last look
        self._next_heir: float | None = None  # when one may be started

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
            self.collect()
            if found is not None:
                just_failed = n_starts > 0 and found.health.status == "failed"  # it would again
                if just_failed or await self._stays(folder, found, model, options):
                    return found
            elif n_starts < MOST_STARTS:
                n_starts += await self._start(folder, model, options, before_start)
            else:
                raise BackendError(f"The engine stopped while starting: {why_it_ended(folder)}")

    async def answering(self, folder: Path) -> Found | None:
        """The engine that lives there, once it answers; None when none lives, or no more. BackendError."""
        await asyncio.to_thread(__import__, "filelock")  # 0.1 s in which the editor is still answered
        patience, known = seam.Patience(), None
        while True:
            if (found := await find(folder)) is not None:
                return found
            if not seam.engine_lives(folder):
                return None
            if (card := seam.read_card(folder)) is None:
                self._starting()
            if card != known:  # only now it could answer
                patience, known = seam.Patience(), card
            waited = patience.seconds()
            if waited > (LISTEN_SECONDS if card is None else SILENT_SECONDS):
                raise BackendError(hangs(folder))
            await asyncio.sleep(POLL_SECONDS if waited < 1 else 4 * POLL_SECONDS)

    def collect(self) -> None:
        """No zombie stays of an engine that has ended."""
        self._children = [it for it in self._children if it.poll() is None]

    async def end(self) -> None:
        """The engine that this front has started ends, whether it is ready or has just begun."""
        if (process := self._process) is not None and process.poll() is None:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()

    async def _start(
        self,
        folder: Path,
        model: str,
        options: Sequence[str],
        before_start: Callable[[Path], Awaitable[None]],
    ) -> bool:
        """Start an engine and wait until it holds its lock; False if another front is at it, or an heir."""
        self._starting()
        if await self._heir_comes(folder):
            return False
        try:
            with seam.start_lock(folder, self._silence_of_start) as lives:
                if seam.engine_lives(folder):
                    return False
                await before_start(folder)
                self._process = process = self._begin(folder, model, options)
                patience = seam.Patience()
                while process.poll() is None and not seam.engine_lives(folder):
                    lives()
                    if patience.seconds() > LISTEN_SECONDS:
                        raise BackendError("{} {}".format(*hanging(process.pid)))
                    await asyncio.sleep(POLL_SECONDS)
                if process.poll():  # so early it may not have said which it is, but it is the newest
                    raise BackendError(f"The engine stopped while starting: {why_it_ended(folder)}")
        except seam.Locked:
            await asyncio.sleep(POLL_SECONDS)
            return False
        return True

    def _begin(self, folder: Path, model: str, options: Sequence[str]) -> subprocess.Popen[bytes]:
        self._children.append(process := start(folder, model, options))
        return process

    async def _heir_comes(self, folder: Path) -> bool:
        """Whether there is an engine by now, because the one that has ended had an heir."""
        patience = seam.Patience()
        while seam.heir_lives(folder) and patience.seconds() < HEIR_SECONDS:
            if seam.engine_lives(folder):
                return True
            await asyncio.sleep(POLL_SECONDS)
        return seam.engine_lives(folder)

    @property
    def wants_heir(self) -> bool:
        """Whether one is due in the place of one that has ended without a reason, as the killed do."""
        return self._next_heir is not None and time.monotonic() >= self._next_heir

    async def _has_heir(self, folder: Path, found: Found, model: str, options: Sequence[str]) -> bool:
        """Whether an engine is used on, for one loads, or will, to take its place; False: none can.

        One is started, by this front or another. After one that was killed there is another, later.
        """
        if found.card != self._elder:
            self._elder, self._n_lost, self._awaits_heir = found.card, 0, False
            self._next_heir = time.monotonic()
        if not seam.heir_lives(folder):
            if seam.is_paused(folder):  # nothing is started; one that loaded has ended
                self._next_heir, self._awaits_heir = time.monotonic(), False
                return True
            if self._awaits_heir:
                self._count_lost()
            if not self.wants_heir:
                return self._next_heir is not None
            if not await self._start_heir(folder, model, options):
                self._count_lost()
                return self._next_heir is not None
        self._awaits_heir, self._next_heir = True, None
        return True

    def end_hanging_heir(self, folder: Path) -> str:
        """To be called many times a second while there is one: it keeps memory that another needs.

        What to say of one that cannot be ended; else "".
        """
        silent = self._silence_of_heir.seconds(seam.heir_file(folder))
        if silent < HEIR_SILENCE:
            return ""
        if (pid := seam.holder_of(seam.heir_file(folder))) is not None and seam.heir_lives(folder):
            with suppress(OSError):
                os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        return heir_stays(folder) if silent > HEIR_SILENCE + STOP_SECONDS else ""

    def _count_lost(self) -> None:
        """An heir has ended: another may follow, but not one that has said that it cannot load."""
        code = None if self._heir is None else self._heir.poll()
        self._heir, self._awaits_heir, self._next_heir = None, False, None
        if code is not None and code > 0:
            return
        self._n_lost += 1
        if self._n_lost <= len(HEIR_PAUSES):
            self._next_heir = time.monotonic() + HEIR_PAUSES[self._n_lost - 1]

    async def _start_heir(self, folder: Path, model: str, options: Sequence[str]) -> bool:
        """Whether there is one, begun by this front, or by another that was at it."""
        patience, others = seam.Patience(), False
        while patience.seconds() < LISTEN_SECONDS and not seam.heir_lives(folder):
            try:
                with seam.start_lock(folder, self._silence_of_start) as lives:
                    if others or seam.heir_lives(folder):
                        break
                    self._heir = self._begin(folder, model, [*options, "--succeed"])
                    while self._heir.poll() is None and patience.seconds() < LISTEN_SECONDS:
                        if seam.heir_lives(folder):
                            return True
                        lives()
                        await asyncio.sleep(POLL_SECONDS)
                    break
            except seam.Locked:
                others = True
            await asyncio.sleep(POLL_SECONDS)
        return seam.heir_lives(folder)

    async def _stays(self, folder: Path, found: Found, model: str, options: Sequence[str]) -> bool:
        """Whether this engine is to be used. If not it has been stopped, or was asked to.

        One of an older version is used until another has loaded beside it. Where that cannot load, it is
        replaced before, if nobody uses it just now.
        """
        if found.health.status == "failed":  # it could not load its model, which may be mended by now
            await stop(folder, found)
            return False
        protocol, name = found.health.protocol, found.health.version
        if (protocol in (None, seam.PROTOCOL)) and name in (None, version("midfill")):
            self.keeps = ""
            return True
        newer = _ordered(protocol, name) > _ordered(seam.PROTOCOL, version("midfill"))
        if (
            protocol in (None, seam.PROTOCOL)
            and not newer
            and await self._has_heir(folder, found, model, options)
        ):
            self.keeps = ""
            return True
        if newer or found.health.running or self._replaced:
            self.keeps = _why_kept(name or "unknown", newer, found.health.running > 0)
            if protocol not in (None, seam.PROTOCOL):
                raise BackendError(self.keeps)
            return True
        self._replaced = True  # once: two windows of two versions shall not do it for ever
        with suppress(BackendError):  # one that does not stop is kept
            await stop(folder, found, drain=True)
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
