"""What the front is given: messages of editors, answers of servers, files of the runtime folder."""

import contextlib
import json
import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from midfill_model import seam
from midfill_model.fim import FAMILIES
from midfill_server.engines.backend import MALFORMED, BackendError, Chunk, Dialect
from midfill_server.engines.dialects.infill import Infill
from midfill_server.engines.dialects.midfill import MIDFILL
from midfill_server.engines.dialects.mistral import Mistral
from midfill_server.engines.dialects.ollama import Ollama
from midfill_server.engines.dialects.rendered import Rendered
from midfill_server.engines.dialects.suffix import Suffix
from midfill_server.engines.http.sse import Events
from midfill_server.tools.lsp_client import SERVER

from .odd import as_body, bent, cut, tried

URI = "file:///tmp/fuzz.py"
HERE = {"textDocument": {"uri": URI}, "position": {"line": 1, "character": 4}}
NOTIFICATIONS: tuple[dict[str, Any], ...] = (
    {
        "method": "textDocument/didOpen",
        "params": {
            "textDocument": {"uri": URI, "languageId": "python", "version": 1, "text": "def f():\n    "}
        },
    },
    {
        "method": "textDocument/didChange",
        "params": {
            "textDocument": {"uri": URI, "version": 2},
            "contentChanges": [
                {"range": {"start": HERE["position"], "end": HERE["position"]}, "text": "x"},
                {"text": "def f():\n    return "},
            ],
        },
    },
    {"method": "textDocument/didClose", "params": {"textDocument": {"uri": URI}}},
    {"method": "workspace/didChangeConfiguration", "params": {"settings": {"midfill": {"maxTokens": 8}}}},
    {"method": "$/cancelRequest", "params": {"id": 1}},
    {"method": "textDocument/didShowCompletion", "params": {"item": {"command": {"arguments": ["1"]}}}},
)
REQUESTS: tuple[dict[str, Any], ...] = (
    {"method": "textDocument/inlineCompletion", "params": HERE | {"context": {"triggerKind": 1}}},
    {"method": "textDocument/inlineCompletion", "params": HERE | {"partialResultToken": "t", "context": {}}},
    {"method": "midfill/snooze", "params": {"minutes": 1}},
    {"method": "midfill/status", "params": None},
    {"method": "midfill/why"},
    {"method": "workspace/executeCommand", "params": {"command": "midfill/status", "arguments": []}},
)
NOWHERE = {"url": "http://localhost:1", "debounceMs": 0, "statistics": False}


class Server:
    """A real one, spoken to in bytes. What it says is counted by the id that it answers."""

    def __init__(self, folder: Path, log: Any) -> None:
        own = {f"MIDFILL_{name}_DIR": str(folder) for name in ("RUNTIME", "STATE")}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            SERVER, stdin=pipe, stdout=pipe, stderr=log, cwd=folder, env=os.environ | own
        )
        self.answers: Counter[Any] = Counter()
        start = {"processId": None, "rootUri": None, "capabilities": {}, "initializationOptions": NOWHERE}
        self.say({"jsonrpc": "2.0", "id": "first", "method": "initialize", "params": start})
        self.say({"jsonrpc": "2.0", "method": "initialized", "params": {}})
        self.hear_until("first")

    def say(self, message: dict[str, Any] | bytes) -> None:
        body = message if isinstance(message, bytes) else json.dumps(message).encode("utf-8", "replace")
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def hear_until(self, msg_id: str) -> None:
        assert self.process.stdout is not None
        while not self.answers[msg_id]:
            length = 0
            while (header := self.process.stdout.readline()).strip():
                length = int(header.split(b":")[1]) if header.startswith(b"Content-Length") else length
            assert length, "the server has ended"
            told = json.loads(self.process.stdout.read(length))
            if "method" not in told and isinstance(told.get("id"), str):
                self.answers[told["id"]] += 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "run").mkdir(mode=0o700)
    with (tmp_path / "log").open("wb") as log:
        it = Server(tmp_path / "run", log)
        yield it
        with contextlib.suppress(OSError):
            it.process.kill()
        it.process.communicate()
    assert b"Traceback" not in (tmp_path / "log").read_bytes()


