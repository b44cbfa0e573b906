"""`midfill replay FILE…`: a part of a real file is typed at human speed; what the screen showed is counted.

The file's later part stays below the cursor. After each key the editor asks for ghost text and cancels what
it asked before, as VS Code does. Every key is typed, and accepting is only counted, unless `press` is set.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from midfill_model.command_line import UsageError, refusal
from midfill_server.tools.evaluation.holes import LARGEST, SMALLEST, File, read
from midfill_server.tools.evaluation.replay.screen import Screen, next_word, right_words, useful
from midfill_server.tools.evaluation.replay.trace import Keystroke, Shown, Source, Trace
from midfill_server.tools.evaluation.replay.typist import keys, pause
from midfill_server.tools.evaluation.repository import Progress
from midfill_server.tools.evaluation.session import Session, Trial, position, session
from midfill_server.tools.evaluation.tap import Exchange
from midfill_server.tools.lsp_client import Pending

Unit = Literal["item", "word"]

EDITOR_WAIT = 0.05  # seconds between a key and the request, in VS Code
CLOSER = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}
TAIL = 200  # characters that tell where a prompt ends


@dataclass(frozen=True, slots=True)
class Manner:
    """How it is typed. `speed` 2 halves the pauses.

    `accept`: whether an item is taken whole, or also word by word; `press`: instead of only counting it.
    `whole`: all of each file, into an empty one, as the first day of a new folder; of `lines` otherwise.
    `pairs`: the editor closes brackets and quotes itself, and the typist types over what it put there.
    """

    lines: int = 30
    speed: float = 1.0
    accept: Unit = "item"
    press: bool = False
    seed: int = 1
    pairs: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What stands above, what is typed, and what stands below."""

    file: File
    above: str
    typed: str
    below: str


async def replay(
    paths: Sequence[Path], manner: Manner, trial: Trial, progress: Progress, log: IO[bytes] | None = None
) -> list[Trace]:
    """One trace for each file, one after the other. `log` gets what the server says on stderr.

    Raises UsageError and BackendError.
    """
    parts = [part(path, manner) for path in paths]
    total, traces = sum(len(it.typed) for it in parts), list[Trace]()
    with tempfile.TemporaryDirectory(prefix="midfill-") as new:
        root = Path(new) if manner.whole else parts[0].file.path.parent
        async with session(trial, root, log) as editor:
            for n, it in enumerate(parts):
                before = sum(len(earlier.typed) for earlier in parts[:n])
                path = root / it.file.path.name if manner.whole else it.file.path
                typing = Typing(editor, it, path, manner)
                traces.append(await typing.run(lambda typed, before=before: progress(before + typed, total)))  # type: ignore[misc]
                if manner.whole:  # saved: the later files know it
                    path.write_text(it.file.text, "utf-8")
    return traces


def part(path: Path, manner: Manner) -> Part:
    """`lines` lines from a random place on, with the line end before them. Raises UsageError."""
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; give files, such as {path / '*.py'}")
        path.stat()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {refusal(error)}") from error
    if (file := read(path)) is None:
        raise UsageError(f"{path} cannot be typed: use UTF-8 text of {SMALLEST:,} to {LARGEST:,} bytes")
    if manner.whole:
        return Part(file, "", file.text, "")
    ends = [n for n, character in enumerate(file.text) if character == "\n"]
    if len(ends) <= manner.lines:
        raise UsageError(f"{path} has {len(ends)} lines; give a longer file, or fewer --lines")
    first = random.Random(manner.seed).randrange(len(ends) - manner.lines)
    start, end = ends[first], ends[first + manner.lines]
    return Part(file, file.text[:start], file.text[start:end], file.text[end:])


