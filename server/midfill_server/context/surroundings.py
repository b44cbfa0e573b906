"""The context of each open document: collected in a worker thread, kept while the cursor stays about there.

Keystrokes only look it up. A change of it costs the KV cache of the whole prompt, so it changes seldom.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from midfill_server.context.collect import Spot, collect
from midfill_server.context.files import Files

STEP = 8  # lines that the cursor may move before the context is collected anew
PATIENCE = 0.15  # seconds that a document's first request waits; later ones do with what is there
EDITS = 4  # places in other files that are remembered


@dataclass(frozen=True, slots=True)
class _Place:
    """What a context was collected for."""

    line: int
    n_elsewhere: int
    budgets: tuple[int, int, int]

    def serves(self, other: _Place) -> bool:
        """Whether `other` is near enough, and nothing else has changed."""
        return abs(self.line - other.line) < STEP and self == replace(other, line=self.line)


@dataclass(slots=True)
class _State:
    """One document's: what is known for which place, and what is being collected."""

    place: _Place | None = None
    blocks: dict[str, str] | None = None
    pending: asyncio.Task[None] | None = None
    pending_place: _Place | None = None


class Surroundings:
    """What other files say about the places of one editor window. `roots` are its workspace's folders."""

    def __init__(self, roots: Sequence[Path] = (), report: Callable[[Exception], None] | None = None) -> None:
        self._report = report
        self._files = Files(tuple(roots))
        self._states: dict[str, _State] = {}
        self._edits: deque[tuple[Path, int]] = deque(maxlen=EDITS)
        self._n_elsewhere = 0
        self._collecting = asyncio.Lock()

    def edited(self, uri: str, line: int) -> None:
        """Somebody typed in a document."""
        path = path_of(uri)
        if path is None:
            return
        if self._edits and self._edits[0][0] == path and abs(self._edits[0][1] - line) < STEP:
            self._edits[0] = (path, line)
            return
        if not self._edits or self._edits[0][0] != path:
            self._n_elsewhere += 1
        self._edits.appendleft((path, line))

    def closed(self, uri: str) -> None:
        """Nothing that was collected for a document outlives it."""
        state = self._states.pop(uri, None)
        if state is not None and state.pending is not None:
            state.pending.cancel()

    def prepare(
        self,
        uri: str,
        line: int,
        window: tuple[str, str],
        budgets: tuple[int, int, int],
        documents: Mapping[str, Sequence[str]],
    ) -> None:
        """Begin to collect for a place, unless that is done. `budgets`: prefix, suffix, context in tokens."""
        path = path_of(uri)
        if path is None or budgets[2] <= 0:
            return
        state = self._states.setdefault(uri, _State())
        place = _Place(line, self._n_elsewhere, budgets)
        if any(it is not None and it.serves(place) for it in (state.place, state.pending_place)):
            return
        if state.pending is not None:
            state.pending.cancel()
        prefix, suffix = window
        seen = (line - prefix[-3 * budgets[0] :].count("\n"), line + suffix[: 3 * budgets[1]].count("\n"))
        others = {it: lines for name, lines in documents.items() if (it := path_of(name)) and it != path}
        spot = Spot(
            path=path,
            lines=list(documents.get(uri, ())),
            prefix=prefix,
            suffix=suffix,
            seen=seen,
            budget=budgets[2],
            open={it: list(lines) for it, lines in others.items()},
            edited=tuple(edit for edit in self._edits if edit[0] != path),
            order=tuple(state.blocks or ()),
        )
        state.pending_place = place
        state.pending = asyncio.create_task(self._collect(state, place, spot))

    async def of(self, uri: str) -> tuple[str, ...]:
        """The blocks of text for a document, in the order of the prompt."""
        state = self._states.get(uri)
        if state is None:
            return ()
        if state.blocks is None and state.pending is not None:
            await asyncio.wait([state.pending], timeout=PATIENCE)
        return tuple((state.blocks or {}).values())

    async def _collect(self, state: _State, place: _Place, spot: Spot) -> None:
        try:
            async with self._collecting:  # the files are one thread's at a time
                blocks = await asyncio.shield(asyncio.to_thread(collect, spot, self._files))
        except Exception as error:  # context is a help, never a reason to fail
            if self._report is not None:
                self._report(error)
            blocks = {}
        state.place, state.blocks = place, blocks


def path_of(uri: str) -> Path | None:
    """The file of a `file:` URI; None for what is no file."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or not parts.path:
        return None
    text = unquote(parts.path)
    return Path(text[1:] if len(text) > 2 and text[2] == ":" else text)
