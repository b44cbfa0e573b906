"""Which engine is current, and how it is: our own, the server behind `url`, or none (switched off, paused).

The only place from which the user hears of engines. Whatever an engine says that is not current is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial

from midfill_model import seam
from midfill_server.engines.backend import BackendError, Chunk, Interrupted, Later, Order
from midfill_server.engines.http.keys import from_environment, key_for
from midfill_server.engines.http.route import Way
from midfill_server.engines.process import first_finding
from midfill_server.engines.resident import Resident
from midfill_server.engines.status import State, Status
from midfill_server.engines.url.remote import Remote
from midfill_server.engines.url.several import Local, Member, Several
from midfill_server.settings import DEFAULTS, Settings, as_options

RESUME_SECONDS = 1.0  # between two looks whether `midfill resume` was said


def all_paused() -> bool:
    """Whether all windows pause; a runtime folder that cannot be used says nothing."""
    try:
        return seam.is_paused(seam.runtime_folder())
    except seam.RuntimeFolderError:
        return False


class Choice:
    """The engine that completions come from. `report` hears of each change of its status, once."""

    def __init__(self, report: Callable[[Status], None]) -> None:
        self.status = Status(State.STARTING)
        self._report = report
        self._settings = Settings()
        self._paused = False
        self._all_paused: asyncio.TimerHandle | None = None  # looks whether `midfill resume` was said
        self._snooze: tuple[float, asyncio.TimerHandle] | None = None  # until when, and what ends it
        self._resident = Resident(self._hear, lambda: first_finding(as_options(self._settings)))
        self._remote: Remote | Several | None = None
        self._well = self.status  # the last that was no failure
        self._wanted = False  # somebody has a file open
        self._warming: asyncio.Task[None] | None = None

    @property
    def answers(self) -> bool:
        """Whether anything may be asked."""
        self._notice_pause()
        return self._settings.enabled and not self._paused and self._all_paused is None

    @property
    def on_gpu(self) -> bool:
        """Whether the engine of this machine is current, and has a GPU."""
        return self._is_own and self.status.device not in (None, "cpu")

    @property
    def budgets(self) -> seam.Budgets | None:
        """Tokens of a prompt's parts, as set or as the model is made for; None while that is not known."""
        of_model = (self._remote or self._resident.model).budgets
        it = self._settings
        if of_model is None:
            return None
        wanted = (it.prefix_tokens, it.suffix_tokens, it.context_tokens)
        return seam.Budgets(*(m if w is None else w for w, m in zip(wanted, of_model, strict=True)))

    def knows(self, language: str) -> bool:
        """Whether the model saw much of this language, as far as is known."""
        trained_in = (self._remote or self._resident.model).trained_in
        return trained_in is None or language in trained_in

    def use(self, settings: Settings) -> None:
        """Take over the user's settings."""
        before, self._settings = self._settings, settings
        if _of_engine(before) == _of_engine(settings):
            self._tell(self.status)
            return
        if self._remote is not None:
            self._remote.close()
            self._remote = None
        if settings.enabled and settings.urls:
            self._remote = self._servers(settings)
        if not settings.enabled:
            self._resident.rest()
            self._tell(Status(State.OFF))
        elif settings.urls:
            if self._local_number() is None:
                self._resident.rest()
            self._tell(Status(State.STARTING))  # ready is told when it has answered
            if self._wanted:
                self.warm_up()
        else:
            self._tell(Status(State.STARTING))
            self._resident.use(settings.model, _options(settings))  # it tells how a running engine is
            if self._wanted:
                self.warm_up()

    def pause(self, paused: bool) -> None:
        """Offer nothing in this window until it is resumed."""
        self._paused = paused
        if not paused:
            self._end_snooze()
        self._tell(self.status)
        if not paused:
            self.warm_up()

    def snooze(self, seconds: float) -> None:
        """Offer in this window, for so long, only what is asked for with a key."""
        self._end_snooze()
        timer = asyncio.get_running_loop().call_later(seconds, self._wake)
        self._snooze = time.time() + seconds, timer
        self._tell(self.status)

    def is_snoozed(self) -> bool:
        """By the clock on the wall: a timer stands still while the machine sleeps."""
        if self._snooze is not None and time.time() >= self._snooze[0]:
            self._wake()
        return self._snooze is not None

    def warm_up(self) -> None:
        """Start the engine, or ask the server what it is, while the user still reads the file."""
        self._wanted = True
        idle = self._warming is None or self._warming.done()
        if idle and self.answers:
            self._warming = asyncio.create_task(self._warm_up())

    async def restart(self) -> None:
        """Stop the engine of this machine, for all windows, and start one with this window's settings."""
        if self._is_own:
            with suppress(BackendError):  # it was told
                await self._resident.restart()

    async def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        """A completion as it is written; one that ends without an error is whole.

        Raises Interrupted when the engine ended it: what came is no answer, and of our own engine, which is
        looked for again, the user hears nothing. Any other BackendError has been told.
        """
        settings, begun = self._settings, False
        engine = self._remote or self._resident
        if not self.answers:
            raise Interrupted("Completions are switched off, or paused")
        try:
            async with aclosing(engine.stream(order)) as chunks:
                async for chunk in chunks:
                    if not begun and chunk.text:
                        begun = True
                        self._recover(settings)
                    yield chunk
            self._recover(settings)
        except BackendError as error:
            if isinstance(error, Interrupted) and isinstance(engine, Resident | Several):
                raise  # another one is looked for
            if settings is self._settings and order.n == 1:  # one that writes no others may work well
                self._fail(error)
            raise

    def close(self) -> None:
        """Hang up. Our engine goes on, for other windows."""
        self._end_snooze()
        if self._all_paused is not None:
            self._all_paused.cancel()
        if self._warming is not None:
            self._warming.cancel()
        self._resident.close()
        if self._remote is not None:
            self._remote.close()

    @property
    def _is_own(self) -> bool:
        return self._settings.enabled and not self._settings.urls

    def _notice_pause(self) -> None:
        """`midfill pause` holds for all windows, and is a file that each looks for when it is asked."""
        if (paused := all_paused()) != (self._all_paused is not None):
            if self._all_paused is not None:
                self._all_paused.cancel()
            self._look_for_resume()
            if paused:
                self._tell(self.status)

    def _look_for_resume(self) -> None:
        self._all_paused = None
        if all_paused():
            loop = asyncio.get_running_loop()
            self._all_paused = loop.call_later(RESUME_SECONDS, self._look_for_resume)
        else:
            self._tell(self.status)
            self.warm_up()

    def _wake(self) -> None:
        self._end_snooze()
        self._tell(self.status)

    def _end_snooze(self) -> None:
        if self._snooze is not None:
            self._snooze[1].cancel()
            self._snooze = None

    async def _warm_up(self) -> None:
        remote = self._remote
        if remote is None:
            with suppress(BackendError):  # it was told
                await self._resident.backend()
            return
        try:
            await remote.dialect()
        except Interrupted:
            pass  # it is not current any more
        except BackendError as error:
            if remote is self._remote:
                self._fail(error)

    def _servers(self, settings: Settings) -> Remote | Several:
        """The server behind `url`, or those behind several."""
        urls = settings.urls
        if len(urls) == 1 and self._local_number() is None:
            remote = self._server_at(urls[0], 0, lambda status: self._hear_of(remote, status))
            return remote
        several = Several(lambda status: self._hear_of(several, status))
        members: list[Member] = []
        for number, url in enumerate(urls):
            if number == self._local_number():
                self._resident.use(settings.own_model or "auto", _options(settings))
                members.append(Local(self._resident))
            else:
                hear = partial(several.hear, number)
                members.append(self._server_at(url, number, hear))
        several.use(members)
        return several

    def _local_number(self) -> int | None:
        """Which of several is the engine of this machine."""
        urls = self._settings.urls
        return len(urls) - 1 if urls and self._settings.own_model is not None else None

    def _server_at(self, url: str, number: int, hear: Callable[[Status], None]) -> Remote:
        it = self._settings
        key, no_key = key_for(it, number)
        headers = tuple((name, from_environment(value)) for name, value in it.headers)
        way = Way(it.ca_file or "", it.proxy or "", headers)
        return Remote(url, it.model, key, it.dialect, hear, no_key, way)

    def _hear_of(self, remote: Remote | Several, status: Status) -> None:
        """What the server behind `url` says of itself."""
        if remote is self._remote:
            self._tell(status)

    def _fail(self, error: BackendError) -> None:
        """A server that still loads its model has not failed."""
        loads = isinstance(error, Later) and error.loads and not self._is_own
        self._tell(Status(State.LOADING if loads else State.FAILED, str(error)))

    def _hear(self, status: Status) -> None:
        """What our own engine says of itself."""
        if self._is_own:
            self._tell(status)
        elif isinstance(self._remote, Several) and (number := self._local_number()) is not None:
            self._remote.hear(number, status)

    def _recover(self, asked_with: Settings) -> None:
        """A completion that succeeds ends a failure."""
        if self.status.state is State.FAILED and asked_with is self._settings:
            self._tell(self._well)

    def _tell(self, status: Status) -> None:
        until, trigger = self._snooze and self._snooze[0], self._settings.trigger
        paused = self._paused or self._all_paused is not None
        status = replace(status, paused=paused, snoozed_until=until, trigger=trigger)
        if status.state is State.READY:
            self._well = status
        elif status.state is not State.FAILED:
            self._well = Status(State.READY)
        if status != self.status:
            self.status = status
            self._report(status)


def _of_engine(settings: Settings) -> tuple[object, ...]:
    """Those that tell which engine is current."""
    it = settings
    way = it.url, it.api_key_env, it.api_key_file, it.ca_file, it.proxy, it.headers
    return it.enabled, it.model, it.dialect, *_options(it), *way


def _options(settings: Settings) -> tuple[str, ...]:
    """Of an engine that this window starts; the last of two that are the same counts."""
    usual = settings.idle_minutes == DEFAULTS.idle_minutes
    return (() if usual else ("--idle-minutes", str(settings.idle_minutes))) + settings.engine_options
