"""The context of each open document: collected in a thread of its own, kept while the cursor stays nearby.

Keystrokes only look it up. A change of it costs the KV cache of the whole prompt, so it changes seldom.
One collection runs at a time and is never given up: a folder may hang for ever, and then only the context
waits for it. The thread is a daemon, so that not even the end of the process does.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from midfill_server.context.collect import Spot, collect
from midfill_server.context.files import Files, source_ending
from midfill_server.context.ignored import Excluded, innermost
from midfill_server.context.languages.names import language_of
from midfill_server.context.outline import HEAD_LINES

STEP = 8  # lines that the cursor may move before the context is collected anew
PATIENCE = 0.15  # seconds that a document's first request waits; later ones do with what is there
KEY_SECONDS = 0.02  # that a key has for itself, where something is known already
TURN_SECONDS = 0.0005  # so long the thread keeps Python's lock while a key wants it
MOST_LINES = 4_000  # of the cursor's file, before it and behind, that are looked into
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
    """One document's: what is known for which place, and what is wanted or being collected."""

    place: _Place | None = None
    blocks: dict[str, str] | None = None
    wanted: tuple[_Place, Spot] | None = None
    collecting: _Place | None = None
    collected: asyncio.Event = field(default_factory=asyncio.Event)
    waited: bool = False


class Surroundings:
    """What other files say about the places of one editor window. `roots` are its workspace's folders."""

    def __init__(self, roots: Sequence[Path] = (), report: Callable[[Exception], None] | None = None) -> None:
        self._report = report
        self._roots = tuple(roots)
        self._globs: tuple[str, ...] = ()
        self._look_anew()
        self._states: dict[str, _State] = {}
        self._edits: deque[tuple[Path, int]] = deque(maxlen=EDITS)
        self._n_elsewhere = 0
        self._collects = False

    def change_roots(self, added: Sequence[str], removed: Sequence[str]) -> None:
        """Folders, as URIs, came to the workspace or left it: of those nothing is told any more."""
        new, old = ([path for uri in uris if (path := path_of(uri))] for uris in (added, removed))
        self._roots = tuple(dict.fromkeys([*(root for root in self._roots if root not in old), *new]))
        self._look_anew()
        self._states.clear()

    def exclude(self, globs: tuple[str, ...]) -> None:
        """Tell nothing of files that these name."""
        if globs != self._globs:
            self._globs = globs
            self._look_anew()
            self._states.clear()

    def place_of(self, uri: str) -> tuple[PurePath, bool]:
        """A file's path from its workspace folder on, or the whole one; and whether it is excluded.

        Also of a file that was never saved, whose path may be a mere name.
        """
        path = path_of(uri) or Path()
        if (root := innermost(path, self._roots)) is None:
            path = _path_in(uri) or Path()
            root = innermost(path, self._roots)
        return path if root is None else path.relative_to(root), self._excluded.file(path)

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
        self._states.pop(uri, None)

    def serves(self, uri: str, line: int, budgets: tuple[int, int, int]) -> bool:
        """Whether what is known, or on its way, is good enough for a place."""
        if (state := self._states.get(uri)) is None:
            return False
        place = _Place(line, self._n_elsewhere, budgets)
        soon = state.wanted[0] if state.wanted else state.collecting
        return any(it is not None and it.serves(place) for it in (state.place, soon))

    def prepare(
        self,
        uri: str,
        line: int,
        window: tuple[str, str],
        budgets: tuple[int, int, int],
        documents: Mapping[str, Sequence[str]],
        languages: Mapping[str, str] | None = None,
    ) -> None:
        """Begin to collect for a place, unless that is done. `budgets`: prefix, suffix, context in tokens.

        `languages`: of documents whose names need not tell it, as LSP has it.
        """
        path = path_of(uri)
        if path is None or budgets[2] <= 0 or self.serves(uri, line, budgets):
            return
        state = self._states.setdefault(uri, _State())
        prefix, suffix = window
        seen = (line - prefix[-3 * budgets[0] :].count("\n"), line + suffix[: 3 * budgets[1]].count("\n"))
        paths = {name: it for name in _once(uri, documents) if (it := path_of(name)) is not None}
        told = {it: source_ending((languages or {}).get(name, "")) for name, it in paths.items()}
        start, own = max(0, line - MOST_LINES), documents.get(uri, ())
        spot = Spot(
            path=path,
            lines=own[start : line + MOST_LINES],
            start=start,
            top=own[:HEAD_LINES],
            prefix=prefix,
            suffix=suffix,
            seen=seen,
            budget=budgets[2],
            open={it: tuple(documents[name]) for name, it in paths.items() if it != path},
            edited=tuple(edit for edit in self._edits if edit[0] != path),
            order=tuple(state.blocks or ()),
            endings={it: ending for it, ending in told.items() if ending and it.name and not language_of(it)},
        )
        self._states[uri] = self._states.pop(uri)  # the last one is collected first
        state.wanted = _Place(line, self._n_elsewhere, budgets), spot
        if state.blocks is None:
            self._collect_next()
        else:  # what is known serves this key, so nothing takes Python's lock from it
            asyncio.get_running_loop().call_later(KEY_SECONDS, self._collect_next)

    def known(self, uri: str) -> bool:
        """Whether something was collected for a document, and nothing is being collected for it."""
        state = self._states.get(uri)
        return state is not None and state.blocks is not None and not (state.wanted or state.collecting)

    def told(self, uri: str) -> tuple[str, ...]:
        """The blocks of text that are there for a document by now."""
        state = self._states.get(uri)
        return tuple(state.blocks.values()) if state is not None and state.blocks else ()

    async def of(self, uri: str) -> tuple[str, ...]:
        """The blocks of text for a document, in the order of the prompt."""
        state = self._states.get(uri)
        if state is None:
            return ()
        if state.blocks is None and not state.waited:
            state.waited = True
            with suppress(TimeoutError):
                await asyncio.wait_for(state.collected.wait(), PATIENCE)
        return self.told(uri)

    def _look_anew(self) -> None:
        self._excluded = Excluded(self._globs, self._roots)
        self._files = Files(self._roots, self._excluded)

    def _collect_next(self) -> None:
        wanting = (state for state in reversed(self._states.values()) if state.wanted is not None)
        if self._collects or (state := next(wanting, None)) is None or state.wanted is None:
            return
        (state.collecting, spot), state.wanted = state.wanted, None
        self._collects = True
        sys.setswitchinterval(TURN_SECONDS)
        arguments = (state, spot, self._files, asyncio.get_running_loop())
        threading.Thread(target=self._collect, args=arguments, name="context", daemon=True).start()

    def _collect(self, state: _State, spot: Spot, files: Files, loop: asyncio.AbstractEventLoop) -> None:
        """In the thread."""
        error: Exception | None = None
        blocks: dict[str, str] = {}
        try:
            blocks = collect(spot, files)
        except Exception as it:  # context is a help, never a reason to fail
            error = it
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._collected, state, blocks, error)

    def _collected(self, state: _State, blocks: dict[str, str], error: Exception | None) -> None:
        self._collects = False
        state.place, state.collecting, state.blocks = state.collecting, None, blocks
        state.collected.set()
        if error is not None and self._report is not None:
            self._report(error)
        self._collect_next()


