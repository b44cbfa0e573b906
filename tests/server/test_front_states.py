"""The whole front in one process, whatever order things happen in, the engine's life among them.

Messages go in and come out as JSON; the engine is a real socket with a real lock and card, in the same loop,
whose time is its own. While there is none, another window is at starting one (it holds the start lock), so no
process is started. Some documents are cells of a notebook. `test_desk.py` looks at the desk alone, more
closely.
"""

import asyncio
import json
import os
import selectors
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from midfill_model import seam
from midfill_server.app import Server

from .engines.server import READY, Peer, event
from .keystroke.conftest import Loop, OwnTime
from .notebook import Notebook

Json = dict[str, Any]
T = TypeVar("T")

LINE = "alpha + beta + gamma"
"""What the engine wants each document's line to be, wherever the cursor is in it."""
FILES = "untitled:a", "untitled:b"
CELLS = "cell:c", "cell:d", "cell:e"
URIS = FILES + CELLS
SUPERSEDED = -32800
A_WHILE = 0.3  # seconds, in which all follows from an act that does not wait for a clock
AT_ONCE = 0.001  # and all that does not wait at all
LONG = 150.0  # seconds, in which the last of the front's own clocks has run out


class Jumping(OwnTime):
    """After a number of looks for news the time is suddenly another one, as where the machine has slept."""

    looks, seconds = 0, 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.looks -= 1
        if self.looks == 0:
            self.now += self.seconds
        return super().select(timeout)


class OneThread(Loop):
    """What is given to a thread is done at once: a thread's time is not the loop's."""

    def __init__(self) -> None:
        self.own_time = self._own_time = Jumping()
        asyncio.SelectorEventLoop.__init__(self, self._own_time)

    def jump(self, seconds: float, looks: int) -> None:
        self.own_time.seconds, self.own_time.looks = seconds, looks

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        done: asyncio.Future[T] = self.create_future()
        done.set_result(func(*args))
        return done


@dataclass(eq=False)
class Generation:
    """One completion that the engine was asked for, until it has ended or its client has hung up."""

    peer: Peer
    uri: str
    before: str
    """In its line."""
    prompt: str
    n_written: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def whole(self) -> str:
        return LINE[len(self.before) :] + "\n" if LINE.startswith(self.before) else "other\n"

    async def write(self, n: int) -> None:
        text = self.whole[self.n_written : self.n_written + n]
        self.n_written += n
        await self.send(event(text))

    async def end(self, finish: str) -> None:
        if finish == "stop":
            await self.write(len(self.whole))
        await self.send(event("", finish), last=True)

    async def fail(self) -> None:
        await self.send(b'data: {"error": {"message": "It is broken."}}\n\n', last=True)

    async def send(self, said: bytes, last: bool = False) -> None:
        with suppress(ConnectionError):  # nobody listens any more
            await self.peer.part(said)
            if last:
                await self.peer.end()
        if last:
            self.over.set()


async def _end_of(peer: Peer) -> None:
    with suppress(ConnectionError):
        await peer.reader.read()