class Typing:
    """One part of a file that is being typed."""

    def __init__(self, session: Session, part: Part, path: Path, manner: Manner) -> None:
        self._session, self._editor, self._part, self._manner = session, session.editor, part, manner
        self._uri = path.as_uri()
        self._screen = Screen(time.perf_counter)
        self._text = part.above  # up to the cursor
        self._closers = ""  # behind it, put there by the editor
        self._strokes: list[Keystroke] = []
        self._first_exchange = len(session.tap.exchanges)
        self._request: asyncio.Task[None] | None = None
        self._pending: Pending | None = None

    async def run(self, progress: Callable[[int], None]) -> Trace:
        """Type it all. Raises BackendError."""
        part, chance = self._part, random.Random(self._manner.seed)
        self._editor.open(self._uri, part.above + part.below, part.file.language)
        started = due = time.perf_counter()
        before, offset, n_saved, covered = "\n", 0, 0, 0
        while ahead := part.typed[offset:]:
            key = keys(ahead)[0]
            due += pause(before, key, chance) / self._manner.speed
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            stroke = Keystroke(self._shown(ahead), starts_line=before.startswith("\n"))
            taken, presses = self._accepted(ahead) if offset >= covered else ("", 0)
            if taken:
                covered = offset + len(taken)
                n_saved += len(keys(taken)) - presses
            before = taken if taken and self._manner.press else key
            self._press(before, stroke)
            offset += len(before)
            progress(offset)
        if self._request is not None:
            await self._session.or_gone(self._request)
        self._editor.notify("textDocument/didClose", {"textDocument": {"uri": self._uri}})
        self._session.check()
        seconds = time.perf_counter() - started
        name = part.file.path.name
        screen, n_keys = self._screen, len(keys(part.typed))
        return Trace(
            name,
            n_keys,
            n_saved,
            screen.episodes,
            seconds,
            self._strokes,
            self._exchanges(),
        )

    def _shown(self, ahead: str) -> Shown:
        text = self._screen.text
        if useful(text, ahead):
            return "line"
        if text and next_word(text) == next_word(ahead):
            return "word"
        return "wrong" if text else "nothing"

    def _accepted(self, ahead: str) -> tuple[str, int]:
        """What would be accepted now, and with how many keys."""
        if not self._screen.noticed:
            return "", 0
        offer, presses = useful(self._screen.text, ahead), 1
        if not offer and self._manner.accept == "word":
            words = right_words(self._screen.text, ahead)
            offer, presses = "".join(words), len(words)
        return (offer, presses) if len(keys(offer)) > presses else ("", 0)

    def _press(self, key: str, stroke: Keystroke) -> None:
        self._session.check()
        self._strokes.append(stroke)
        self._screen.typed(key)
        self._edit(key)
        self._stop_asking()
        self._text += key
        self._request = asyncio.create_task(self._ask(stroke))

    def _edit(self, key: str) -> None:
        """What the editor makes of a key. A line end takes away closers that were not typed over yet."""
        line, character = position(self._text, len(self._text))
        over, closer = 0, ""
        if key == self._closers[:1] or key.startswith("\n"):
            over = 1 if key == self._closers[:1] else len(self._closers)
        elif self._manner.pairs and key in CLOSER and not (key in "\"'" and self._text[-1:].isalnum()):
            closer = CLOSER[key]
        self._closers = closer + self._closers[over:]
        start, end = {"line": line, "character": character}, {"line": line, "character": character + over}
        self._editor.change(self._uri, {"range": {"start": start, "end": end}, "text": key + closer})

    def _stop_asking(self) -> None:
        if self._request is None:
            return
        if self._request.done():
            self._request.result()  # raises what went wrong
            return
        self._request.cancel()
        if self._pending is not None:
            self._pending.cancel()

    async def _ask(self, stroke: Keystroke) -> None:
        self._pending = None
        await asyncio.sleep(EDITOR_WAIT)
        text, asked = self._text, time.perf_counter()

        def show(shown: str) -> None:
            if shown and stroke.first is None:
                stroke.first = time.perf_counter() - asked
            self._show(shown, text)

        self._pending = self._editor.complete(
            self._uri, *position(text, len(text)), explicit=False, grow=show
        )
        stroke.source = "superseded"
        show(await self._pending.text())
        now = time.perf_counter()
        stroke.source, stroke.latency = self._source(asked, now), now - asked

    def _show(self, shown: str, asked_at: str) -> None:
        if asked_at is self._text:  # the user has not typed on
            self._screen.show(shown)

    def _source(self, asked: float, answered: float) -> Source:
        """From which generations were under way meanwhile, those for text ahead of the cursor aside."""
        recent = self._text[-20 * TAIL :]
        under_way = [
            it
            for it in self._exchanges()
            if it.started < answered and (it.ended or answered) > asked and it.prefix[-TAIL:] in recent
        ]
        if not under_way:
            return "known"
        return "asked" if under_way[-1].started >= asked else "joined"

    def _exchanges(self) -> list[Exchange]:
        return self._session.tap.exchanges[self._first_exchange :]