def path_of(uri: str) -> Path | None:
    """The file that a URI names; None where it has no path. A new file that has a place is at that place.

    What is no file of this machine has a path of its own, below its scheme and host, that is not absolute.
    """
    path = _path_in(uri)
    if path is None:
        return None
    scheme, host = urlsplit(uri).scheme, urlsplit(uri).netloc.rpartition("@")[2]
    if scheme in ("file", "") or (scheme == "untitled" and path.is_absolute()):
        return path
    return Path(f"{scheme}:", unquote(host), *path.parts[1 if path.is_absolute() else 0 :])


def _path_in(uri: str) -> Path | None:
    """The path in a URI of any scheme; None where it holds none."""
    try:
        text = os.fsdecode(unquote_to_bytes(urlsplit(uri).path))
    except ValueError:  # no address at all
        return None
    if not text or "\0" in text:
        return None
    return Path(text[1:] if len(text) > 2 and text[2] == ":" else text)


def _once(uri: str, documents: Iterable[str]) -> Iterator[str]:
    """Of documents with one and the same path one: an old revision of a file shall not stand beside it.

    The one that is asked about, else the file.
    """
    files = {_path_in(name) for name in documents if name[:5].lower() == "file:"}
    for name in documents:
        path = _path_in(name)
        if name == uri or (path != _path_in(uri) and (path not in files or name[:5].lower() == "file:")):
            yield name
