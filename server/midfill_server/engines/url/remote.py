"""The server behind `url`: asked once what it is, then spoken to in its dialect."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from secrets import token_hex
from time import monotonic

from midfill_model import seam
from midfill_server.engines.backend import (
    Backend,
    BackendError,
    Chunk,
    Dialect,
    Interrupted,
    Later,
    Order,
    Refused,
)
from midfill_server.engines.http.connection import Address
from midfill_server.engines.http.route import USUAL_WAY, Way, without_login
from midfill_server.engines.status import State, Status
from midfill_server.engines.url import trial
from midfill_server.engines.url.dialect import dialect_for
from midfill_server.engines.url.found import SGLANG, UNKNOWN, Found
from midfill_server.engines.url.probe import probe, split_address

OF_A_SERVER = seam.LARGE._replace(context=1024)  # whose other files cost time, and perhaps money
LOOK_SECONDS = 60.0  # without an answer, until it is asked anew what it is
LOADING_SECONDS = 2.0  # between two looks at a server that loads its model
# Headers by which a router before several such engines finds the one that has a prompt's beginning cached:
# https://docs.sglang.ai/advanced_features/router.html. Other routers' are for the user to name.
AFFINITY = {SGLANG: "X-SMG-Routing-Key"}
TOO_LONG = re.compile(r"context|too long|maximum.{0,20}length|exceed", re.IGNORECASE)


class Remote:
    """A server of the user's choice. `report` hears of how it is, but for failures, which are raised.

    `no_key`: why no key is sent although one was meant, for servers that want one.
    """

    def __init__(
        self,
        url: str,
        model: str,
        key: str | None,
        dialect: str,
        report: Callable[[Status], None],
        no_key: str = "",
        way: Way = USUAL_WAY,
    ) -> None:
        bare, self._version = split_address(url)
        self._url, self._no_key = url, no_key
        self._set_model, self._set_dialect = model, dialect  # by the user; or auto
        self._backend = Backend(Address(bare, token=key, way=way), keep=True)
        self._report = report
        self._session = token_hex(8)  # of nobody: whoever keeps a prefix's cache is asked again
        self._found: Found | None = None
        self._dialect: Dialect | None = None
        self._search: asyncio.Task[Dialect] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._rest: tuple[float, Later] | None = None  # until when it wants to be left alone
        self._failed = False  # its last completion: then it is not ready because it says what it is
        self._heard = 0.0  # when it last answered

    @property
    def budgets(self) -> seam.Budgets:
        return (self._found and self._found.budgets) or OF_A_SERVER

    @property
    def trained_in(self) -> tuple[str, ...] | None:
        return self._found.trained_in if self._found else None

    @property
    def name(self) -> str:
        """For people: without a user's name and password."""
        return without_login(self._url)

    async def wake(self) -> object:
        return await self.dialect()

    async def lives(self) -> bool:
        """Whether it answers a small question, whatever it says."""
        with suppress(BackendError):
            await self._backend.ask("GET", f"{'' if self._version == '/beta' else self._version}/models")
            return True
        return False

    async def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        """A completion. A prompt that is too long is cut to what the server can take, once that is known.

        Raises BackendError.
        """
        for attempt in (1, 2):
            dialect = await self.dialect()
            begun = False
            try:
                async with aclosing(self._backend.stream(order, dialect)) as chunks:
                    async for chunk in chunks:
                        begun = begun or bool(chunk.text)
                        if begun:
                            self._works()
                        yield chunk
                self._works()
                return
            except Refused as error:
                if begun or attempt == 2 or not self._learns_context(str(error)):
                    raise self._told(error) from error
            except BackendError as error:
                raise self._told(error) from error

    async def dialect(self) -> Dialect:
        """How it is spoken to; asked for until it is known. Raises BackendError."""
        if self._rest is not None and monotonic() < self._rest[0]:
            raise self._rest[1]
        if self._dialect is not None:
            if monotonic() - self._heard > LOOK_SECONDS:
                self._look_again()
            return self._dialect
        if self._search is None or self._search.done():
            self._search = asyncio.create_task(self._find())
            self._search.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.shield(self._search)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if (me is not None and me.cancelling()) or not self._search.cancelled():
                raise
            raise Interrupted("The server is not asked any more") from None

    def close(self) -> None:
        """Hang up, and say nothing more."""
        for task in (self._search, self._watch):
            if task is not None:
                task.cancel()
        self._backend.close()

    async def _find(self) -> Dialect:
        try:
            found = await probe(
                self._backend.ask, self._url, self._version, self._set_model, self._set_dialect
            )
            if found.trap and self._set_dialect == "auto":
                raise BackendError(found.trap)
            if self._dialect is not None and self._is_the_same(found):
                self._heard = monotonic()
                return self._dialect
            dialect = dialect_for(found, self._backend.ask)
            if found.engine == UNKNOWN:
                await trial.check(self._backend, dialect, found.model)
        except BackendError as error:
            if error.gone and "it hung up" in str(error) and self._url.startswith("http://"):
                raise BackendError(f"{error}; if it wants TLS, write https://", gone=True) from error
            raise self._told(error) from error
        self._found, self._dialect, self._heard = found, dialect, monotonic()
        if header := AFFINITY.get(found.engine):
            self._backend.add_header(header, self._session)
        if not self._failed:
            self._tell_ready()
        return dialect

    def _is_the_same(self, found: Found) -> bool:
        """But for its context, which may have been learnt."""
        return self._found is not None and replace(found, context=self._found.context) == self._found

    def _works(self) -> None:
        self._heard = monotonic()
        if self._failed:
            self._failed = False
            self._tell_ready()

    def _tell_ready(self) -> None:
        if self._found is not None:
            self._report(Status(State.READY, f"{self._found.sentence()}.", model=self._found.name))

    def _learns_context(self, message: str) -> bool:
        """Whether a refusal was for the prompt's length, and a shorter one can be sent."""
        found = self._found
        if found is None or not TOO_LONG.search(message):
            return False
        sizes = [int(it) for it in re.findall(r"\d+", message) if 128 <= int(it) < 10_000_000]
        known = min(sizes, default=None)
        if found.context is not None and (known is None or known >= found.context):
            known = found.context * 3 // 4  # what it said of itself was too much
        context = known or OF_A_SERVER.prefix
        self._found = replace(found, context=context)
        self._dialect = dialect_for(self._found, self._backend.ask)
        return True

    def _told(self, error: BackendError) -> BackendError:
        """The failure as the user hears of it, and what follows from it."""
        if self._dialect is not None:
            self._failed = True
        if isinstance(error, Later):
            if error.seconds > 0:
                self._rest = monotonic() + error.seconds, error
            if error.loads:
                self._failed = False
                self._look_again()
        elif not isinstance(error, Interrupted) or error.gone:
            self._found = self._dialect = None  # what answers there next may be something else
        if self._no_key and re.search(r"\((401|403)\)", str(error)):
            return BackendError(f"{str(error).removesuffix('.')}; {self._no_key}")
        return error

    def _look_again(self) -> None:
        """Ask anew what it is: when it is ready after loading, or whether another model is served by now."""
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._find_again())

    async def _find_again(self) -> None:
        while True:
            try:
                await self._find()
                return
            except Later:
                await asyncio.sleep(LOADING_SECONDS)
            except BackendError:
                return
