"""Several servers in an order of preference: the first that is well answers, and the first is tried again.

One that dies, or falls silent and does not answer a small question either, is left; the next takes over
within a second. What was shown of a text that broke off is no answer: the next key asks the next server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Protocol

from midfill_model import seam
from midfill_server.engines.backend import BackendError, Chunk, Interrupted, Order, Refused
from midfill_server.engines.resident import Resident
from midfill_server.engines.status import State, Status

SILENT_SECONDS = 0.5  # until one that says nothing is asked whether it lives
ANSWER_SECONDS = 0.4  # that it has for that
RETRY_SECONDS = 5.0  # between two looks at one that was left


class Member(Protocol):
    """One of them: a server behind a URL, or the engine of this machine."""

    @property
    def name(self) -> str:
        """For people: its address."""

    @property
    def budgets(self) -> seam.Budgets: ...
    @property
    def trained_in(self) -> tuple[str, ...] | None: ...
    def stream(self, order: Order) -> AsyncGenerator[Chunk]: ...

    async def wake(self) -> object:
        """Make it ready to answer. Raises BackendError."""

    async def lives(self) -> bool:
        """Whether it answers a small question, however long that takes."""

    def close(self) -> None: ...


class Several:
    """`report` hears of how the one is that answers, and of those that do not."""

    def __init__(self, report: Callable[[Status], None]) -> None:
        self._report = report
        self._members: tuple[Member, ...] = ()
        self._faults: dict[int, str] = {}  # of those that are left for now
        self._told: dict[int, Status] = {}
        self._looking: dict[int, asyncio.Task[None]] = {}

    def use(self, members: Sequence[Member]) -> None:
        """Once, before anything is asked: members report to `hear`, and so are made later than this."""
        self._members = tuple(members)

    def hear(self, number: int, status: Status) -> None:
        """How a member is, as it says itself."""
        self._told[number] = status
        if number == self._current:
            self._tell()

    @property
    def budgets(self) -> seam.Budgets:
        return self._members[self._current].budgets

    @property
    def trained_in(self) -> tuple[str, ...] | None:
        return self._members[self._current].trained_in

    async def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        """A completion from the first that gives one.

        Raises Interrupted for a text that broke off, and what the last one says when none gives any.
        """
        turns = self._turns()
        for turn, number in enumerate(turns):
            begun, is_last = False, turn == len(turns) - 1
            try:
                async with aclosing(self._watched(number, order, is_last)) as chunks:
                    async for chunk in chunks:
                        begun = begun or bool(chunk.text)
                        yield chunk
                self._works(number)
                return
            except BackendError as error:
                if isinstance(error, Refused) or (isinstance(error, Interrupted) and not error.gone):
                    raise  # another one would say the same; or it is not asked any more
                self._leave(number, str(error))
                if begun or order.background:
                    raise Interrupted(str(error), error.gone) from error
                if is_last:
                    raise

    async def dialect(self) -> None:
        """Wake the first that can be woken. Raises BackendError when none can."""
        for turn, number in enumerate(turns := self._turns()):
            try:
                await self._members[number].wake()
                return
            except Interrupted:
                raise
            except BackendError as error:
                self._leave(number, str(error))
                if turn == len(turns) - 1:
                    raise

    def close(self) -> None:
        for task in self._looking.values():
            task.cancel()
        for member in self._members:
            member.close()

    @property
    def _current(self) -> int:
        return self._turns()[0]

    def _turns(self) -> list[int]:
        """Whom to ask, the best first: those that were left are the last resort, in their order."""
        return sorted(range(len(self._members)), key=lambda it: it in self._faults)

    async def _watched(self, number: int, order: Order, is_last: bool) -> AsyncGenerator[Chunk]:
        """Its chunks. Raises BackendError when it falls silent and does not answer a question either."""
        member = self._members[number]
        async with aclosing(member.stream(order)) as chunks:
            while True:
                pending = asyncio.create_task(_next(chunks))
                try:
                    while not is_last and not pending.done():
                        await asyncio.wait({pending}, timeout=SILENT_SECONDS)
                        if not pending.done() and not await self._lives(member):
                            raise BackendError(f"No answer from the engine at {member.name}", gone=True)
                    chunk = await pending
                finally:
                    pending.cancel()
                    await asyncio.wait({pending})
                if chunk is None:
                    return
                yield chunk

    async def _lives(self, member: Member) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                return await member.lives()
        return False

    def _works(self, number: int) -> None:
        if self._faults.pop(number, None) is not None:
            self._tell()

    def _leave(self, number: int, fault: str) -> None:
        """Ask the others, and look again now and then."""
        self._faults[number] = fault
        looking = self._looking.get(number)
        if looking is None or looking.done():
            self._looking[number] = asyncio.create_task(self._look(number))
        self._tell()

    async def _look(self, number: int) -> None:
        while number in self._faults:
            await asyncio.sleep(RETRY_SECONDS)
            with suppress(BackendError):
                await self._members[number].wake()
                self._works(number)

    def _tell(self) -> None:
        """How the one is that answers; with what is wrong with those before it."""
        number = self._current
        status = self._told.get(number)
        if status is None or number in self._faults:  # whoever asked tells that none answers
            return
        left = [self._faults[it] for it in range(number) if it in self._faults]
        if left and status.state is not State.FAILED:
            names = ", ".join(self._members[it].name for it in range(number) if it in self._faults)
            status = replace(status, message=f"{status.message} Instead of {names}: {left[0]}".strip())
        self._report(status)


class Local:
    """The engine of this machine, as one of several."""

    name = "the engine of this machine"

    def __init__(self, resident: Resident) -> None:
        self._resident = resident

    @property
    def budgets(self) -> seam.Budgets:
        return self._resident.model.budgets or seam.SMALL

    @property
    def trained_in(self) -> tuple[str, ...] | None:
        return self._resident.model.trained_in

    def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        return self._resident.stream(order)

    async def wake(self) -> object:
        return await self._resident.backend()

    async def lives(self) -> bool:
        """It is watched by its own front."""
        return True

    def close(self) -> None:
        self._resident.rest()


async def _next(chunks: AsyncGenerator[Chunk]) -> Chunk | None:
    return await anext(chunks, None)