def test_every_request_is_answered_once_whatever_is_said(server: Server) -> None:
    """Also among messages that are none; and the server lives on."""

    @tried(400)
    def test(seed: int) -> None:
        dice, wanted = random.Random(seed), []
        server.answers.clear()
        for i in range(dice.randint(1, 4)):
            odd = dice.choice((True, False))
            if dice.random() < 0.5:
                wanted.append(f"{seed}-{i}")
                message = dice.choice(REQUESTS) | {"jsonrpc": "2.0", "id": wanted[-1]}
                if odd and "params" in message:
                    message["params"] = bent(message["params"], seed + i, ("context", "position", "range"))
                server.say(message)
            else:
                message = dice.choice(NOTIFICATIONS) | {"jsonrpc": "2.0"}
                message = message | {"params": bent(message["params"], seed + i)} if odd else message
                server.say(as_body(message, seed + i))
        server.say({"jsonrpc": "2.0", "id": f"{seed}-last", "method": "midfill/ping"})
        for msg_id in (*wanted, f"{seed}-last"):
            server.hear_until(msg_id)
        assert {msg_id: server.answers[msg_id] for msg_id in wanted} == dict.fromkeys(wanted, 1)

    test()


EVENTS = (
    b'data: {"id":"1","choices":[{"index":0,"text":"a","logprobs":{"tokens":["a"],"token_logprobs":[-0.1]},'
    b'"finish_reason":null}],"timings":{"prompt_tokens":3}}\n\n'
    b'data: {"choices":[{"index":0,"text":"","finish_reason":"stop"}],"usage":{"prompt_tokens":3}}\n\n'
    b"data: [DONE]\n\n",
    b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n',
    b'{"response":"a","done":false}\n{"response":"","done":true,"done_reason":"stop","eval_count":1}\n',
    b'data: {"content":"a","completion_probabilities":[{"token":"a","logprob":-1}],"stop":false}\n\n'
    b'data: {"content":"","stop":true,"stop_type":"eos","timings":{"prompt_n":1}}\n\n',
)
DIALECTS: tuple[Dialect, ...] = (
    MIDFILL,
    Suffix("m", "/v1"),
    Mistral("m", "/v1"),
    Infill(4096),
    Ollama("m", 4096, FAMILIES[0]),
    Rendered("m", "/v1", family=FAMILIES[0]),
)


def test_no_answer_of_a_strange_server_is_a_traceback() -> None:
    """The client knows MALFORMED and BackendError, and makes a sentence of each."""
    became: Counter[str] = Counter()

    @tried(3000)
    def test(seed: int) -> None:
        dialect = DIALECTS[seed % len(DIALECTS)]
        body = cut(EVENTS[(seed // 7) % len(EVENTS)], seed)
        try:
            texts = [chunk.text for chunk in _read(dialect, body, random.Random(seed))]
        except (*MALFORMED, BackendError):
            became["refused"] += 1
            return
        assert all(isinstance(text, str) for text in texts)
        became["read" if any(texts) else "empty"] += 1

    test()
    assert became.keys() == {"refused", "read", "empty"}, "what is tried must reach all that reads it"


def _read(dialect: Dialect, body: bytes, dice: random.Random) -> Iterator[Chunk]:
    """What the client makes of such an answer that comes in parts of any length."""
    events = Events(dialect.in_lines)
    told: list[str] = []
    while body:
        n = dice.randint(1, 40)
        told += events.feed(body[:n])
        body = body[n:]
    for data in (*told, *events.end()):
        if data != "[DONE]":
            yield from dialect.chunks(json.loads(data))


def test_no_event_of_json_is_a_traceback() -> None:
    whole = [json.loads(line[6:]) for it in EVENTS for line in it.decode().split("\n") if line[6:7] == "{"]

    @tried(2000)
    def test(seed: int) -> None:
        event = bent(whole[seed % len(whole)], seed, ("choices", "text", "logprobs", "error", "timings"))
        with contextlib.suppress(*MALFORMED, BackendError):
            for chunk in DIALECTS[seed % len(DIALECTS)].chunks(event):
                assert isinstance(chunk, Chunk)

    test()


def test_no_card_and_no_health_is_a_traceback(tmp_path: Path) -> None:
    card = seam.Card(7, "http://localhost", "/tmp/x.sock", "token", "m", 1.0, "1", seam.PROTOCOL)
    seam.write_card(tmp_path, card)
    whole = (tmp_path / seam.CARD).read_bytes()
    health = seam.Health(model=seam.Model("m", budgets=seam.SMALL), figures={"first_text_p50": 0.1}).as_json()

    @tried(1000)
    def test(seed: int) -> None:
        odd = as_body(bent(json.loads(whole), seed), seed) if seed % 2 else cut(whole, seed)
        (tmp_path / seam.CARD).write_bytes(odd)
        found = seam.read_card(tmp_path)
        assert found is None or found.pid > 0
        read = seam.read_health(bent(health, seed))
        json.dumps(read.as_json())

    test()
