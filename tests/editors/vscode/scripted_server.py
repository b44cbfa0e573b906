"""A language server whose every word a test decides: editors start it as `midfill`, a test speaks for it."""

from __future__ import annotations

import json
import queue
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..terminal import PATIENCE

# The program: all that the editor writes goes to the test, all that the test writes to the editor.
RELAY = """#!{python} -I
import os, socket, sys, threading
test = socket.create_connection(("127.0.0.1", {port}))
def listen():
    while some := os.read(0, 65536):
        test.sendall(some)
    os._exit(0)
threading.Thread(target=listen, daemon=True).start()
while some := test.recv(65536):
    sys.stdout.buffer.write(some)
    sys.stdout.buffer.flush()
"""
STATUS = {"paused": False, "model": "scripted", "message": "", "progress": 0, "warning": "", "state": "ready"}
CAPABILITIES = {"positionEncoding": "utf-16", "textDocumentSync": 1, "inlineCompletionProvider": {}}
CANCELLED = {"code": -32800, "message": "Cancelled"}


class ScriptedServers:
    """Each window of an editor starts one."""

    def __init__(self, program: Path) -> None:
        """`program` is written: it is what the editor is to start as `midfill serve`."""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(PATIENCE)
        program.write_text(RELAY.format(python=sys.executable, port=self._listening.getsockname()[1]))
        program.chmod(0o755)

    def connection(self) -> Connection:
        """Wait for the next window's."""
        return Connection(self._listening.accept()[0])

    def close(self) -> None:
        self._listening.close()


class Connection:
    """One window's server. What an editor asks beside ghost text is answered by itself."""

    def __init__(self, connected: socket.socket) -> None:
        self._incoming: BinaryIO = connected.makefile("rb")
        self._outgoing = connected
        self._sending, self._answering = threading.Lock(), threading.Lock()
        self._questions: queue.Queue[Question] = queue.Queue()
        self._asked: dict[object, Question] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def question(self, at: tuple[int, int] | None = None) -> Question:
        """The next request for ghost text; with `at`, the next at this line and character, in UTF-16."""
        while True:
            question = self._questions.get(timeout=PATIENCE)
            if at is None or question.at == at:
                return question

    def send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        with self._sending, suppress(OSError):  # the window may be closed already
            self._outgoing.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def _listen(self) -> None:
        with self._outgoing, self._incoming, suppress(OSError):
            while header := self._incoming.readline():
                self._incoming.readline()
                message = json.loads(self._incoming.read(int(header.split(b":")[1])))
                self._receive(message.get("method"), message.get("id"), message.get("params") or {})

    def _receive(self, method: str | None, identity: object, params: dict[str, Any]) -> None:
        match method:
            case "initialize":
                self.send(id=identity, result={"capabilities": CAPABILITIES})
            case "initialized":
                self.send(method="midfill/statusChanged", params=STATUS)
            case "textDocument/inlineCompletion":
                question = self._asked[identity] = Question(self, identity, params)
                self._questions.put(question)
            case "$/cancelRequest":
                question = self._asked[params["id"]]
                question.cancelled.set()
                if self.may_answer(question):
                    self.send(id=question.identity, error=CANCELLED)
            case str() if identity is not None:
                self.send(id=identity, result=None)

    def may_answer(self, question: Question) -> bool:
        """Once: there is one answer to each."""
        with self._answering:
            answered, question.answered = question.answered, True
        return not answered


class Question:
    """One request for ghost text, to which a test writes partial results, and the answer."""

    def __init__(self, connection: Connection, identity: object, params: dict[str, Any]) -> None:
        self.identity = identity
        self.cancelled = threading.Event()
        self.answered = False
        self._connection = connection
        self._token = params["partialResultToken"]
        self._position = params["position"]
        self.explicit = params["context"]["triggerKind"] == 1

    @property
    def at(self) -> tuple[int, int]:
        return self._position["line"], self._position["character"]

    def write(self, text: str, *others: str) -> None:
        """A partial result: the whole text so far, in place of the one before; "" withdraws it."""
        value = self._items(text, *others)
        self._connection.send(method="$/progress", params={"token": self._token, "value": value})

    def answer(self, text: str = "") -> None:
        """The answer, which is empty after partial results: the last of them is the text then."""
        if self._connection.may_answer(self):
            self._connection.send(id=self.identity, result={"items": self._items(text)})

    def wait_cancelled(self) -> None:
        assert self.cancelled.wait(PATIENCE), "the editor has not cancelled it"

    def _items(self, *texts: str) -> list[dict[str, Any]]:
        here = {"start": self._position, "end": self._position}
        return [{"insertText": text, "range": here} for text in texts if text]
