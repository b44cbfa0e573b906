"""The one engine of this user, as one server sees it: asked, watched, healed. Knows no documents, no LSP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

from midfill_model import seam
from midfill_server.engines.backend import (
    Backend,
    BackendError,
    Chunk,
    Ended,
    Interrupted,
    Later,
    Order,
    Refused,
)
from midfill_server.engines.dialects.midfill import MIDFILL
from midfill_server.engines.failures import DiesTooOften, Failures
from midfill_server.engines.launcher import SILENT_SECONDS, Launcher
from midfill_server.engines.process import cannot_start, ended_for_a_fault, hangs, stop, why_it_ended
from midfill_server.engines.status import State, Status, status_of

LATE_SECONDS = 10.0  # a text that takes so long, or stands still: is the engine still well?
LOOK_SECONDS = 0.25  # between two looks at an engine that loads


async def _no_finding() -> str:
    return ""


class Resident:
    """The engine as one server sees it. `report` hears of every change of state.

    `finding` tells what the doctor finds first, as a sentence and a blank.
    """

    def __init__(
        self, report: Callable[[Status], None], finding: Callable[[], Awaitable[str]] = _no_finding
    ) -> None:
        self._finding = finding
        self.model = seam.Model()
        """What is loaded, once it is known."""
        self._report = report
        self._launcher = Launcher(lambda: report(Status(State.STARTING, "Starting the engine")))
        self._name = "auto"
        self._options: tuple[str, ...] = ()
        self._backend: Backend | None = None
        self._card: seam.Card | None = None  # of the engine that was used last
        self._was_ready = self._broke = False  # that one; `_broke`: its last completion failed
        self._search: asyncio.Task[Backend] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._failures = Failures()
        self._window = seam.Window()
        self._rests = False

    async def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        """A completion from the engine, which is started if need be.

        When an engine ends a generation before its first text, the next one is asked, once; but not for what
        is fetched in the background. Raises Interrupted when there is no next one, else BackendError.
        """
        for attempt in (1, 2):
            backend, begun = await self.backend(), False
            clock = asyncio.get_running_loop()
            late = clock.call_later(LATE_SECONDS, self._look_after, backend)
            try:
                async with aclosing(backend.stream(order, MIDFILL)) as chunks:
                    async for chunk in chunks:
                        late.cancel()
                        late = clock.call_later(LATE_SECONDS, self._look_after, backend)
                        begun = begun or bool(chunk.text)
                        yield chunk
                self._it_works()
                return
            except GeneratorExit:  # whoever asked has enough
                if begun:
                    self._it_works()
                raise
            except BackendError as error:
                interrupted = error.gone or isinstance(error, Interrupted)
                if isinstance(error, Ended) or not interrupted:
                    self._broke = not isinstance(error, Refused | Later)
                self._was_ready = self._was_ready or isinstance(error, Ended)
                if not interrupted:
                    raise
                if error.gone or isinstance(error, Ended) or not order.background:
                    self._leave(backend)
                if begun or order.background or attempt == 2:
                    raise Interrupted(str(error), error.gone) from error
            finally:
                late.cancel()

    async def backend(self) -> Backend:
        """A client for the running engine. Raises BackendError when there is none and none can be started.

        A search goes on when whoever began it is cancelled.
        """
        if self._backend is not None and not self._rests:
            if self._launcher.wants_heir and (self._search is None or self._search.done()):
                self._search = _kept(self._find())  # nobody waits for it
            return self._backend
        self._rests = False
        if self._search is None or self._search.done():
            self._failures.check()
            self._search = _kept(self._find())
        return await self._found()

    async def restart(self) -> None:
        """Stop the engine, whoever uses it, and start one with this server's model. Raises BackendError."""
        before, self._search = self._search, _kept(self._find(anew=True))
        if before is not None:
            before.cancel()
        self._forgive()
        await self._found()

    def use(self, model: str, options: Sequence[str] = ()) -> None:
        """Settings changed: from now on that model, and a failed engine may be tried again."""
        self._forgive()
        self._name, self._options = model, tuple(options)
        if self._backend is not None:  # one engine for all windows: it is not replaced, but said
            self._look_after(self._backend)

    def rest(self) -> None:
        """Another engine is current: say nothing more, and be no window of this one's, which may end then.

        What is being started is started.
        """
        self._stop_watching()
        self._window.close()
        self._rests = True

    def close(self) -> None:
        """Give up what is under way."""
        self.rest()
        if self._search is not None:
            self._search.cancel()
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    async def end(self) -> None:
        """As `close`; and the engine ends that this front has started."""
        self.close()
        await self._launcher.end()

    async def _found(self) -> Backend:
        while True:
            search, me = self._search, asyncio.current_task()
            assert search is not None and me is not None
            try:
                return await asyncio.shield(search)
            except asyncio.CancelledError:
                if me.cancelling() or not search.cancelled():
                    raise
                if search is self._search:
                    raise Interrupted("The engine is not looked for any more") from None

    async def _find(self, anew: bool = False) -> Backend:
        try:
            folder = seam.runtime_folder()
        except seam.RuntimeFolderError as error:
            raise self._no_engine(str(error)) from error
        try:
            if anew:
                self._backend = None
                if (found := await self._launcher.answering(folder)) is not None:
                    await stop(folder, found)
            found = await self._launcher.find_or_start(folder, self._name, self._options, self._before_start)
            self._window.open(folder)
        except DiesTooOften as error:  # the doctor may take long: no other window waits for its words
            finding = await self._finding()
            raise self._no_engine(f"{error}. {finding}When that is mended, restart the engine") from error
        except BackendError as error:
            raise self._no_engine(str(error)) from error
        except OSError as error:
            raise self._no_engine(cannot_start(folder, error)) from error
        self._failures.found()
        self._was_ready = found.health.status == "ready" or (self._was_ready and found.card == self._card)
        self._backend, self._card = found.backend, found.card
        self._look_after(found.backend)
        return found.backend

    def _no_engine(self, why: str) -> BackendError:
        failure = BackendError(why)
        self._fail(failure)
        return failure

    async def _before_start(self, folder: Path) -> None:
        """Wait if the last engine died while it wrote. BackendError if that is the rule with it.

        One that was killed leaves its card behind; one that ended itself has failed a completion first.
        """
        (last, self._card), (broke, self._broke) = (self._card, None), (self._broke, False)
        killed = last is not None and seam.read_card(folder) == last
        if last is None or not (killed or (broke and self._was_ready)):
            return
        words = why_it_ended(folder, last.pid)
        if not self._was_ready:
            raise BackendError(f"The engine stopped while loading: {words}")
        await asyncio.sleep(self._failures.add_death(words))

    def _look_after(self, backend: Backend) -> None:
        if self._backend is backend:
            self._stop_watching()
            self._watching = asyncio.create_task(self._watch(backend))

    def _stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self, backend: Backend) -> None:
        """Report how the engine is, until it is ready, has failed or is gone."""
        silence = seam.Patience()
        while self._backend is backend:
            try:
                health = await backend.health()
            except BackendError:
                if not await self._still_lives(backend, silent=silence.seconds()):
                    return
                await asyncio.sleep(LOOK_SECONDS)
                continue
            silence = seam.Patience()
            if self._backend is not backend:
                return
            if health.ends:
                self._leave_broken(backend)
                return
            status = status_of(health, self._name, self._options)
            if status.state is State.FAILED:
                await backend.shutdown()  # so that the next attempt starts afresh
                self._leave(backend)
                self._fail(BackendError(status.message))
                return
            if health.model.budgets is not None:
                self.model = health.model
            self._report(replace(status, warning=self._launcher.keeps or status.warning))
            if status.state is State.READY:
                self._was_ready = True
                if not await self._makes_way(backend, status):
                    return
            await asyncio.sleep(LOOK_SECONDS)

    async def _makes_way(self, backend: Backend, status: Status) -> bool:
        """Wait until one that loads has this engine's place, and look for it; False if there is none.

        Where both have ended, as after `midfill stop`, the next key looks. `status`: this engine's.
        """
        with suppress(seam.RuntimeFolderError, OSError):
            folder = seam.runtime_folder()
            if not seam.heir_lives(folder):
                return False
            warned = ""
            while seam.heir_lives(folder) and self._backend is backend:
                if (warning := self._launcher.end_hanging_heir(folder)) != warned:
                    warned = warning
                    self._report(replace(status, warning=warning or status.warning))
                await asyncio.sleep(LOOK_SECONDS)
            if self._backend is backend:
                self._leave(backend)
                if seam.engine_lives(folder):
                    self._search = _kept(self._find())
        return True

    async def _still_lives(self, backend: Backend, silent: float) -> bool:
        """An engine does not answer: it hangs, or it has ended, and then that is told."""
        try:
            folder = seam.runtime_folder()
            lives = seam.engine_lives(folder)
        except (seam.RuntimeFolderError, OSError) as error:  # what was good when it was found
            self._leave(backend)
            self._fail(BackendError(str(error)))
            return False
        if lives:
            if silent > SILENT_SECONDS:
                self._report(Status(State.FAILED, hangs(folder)))
            return True
        if self._backend is not backend:  # a request has met that, too, and looks for the next
            return False
        self._leave(backend)
        if self._card is None or self._was_ready:
            return False
        if seam.read_card(folder) == self._card:
            words = why_it_ended(folder, self._card.pid)
            self._card = None
            self._fail(BackendError(f"The engine stopped while loading: {words}"))
        elif ended_for_a_fault(folder, self._card.pid):
            self._leave_broken(backend)
        return False

    def _leave_broken(self, backend: Backend) -> None:
        """It had loaded, and has failed: the next key finds another; at once where its user waits for it."""
        is_awaited = not self._was_ready  # its user has been told that it loads
        self._was_ready = self._broke = True
        self._leave(backend)
        with suppress(seam.RuntimeFolderError):
            if is_awaited and not seam.is_paused(seam.runtime_folder()):
                self._search = _kept(self._find())

    def _leave(self, backend: Backend) -> None:
        """Look for an engine at the next request. Other streams of this one may go on."""
        if self._backend is backend:
            self._backend = None
        self._launcher.collect()

    def _it_works(self) -> None:
        self._was_ready, self._broke = True, False
        self._failures.forget()

    def _forgive(self) -> None:
        self._failures, self._broke = Failures(), False

    def _fail(self, error: BackendError) -> None:
        self._failures.add(error)
        self._report(Status(State.FAILED, str(error)))


def _kept(search: Coroutine[None, None, Backend]) -> asyncio.Task[Backend]:
    """A task whose failure nobody needs to hear of: it was reported."""
    task = asyncio.create_task(search)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task
