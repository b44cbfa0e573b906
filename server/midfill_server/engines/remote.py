"""The server behind `url`: asked once what it is, then spoken to in its dialect."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from secrets import token_hex
from time import monotonic
from urllib.parse import urlsplit

from midfill_model import seam
from midfill_model.fim import FAMILIES
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
from midfill_server.engines.dialects.ids import Ids
from midfill_server.engines.dialects.infill import Infill
from midfill_server.engines.dialects.midfill import Midfill
from midfill_server.engines.dialects.mistral import Mistral
from midfill_server.engines.dialects.ollama import CONTEXT, Ollama
from midfill_server.engines.dialects.probe import (
    LLAMA_CPP,
    SGLANG,
    UNKNOWN,
    Found,
    probe,
    split_address,
    tokenizer,
)
from midfill_server.engines.dialects.rendered import Rendered
from midfill_server.engines.dialects.suffix import Suffix
from midfill_server.engines.http.connection import Address
from midfill_server.engines.http.route import USUAL_WAY, Way
from midfill_server.engines.status import State, Status

OF_A_SERVER = seam.LARGE._replace(context=1024)  # whose other files cost time, and perhaps money
LOOK_SECONDS = 60.0  # without an answer, until it is asked anew what it is
LOADING_SECONDS = 2.0  # between two looks at a server that loads its model
TRIAL = Order("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", max_tokens=8)
# Headers by which a router before several such engines finds the one that has a prompt's beginning cached:
# https://docs.sglang.ai/advanced_features/router.html. Other routers' are for the user to name.
AFFINITY = {SGLANG: "X-SMG-Routing-Key"}
TOO_LONG = re.compile(r"context|too long|maximum.{0,20}length|exceed", re.IGNORECASE)
PROSE = re.compile(
    r"```|^\s*(sure|certainly|of course|here('s| is| are)|the (code|function|missing))\b", re.IGNORECASE
)


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
        self._url, self._model, self._wanted, self._no_key = url, model, dialect, no_key
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
        parts = urlsplit(self._url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

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
            found = await probe(self._backend.ask, self._url, self._version, self._model, self._wanted)
            if found.trap and self._wanted == "auto":
                raise BackendError(found.trap)
            if self._dialect is not None and self._is_the_same(found):
                self._heard = monotonic()
                return self._dialect
            dialect = self._made(found)
            if found.engine == UNKNOWN:
                await self._try(found, dialect)
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

    def _made(self, found: Found) -> Dialect:
        """Raises BackendError for what this server cannot do."""
        model, version, context = found.model, found.version, found.context
        match found.dialect:
            case "midfill":
                return Midfill(model, version)
            case "suffix":
                return Suffix(model, version, context=context, family=found.family)
            case "mistral":
                return Mistral(model, version, context=context, family=found.family)
            case "infill":
                return Infill(context)
            case "ollama":
                return Ollama(
                    model or "", CONTEXT if context is None else min(context, CONTEXT), found.family
                )
            case "ids":
                return self._ids(found)
        if found.family is None:
            raise BackendError(
                f"Midfill does not know how the model {model} marks the place to fill in: "
                'set midfill.dialect to "suffix" if the server does that, or serve a model that it knows, '
                "such as DeepSeek-Coder or Qwen2.5-Coder"
            )
        return Rendered(model, version, family=found.family, context=context)

    def _ids(self, found: Found) -> Dialect:
        family, signs = found.family, found.signs
        if family is None or signs is None:
            raise BackendError(
                f"{found.engine} has no tokenizer to ask, or its model {found.model} has no signs for "
                "filling in the middle: set midfill.dialect to auto"
            )
        ask, is_llama = tokenizer(self._backend.ask, found.engine, found.model), found.engine == LLAMA_CPP

        async def tokenize(text: str) -> list[int]:
            ids = await ask(text if is_llama else family.neutral(text), False) if text else []
            if ids is None:
                raise BackendError(f"{found.engine} does not tokenize any more: restart it")
            return ids

        return Ids(
            found.model,
            found.version,
            tokenize=tokenize,
            family=family,
            signs=signs,
            context=found.context,
            tells_progress=is_llama,
        )

    async def _try(self, found: Found, dialect: Dialect) -> None:
        """Let an unknown server fill in an easy place. BackendError for prose, or an ignored suffix."""
        counts, text = [], ""
        for order in (TRIAL, replace(TRIAL, suffix=TRIAL.suffix * 9)):
            asked = replace(dialect, counts=True) if isinstance(dialect, Suffix) else dialect
            chunks = [chunk async for chunk in self._backend.stream(order, asked)]
            text = "".join(chunk.text for chunk in chunks)
            if PROSE.search(text) or any(sign in text for it in FAMILIES for sign in it.signs):
                raise BackendError(
                    f"The model {found.model} answers in prose or in signs, and does not fill in the middle: "
                    "serve a base model that was trained for it, or set midfill.dialect"
                )
            counts += [
                chunk.timings["prompt_tokens"] for chunk in chunks if "prompt_tokens" in chunk.timings
            ][-1:]
            if not isinstance(dialect, Suffix):
                return
        if len(counts) == 2 and counts[0] == counts[1]:
            raise BackendError(
                "The server ignores the text behind the cursor, and Midfill does not know how the model "
                f"{found.model} marks the place to fill in: serve a model that it knows, such as "
                "DeepSeek-Coder or Qwen2.5-Coder"
            )

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
        self._dialect = self._made(self._found)
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
            self._watch = asyncio.create_task(self._until_loaded())

    async def _until_loaded(self) -> None:
        while True:
            try:
                await self._find()
                return
            except Later:
                await asyncio.sleep(LOADING_SECONDS)
            except BackendError:
                return