class Engine:
    """One engine's life at the seam. Unless it `moves` it says nothing, as one that is stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.held = ExitStack()
        self.peers: set[Peer] = set()
        self.live: list[Generation] = []
        self.last: Generation | None = None
        self.moves = asyncio.Event()
        self.moves.set()
        self.loaded = asyncio.Event()
        self.writes_by_itself = True
        self.is_gone = False

    async def start(self) -> None:
        self.held.enter_context(seam.engine_lock(self.folder))
        path = self.folder / seam.SOCKET
        path.unlink(missing_ok=True)
        self.listening = await asyncio.start_unix_server(self.serve, str(path))
        card = seam.Card(os.getpid(), "http://localhost", str(path), model="demo")
        self.card = ExitStack()
        self.card.enter_context(seam.card_in(self.folder, card))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.add(peer)
        try:
            first, _, body = await peer.request()
            await self.moves.wait()
            if first.startswith("GET"):
                await peer.json(READY if self.loaded.is_set() else READY | {"status": "loading"})
            elif first.startswith("POST /v1/completions"):
                await self.loaded.wait()
                if self.is_gone:
                    raise ConnectionError
                await self.complete(peer, json.loads(body))
            else:
                await peer.json({"status": "stopping"})
                await self.stop()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.peers.discard(peer)
            writer.transport.abort()

    async def complete(self, peer: Peer, body: Json) -> None:
        prompt = str(body["prompt"])
        generation = Generation(peer, str(body["slot"]).partition(" ")[2], prompt.rpartition("\n")[2], prompt)
        await peer.head()
        self.live.append(generation)
        self.last = generation
        hung_up, over = (
            asyncio.ensure_future(peer.reader.read()),
            asyncio.ensure_future(generation.over.wait()),
        )
        try:
            if self.writes_by_itself:
                await generation.end("stop")
            await asyncio.wait([hung_up, over], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.live.remove(generation)
            hung_up.cancel()
            over.cancel()

    async def stop(self) -> None:
        """In order: what is under way ends as cancelled, and the card goes."""
        for it in list(self.live):
            await it.end("cancelled")
        self.card.close()
        self.vanish()

    def die(self) -> None:
        """As SIGKILL: connections break, card and socket stay and lead nowhere."""
        self.card.pop_all()
        self.vanish()

    def vanish(self) -> None:
        if not self.is_gone:
            self.is_gone = True
            self.moves.set()  # nothing of it waits any more
            self.loaded.set()
            self.listening.close()
            for peer in list(self.peers):
                peer.writer.transport.abort()
            self.held.close()


@dataclass
class Document:
    """As the editor has it: one line, of what was typed."""

    text: str = ""
    version: int = 1
    is_open: bool = True
    on_screen: str = ""


@dataclass
class Request:
    """What was asked, and where; `answers`: with the version that the editor had when each came."""

    uri: str
    version: int
    before: str
    answers: list[tuple[Json, int]] = field(default_factory=list)
    cancelled: bool = False


class Front(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = OneThread()
        asyncio.set_event_loop(self.loop)
        self.held, self.patch = ExitStack(), pytest.MonkeyPatch()
        self.folder = Path(tempfile.mkdtemp(prefix="midfill-"))  # short: a socket's path is
        for name in ("RUNTIME", "STATE", "CACHE"):
            place = self.folder / name
            place.mkdir(mode=0o700)
            self.patch.setenv(f"MIDFILL_{name}_DIR", str(place))
        self.runtime = self.folder / "RUNTIME"
        self.documents = {uri: Document() for uri in URIS}
        self.notebook = Notebook("untitled:n.ipynb", self.say)
        for module in ("midfill_server.engines.failures", "midfill_model.seam.lock"):
            self.patch.setattr(f"{module}.time", SimpleNamespace(monotonic=self.loop.time))
        self.requests: dict[int, Request] = {}
        self.messages: list[str] = []
        self.engine: Engine | None = None
        self.did_stand_still = False
        self.debounce = 0
        self.held.enter_context(seam.start_lock(self.runtime))
        self.patch.setattr("midfill_model.seam.lock.START_SILENCE", float("inf"))  # that window is well
        self.run(self._begin)

    async def _begin(self) -> None:
        await self._start_engine()
        self.server = Server()
        self.server.protocol.set_writer(self, include_headers=False)
        capabilities: Json = {"textDocument": {"inlineCompletion": {}}}
        self.say("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities}, 0)
        self.say("initialized", {})
        self._settings()
        for uri in FILES:
            self._open(uri)
        self._open_notebook()

    def run(self, act: Callable[[], object], seconds: float = A_WHILE) -> None:
        """Do it in the loop, and let everything happen that follows from it."""

        async def settled() -> None:
            outcome = act()
            if asyncio.iscoroutine(outcome):
                await cast(Awaitable[object], outcome)
            await asyncio.sleep(seconds)
            await asyncio.sleep(AT_ONCE)  # if the time has jumped in the middle of that one

        self.loop.run_until_complete(settled())

    def say(self, method: str, params: Any, number: int | None = None) -> None:
        told = {"jsonrpc": "2.0", "method": method, "params": params}
        self.server.protocol.handle_message(told if number is None else told | {"id": number})

    def write(self, raw: bytes) -> None:
        """The server's messages, as an editor reads them."""
        message = json.loads(raw)
        if message.get("method") == "window/showMessage":
            self.messages.append(message["params"]["message"])
        if "method" not in message and (request := self.requests.get(message["id"])) is not None:
            request.answers.append((message, self.documents[request.uri].version))

    def close(self) -> None:
        """As a writer."""

    def _open(self, uri: str) -> None:
        item = self._item(uri)
        if uri not in CELLS:
            return self.say("textDocument/didOpen", {"textDocument": item})
        if self.notebook.is_open:
            return self.notebook.insert(self.documents[uri].version % (len(self.notebook.cells) + 1), item)
        return self.notebook.open([item])

    def _open_notebook(self) -> None:
        self.notebook.open([self._item(uri) for uri in CELLS])

    def _item(self, uri: str) -> Json:
        document = self.documents[uri]
        document.is_open = True
        return {"uri": uri, "languageId": "plaintext", "version": document.version, "text": document.text}

    def _close(self, uri: str) -> None:
        self._is_closed(uri)
        if uri in CELLS:
            return self.notebook.remove(uri)
        return self.say("textDocument/didClose", {"textDocument": {"uri": uri}})

    def _is_closed(self, uri: str) -> None:
        document = self.documents[uri]
        document.is_open, document.text = False, ""
        document.version += 1

    def _settings(self) -> None:
        options: Json = {"debounceMs": self.debounce, "context": False, "statistics": False, "confidence": 0}
        options |= {"languages": {"plaintext": True}}
        self.say("workspace/didChangeConfiguration", {"settings": options})

    def _type(self, uri: str, start: int, end: int, new: str) -> None:
        document = self.documents[uri]
        document.text = document.text[:start] + new + document.text[end:]
        document.version += 1
        place = {"start": {"line": 0, "character": start}, "end": {"line": 0, "character": end}}
        changes = [{"range": place, "text": new}]
        if uri in CELLS:
            return self.notebook.type(uri, document.version, changes)
        told = {"uri": uri, "version": document.version}
        return self.say("textDocument/didChange", {"textDocument": told, "contentChanges": changes})

    async def _start_engine(self, loads: bool = False) -> None:
        if self.engine is None or self.engine.is_gone:
            self.engine = Engine(self.runtime)
            await self.engine.start()
        if not loads:
            self.engine.loaded.set()

    @property
    def live(self) -> list[Generation]:
        return self.engine.live if self.engine is not None and not self.engine.is_gone else []

    @property
    def open_documents(self) -> list[str]:
        return [uri for uri, it in self.documents.items() if it.is_open]

    def pending(self) -> list[int]:
        return [number for number, it in self.requests.items() if not it.answers]

    uris = st.sampled_from(URIS)

    @rule(uri=uris, key=st.sampled_from(["along", "along", "along", "else", "back"]))
    def types(self, uri: str, key: str) -> None:
        if not (document := self.documents[uri]).is_open:
            return
        n, text = len(document.text), document.text
        along = LINE[n : n + 1] if LINE.startswith(text) else "x"
        if key == "back":
            self.run(lambda: self._type(uri, max(0, n - 1), n, ""))
        else:
            self.run(lambda: self._type(uri, n, n, along if key == "along" else "?"))

    @rule(uri=uris, explicit=st.booleans(), seconds=st.sampled_from([AT_ONCE, A_WHILE]))
    def asks(self, uri: str, explicit: bool, seconds: float) -> None:
        """`seconds`: until the next thing happens."""
        number, document = len(self.requests) + 1, self.documents[uri]
        self.requests[number] = Request(uri, document.version, document.text)
        params = {
            "textDocument": {"uri": uri},
            "position": {"line": 0, "character": len(document.text)},
            "context": {"triggerKind": 1 if explicit else 2},
        }
        self.run(lambda: self.say("textDocument/inlineCompletion", params, number), seconds)

    @rule(uri=uris, explicit=st.booleans(), seconds=st.sampled_from([AT_ONCE, AT_ONCE, A_WHILE]))
    def types_along_and_asks(self, uri: str, explicit: bool, seconds: float) -> None:
        """As most people do most of the time."""
        self.types(uri, "along")
        self.asks(uri, explicit, seconds)

    @precondition(lambda self: self.pending())
    @rule()
    def cancels(self) -> None:
        number = self.pending()[-1]
        self.requests[number].cancelled = True
        self.run(lambda: self.say("$/cancelRequest", {"id": number}))

    @rule(uri=uris)
    def accepts(self, uri: str) -> None:
        """What was answered last, if it was for the text that stands there."""
        document = self.documents[uri]
        mine = [it for it in self.requests.values() if it.uri == uri and it.version == document.version]
        if document.is_open and (texts := [text for it in mine for text in texts_of(it)]):
            n = len(document.text)
            self.run(lambda: self._type(uri, n, n, texts[-1]))

    @rule(uri=uris)
    def closes_or_opens(self, uri: str) -> None:
        self.run(lambda: self._close(uri) if self.documents[uri].is_open else self._open(uri))

    @rule()
    def closes_or_opens_the_notebook(self) -> None:
        if not self.notebook.is_open:
            return self.run(self._open_notebook)
        for uri in self.notebook.cells:
            self._is_closed(uri)
        return self.run(self.notebook.close)

    @rule(uri=st.sampled_from(CELLS), place=st.integers(0, 2), first_away=st.booleans())
    def moves_a_cell(self, uri: str, place: int, first_away: bool) -> None:
        if uri in self.notebook.cells:
            self.run(lambda: self.notebook.move(uri, place, first_away))

    @rule(debounce=st.sampled_from([0, 75]))
    def changes_settings(self, debounce: int) -> None:
        self.debounce = debounce
        self.run(self._settings)

    @rule(method=st.sampled_from(["midfill/pause", "midfill/resume"]))
    def pauses_this_window(self, method: str) -> None:
        self.run(lambda: self.say(method, None, -1))

    @rule()
    def pauses_or_resumes_all(self) -> None:
        self.run(lambda: seam.resume(self.runtime) or seam.pause(self.runtime))

    @rule(n=st.integers(1, 30))
    def the_engine_writes(self, n: int) -> None:
        for it in list(self.live):
            self.run(partial(it.write, n))

    @rule(finish=st.sampled_from(["stop", "stop", "length", "cancelled", "failed"]))
    def the_engine_ends_one(self, finish: str) -> None:
        for it in self.live[:1]:
            self.run(it.fail if finish == "failed" else partial(it.end, finish))

    @rule(how=st.sampled_from(["dies", "stops"]), seconds=st.sampled_from([AT_ONCE, A_WHILE]))
    def the_engine_leaves(self, how: str, seconds: float) -> None:
        if self.engine is not None and not self.engine.is_gone:
            self.engine.moves.set()
            self.run(self.engine.die if how == "dies" else self.engine.stop, seconds)

    @rule()
    def the_engine_writes_by_itself_or_waits(self) -> None:
        if self.engine is not None:
            self.engine.writes_by_itself = not self.engine.writes_by_itself

    @rule(loads=st.booleans())
    def another_engine_starts_or_has_loaded(self, loads: bool) -> None:
        self.run(partial(self._start_engine, loads))

    @rule()
    def the_engine_stands_still_or_moves(self) -> None:
        if self.engine is not None:
            moves, self.did_stand_still = self.engine.moves, True
            self.run(moves.clear if moves.is_set() else moves.set)

    @rule(seconds=st.sampled_from([0.5, 12.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.run(lambda: None, seconds)

    @rule(seconds=st.sampled_from([7.0, 25.0, 3_600.0, 1e6]), looks=st.integers(1, 40))
    def the_machine_sleeps(self, seconds: float, looks: int) -> None:
        """In the middle of what happens next; each clock that goes on meanwhile has then jumped."""
        self.loop.jump(seconds, looks)

    @invariant()
    def each_request_has_at_most_one_answer_and_each_document_one_that_waits(self) -> None:
        assert all(len(it.answers) <= 1 for it in self.requests.values())
        waiting = [self.requests[number].uri for number in self.pending()]
        assert len(waiting) == len(set(waiting))
        assert not any(self.requests[number].cancelled for number in self.pending())

    @invariant()
    def no_text_is_for_a_version_that_is_gone_and_each_is_whole(self) -> None:
        for it in self.requests.values():
            for message, version in it.answers:
                if "error" in message:
                    assert message["error"]["code"] == SUPERSEDED
                for text in texts_of(it):
                    assert version == it.version
                    rest = LINE[len(it.before) :] if LINE.startswith(it.before) else "other"
                    assert rest.startswith(text)

    @invariant()
    def no_generation_but_one_for_each_open_document(self) -> None:
        uris = [it.uri for it in self.live]
        assert len(uris) == len(set(uris))
        assert set(uris) <= set(self.open_documents)

    @invariant()
    def nobody_is_told_of_what_heals(self) -> None:
        told = [it for it in self.messages if "It is broken" not in it]
        assert len(self.messages) == len(set(self.messages))
        assert not told or self.did_stand_still, told

    def teardown(self) -> None:
        try:
            self.loop.jump(0.0, 0)
            self.run(self._everything_is_well)
            assert self.pending() == []
            for uri in URIS:  # another text in each: what stands in a cell is not offered in the next
                if not self.documents[uri].is_open:
                    self.closes_or_opens(uri)
                self.run(partial(self._type, uri, 0, len(self.documents[uri].text), uri))
            for uri in (FILES[0], self.notebook.cells[-1]):
                self._is_answered(uri)
            above = [self.documents[uri].text for uri in self.notebook.cells[:-1]]
            assert self.engine is not None and self.engine.last is not None
            assert self.engine.last.prompt == "\n\n".join([*above, "alpha"])
            assert self.server.announce.as_json()["state"] == "ready"
            assert self.live == []
            self.run(lambda: self.say("shutdown", None, -2), LONG)
            assert self.engine is not None and not self.engine.peers
            left = {task for task in asyncio.all_tasks(self.loop) if task is not self.server.keeping}
            assert not left, left
        finally:
            self.run(self._clear_away)
            self.loop.close()
            asyncio.set_event_loop(None)
            self.held.close()
            self.patch.undo()
            shutil.rmtree(self.folder)

    def _is_answered(self, uri: str) -> None:
        self.run(lambda: self._type(uri, 0, len(self.documents[uri].text), "alpha"))
        self.asks(uri, True, LONG)
        assert self.pending() == []
        last = self.requests[len(self.requests)]
        assert texts_of(last) == [LINE.removeprefix("alpha")], (last, self.server.announce.as_json())

    async def _everything_is_well(self) -> None:
        """An engine runs, writes, and nobody pauses: now each request is answered."""
        seam.resume(self.runtime)
        self.say("midfill/resume", None, -3)
        await self._start_engine()
        assert self.engine is not None
        self.engine.moves.set()
        self.engine.writes_by_itself = True
        for it in list(self.engine.live):
            await it.end("stop")
        await asyncio.sleep(LONG)

    async def _clear_away(self) -> None:
        if self.engine is not None and not self.engine.is_gone:
            await self.engine.stop()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


def texts_of(request: Request) -> list[str]:
    """The items of its answer."""
    results = [message["result"] for message, _ in request.answers if message.get("result")]
    return [item["insertText"] for result in results for item in result["items"]]


TestFront = Front.TestCase
TestFront.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
