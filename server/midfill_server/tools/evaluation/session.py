"""An editor with the real server, the server's engine behind a tap: what every evaluation asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from midfill_model import seam
from midfill_server.engines.backend import BackendError
from midfill_server.tools.evaluation.tap import Exchange, Tap, tap
from midfill_server.tools.lsp_client import Editor
from midfill_server.tools.private_engine import private_engine

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trial:
    """What is evaluated: a model and the user's settings, by their keys in editors."""

    model: str = "demo"
    settings: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion at a place; times as of time.perf_counter."""

    text: str
    asked: float
    first: float | None  # the first text, or None when there was none
    answered: float
    exchange: Exchange | None
    """The generation that it came from; None when the server knew the answer."""


class Session:
    """One editor window. `name` tells which model the engine runs."""

    def __init__(self, editor: Editor, tap: Tap, name: str) -> None:
        self.editor, self.tap, self.name = editor, tap, name

    async def ask(self, path: Path, text: str, offset: int, language: str = "") -> Answer:
        """Open a file with `text` in it (\\n line ends), and ask as typing does. Raises BackendError."""
        uri, n_before = path.as_uri(), len(self.tap.exchanges)
        line, column = position(text, offset)
        shown: list[float] = []
        self.editor.open(uri, text, language)
        asked = time.perf_counter()
        pending = self.editor.complete(
            uri, line, column, explicit=False, grow=lambda _: shown.append(time.perf_counter())
        )
        item = await self.or_gone(pending.text())
        answered = time.perf_counter()
        exchange = next(iter(self.tap.exchanges[n_before:]), None)
        if exchange is not None:  # what is beyond the cut is looked at, too
            await self.or_gone(exchange.over.wait())
        self.editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        self.check()
        first = shown[0] if shown else answered if item else None
        return Answer(item, asked, first, answered, exchange)

    def check(self) -> None:
        """Raises BackendError when the engine is gone, or the server has said that it fails."""
        if self.tap.engine_gone.is_set():
            raise BackendError("The engine stopped while it was measured; what it measured so far is lost")
        states = [it["params"] for it in self.editor.notifications if it["method"] == "midfill/statusChanged"]
        if states and states[-1]["state"] == "failed":
            raise BackendError(states[-1]["message"])

    async def or_gone(self, answer: Awaitable[T]) -> T:
        """The answer, or BackendError when the engine dies before it: the server would wait for another."""
        wanted = asyncio.ensure_future(answer)
        gone = asyncio.ensure_future(self.tap.engine_gone.wait())
        try:
            await asyncio.wait([wanted, gone], return_when=asyncio.FIRST_COMPLETED)
            self.check()
            return await wanted
        finally:
            wanted.cancel()
            gone.cancel()


@asynccontextmanager
async def session(
    trial: Trial, root: Path | None = None, log: IO[bytes] | None = None
) -> AsyncGenerator[Session]:
    """A new engine, a tap, a server and an editor with the workspace `root`. Raises BackendError."""
    async with private_engine(trial.model):
        folder = seam.runtime_folder()
        card = seam.read_card(folder)
        if card is None:
            raise BackendError("The engine was ready and is gone")
        behind = {"MIDFILL_RUNTIME_DIR": str(folder / "tap")}
        async with tap(card, folder / "tap") as it, Editor(environment=behind, log=log) as editor:
            options = {"model": trial.model, "statistics": False} | dict(trial.settings or {})
            await editor.initialize(options, root=root)
            yield Session(editor, it, card.model or "")


def position(text: str, offset: int) -> tuple[int, int]:
    """(line, character) of an offset in a text with \\n line ends."""
    return text.count("\n", 0, offset), offset - text.rfind("\n", 0, offset) - 1
