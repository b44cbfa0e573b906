"""Each mend of pygls in protocol.py, through the real server and raw bytes on its stdin."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from lsprotocol import types as lsp

from midfill_server.editor.protocol import LanguageServer
from midfill_server.tools.lsp_client import SERVER

PATIENCE = 30.0  # seconds; a slow machine is no failure


class RawClient:
    """Writes whatever bytes it is told to, and reads messages."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin and process.stdout and process.stderr
        self.process, self.stdin, self.stdout = process, process.stdin, process.stdout

    def write(self, body: bytes | str | dict[str, Any] | list[Any]) -> None:
        raw = (
            body
            if isinstance(body, bytes)
            else (body if isinstance(body, str) else json.dumps(body)).encode()
        )
        self.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(raw), raw))

    def send(self, method: str, msg_id: Any = ..., **rest: Any) -> None:
        self.write({"jsonrpc": "2.0", "method": method} | ({} if msg_id is ... else {"id": msg_id}) | rest)

    async def read(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            length = 0
            while (header := await self.stdout.readline()).strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            message: dict[str, Any] = json.loads(await self.stdout.readexactly(length))
            return message

    async def until(self, msg_id: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The answer to `msg_id`, and everything that came before it."""
        before: list[dict[str, Any]] = []
        while (message := await self.read()).get("id", ...) != msg_id or "method" in message:
            before.append(message)
        return message, before

    async def ping(self) -> list[dict[str, Any]]:
        """Everything that the server had to say before it answers a request that it does not know."""
        self.send("midfill/ping", "ping")
        answer, before = await self.until("ping")
        assert answer["error"]["code"] == -32601
        return [it for it in before if it.get("method") != "midfill/statusChanged"]

    async def initialize(self) -> dict[str, Any]:
        self.send("initialize", 0, params={"processId": None, "rootUri": None, "capabilities": {}})
        answer, _ = await self.until(0)
        self.send("initialized", params={})
        return answer


@pytest.fixture
async def fresh(tmp_path: Any) -> AsyncIterator[RawClient]:
    process = await asyncio.create_subprocess_exec(
        *SERVER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "MIDFILL_RUNTIME_DIR": str(tmp_path)},
    )
    yield RawClient(process)
    assert process.stdin and process.stdout and process.stderr
    process.stdin.close()
    async with asyncio.timeout(PATIENCE):
        await process.stdout.read()
        await process.stderr.read()
        await process.wait()


@pytest.fixture
async def client(fresh: RawClient) -> RawClient:
    await fresh.initialize()
    return fresh


INLINE = "textDocument/inlineCompletion"
HERE = {"textDocument": {"uri": "file:///a.py"}, "position": {"line": 0, "character": 0}}


@pytest.mark.parametrize(
    "params",
    [
        HERE | {"position": {"line": 0}},
        HERE | {"position": None},
        HERE | {"textDocument": {}},
        HERE | {"partialResultToken": [1]},
        [],
        None,
        "text",
        7,
    ],
)
async def test_parameters_that_do_not_parse_get_one_answer_and_no_pop_up(
    client: RawClient, params: Any
) -> None:
    client.send(INLINE, 1, params=params)
    answer, before = await client.until(1)
    assert answer["error"]["code"] == -32602
    assert await client.ping() == []
    assert [it["method"] for it in before if it.get("method") != "midfill/statusChanged"] == []


async def test_missing_parameters_get_one_answer(client: RawClient) -> None:
    client.send(INLINE, 1)
    assert (await client.until(1))[0]["error"]["code"] == -32602


@pytest.mark.parametrize("body", ["{", "nonsense", b"\xff\xfe{}", "[" * 100_000])
async def test_malformed_json_gets_a_parse_error_with_id_null(client: RawClient, body: bytes | str) -> None:
    client.write(body)
    answer, _ = await client.until(None)
    assert answer["error"]["code"] == -32700
    assert await client.ping() == []


@pytest.mark.parametrize(
    ("message", "answered"),
    [
        ({"id": 1, "method": "shutdown"}, 1),
        ({"jsonrpc": "1.0", "id": 1, "method": "shutdown"}, 1),
        ({"jsonrpc": "2.0", "id": None, "method": "shutdown"}, None),
        ({"jsonrpc": "2.0", "id": True, "method": "shutdown"}, None),
        ({"jsonrpc": "2.0", "id": {}, "method": "shutdown"}, None),
        ({"jsonrpc": "2.0", "id": 1, "method": 3}, 1),
        ({"jsonrpc": "2.0", "id": 1}, 1),
        ({"jsonrpc": "2.0"}, None),
        ([], None),
        ([{"jsonrpc": "2.0", "id": 1, "method": "shutdown"}], None),
        ("3", None),
        ("null", None),
    ],
)
async def test_invalid_requests_are_refused(client: RawClient, message: Any, answered: Any) -> None:
    client.write(message)
    answer, _ = await client.until(answered)
    assert answer["error"]["code"] == -32600
    assert await client.ping() == []


@pytest.mark.parametrize(
    "header",
    [
        b"content-length: %d\r\n\r\n",
        b"CONTENT-LENGTH:%d\r\n\r\n",
        b"Content-Length:  %d \t\r\n\r\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-length: %d\r\n\r\n",
        b"Content-Length: %d\nA: b\n\n",
    ],
)
async def test_headers_are_read_as_http_allows_them(client: RawClient, header: bytes) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "midfill/status"}).encode()
    client.stdin.write(header % len(body) + body)
    answer, _ = await client.until(1)
    assert "result" in answer
    assert await client.ping() == []


async def test_custom_requests_without_parameters_are_answered(client: RawClient) -> None:
    client.send("midfill/unheardOf", 1)
    assert (await client.until(1))[0]["error"]["code"] == -32601


async def test_answers_to_nothing_are_ignored(client: RawClient) -> None:
    client.write({"jsonrpc": "2.0", "id": 99, "result": None})
    client.write({"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": ""}})
    assert await client.ping() == []


@pytest.mark.parametrize("params", [None, {}, {"textDocument": 3}, []])
async def test_odd_notifications_are_ignored(client: RawClient, params: Any) -> None:
    for method in ("textDocument/didChange", "textDocument/didOpen", "$/cancelRequest", "$/setTrace", "x/y"):
        client.send(method, params=params)
    assert await client.ping() == []


async def test_odd_edits_do_not_raise(client: RawClient) -> None:
    uri = "file:///a.py"
    client.send(
        "textDocument/didChange", params={"textDocument": {"uri": uri, "version": 1}, "contentChanges": []}
    )
    client.send("textDocument/didClose", params={"textDocument": {"uri": uri}})
    assert await client.ping() == []


async def test_nothing_but_initialize_is_answered_first(fresh: RawClient) -> None:
    fresh.send(INLINE, 1, params=HERE)
    assert (await fresh.until(1))[0]["error"]["code"] == -32002
    fresh.send("shutdown", 2)
    assert (await fresh.until(2))[0]["error"]["code"] == -32002
    fresh.send("textDocument/didOpen", params={})
    assert "result" in await fresh.initialize()


async def test_initialize_may_fail_and_be_tried_again(fresh: RawClient) -> None:
    fresh.send("initialize", 1, params={"capabilities": 3})
    assert (await fresh.until(1))[0]["error"]["code"] == -32602
    assert "result" in await fresh.initialize()
    fresh.send("initialize", 2, params={"processId": None, "rootUri": None, "capabilities": {}})
    assert (await fresh.until(2))[0]["error"]["code"] == -32600


async def test_requests_after_shutdown_are_refused_and_exit_is_clean(client: RawClient) -> None:
    client.send("shutdown", 1)
    assert (await client.until(1))[0]["result"] is None
    client.send(INLINE, 2, params=HERE)
    assert (await client.until(2))[0]["error"]["code"] == -32600
    client.send("exit")
    async with asyncio.timeout(PATIENCE):
        assert await client.process.wait() == 0


async def test_exit_without_shutdown_is_a_failure(client: RawClient) -> None:
    client.send("exit")
    async with asyncio.timeout(PATIENCE):
        assert await client.process.wait() == 1


async def test_a_closed_stdin_is_a_failure(client: RawClient) -> None:
    client.stdin.close()
    async with asyncio.timeout(PATIENCE):
        assert await client.process.wait() == 1


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the closed stdin has to do")
@pytest.mark.parametrize("is_initialized", [True, False])
async def test_the_server_leaves_with_its_editor_even_if_stdin_stays_open(
    fresh: RawClient, is_initialized: bool
) -> None:
    editor = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
    assert editor.stdin
    params: dict[str, Any] = {"processId": editor.pid, "rootUri": None, "capabilities": {}}
    fresh.send("initialize", 0, params=params)
    await fresh.until(0)
    if is_initialized:
        fresh.send("initialized", params={})
        await fresh.ping()
    editor.stdin.close()
    await editor.wait()
    async with asyncio.timeout(PATIENCE):
        assert await fresh.process.wait() == 1


async def test_no_body_is_ever_logged(client: RawClient) -> None:
    secret = "SECRET_OF_THE_USER"
    document = {"uri": f"file:///{secret}.py", "languageId": secret, "version": 1, "text": secret}
    client.send(
        "workspace/didChangeConfiguration", params={"settings": {"enabled": False, "logLevel": "debug"}}
    )
    client.send("textDocument/didOpen", params={"textDocument": document})
    client.send("textDocument/didOpen", params={"textDocument": {"text": secret}})
    client.send(INLINE, 1, params=HERE | {"position": secret, "context": {"triggerKind": secret}})
    client.write(f'{{"{secret}')
    client.send(secret, 2, params={secret: secret})
    client.send("exit")
    assert client.process.stderr
    async with asyncio.timeout(PATIENCE):
        log = await client.process.stderr.read()
    assert secret.encode() not in log
    assert b"invalid parameters" in log  # it does log


async def test_partial_result_tokens_and_null_capabilities_are_kept() -> None:
    server = LanguageServer("test", "0")
    context = {"triggerKind": 2}
    message = {"jsonrpc": "2.0", "id": 1, "method": INLINE}
    for token in ("t", 5, None):
        params = HERE | {"context": context} | ({} if token is None else {"partialResultToken": token})
        request = server.protocol._structured(message | {"params": params})
        assert request.params.partial_result_token == token
        assert request.params.position == lsp.Position(0, 0)
        assert request.params.context.trigger_kind is lsp.InlineCompletionTriggerKind.Automatic


async def test_notifications_leave_no_future_behind() -> None:
    server = LanguageServer("test", "0")
    seen: list[object] = []

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        await asyncio.sleep(0)
        seen.append(params)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        seen.append(params)

    server.protocol._initialized = True
    for method in (lsp.TEXT_DOCUMENT_DID_SAVE, lsp.TEXT_DOCUMENT_DID_CLOSE) * 10:
        params = {"textDocument": {"uri": "file:///a"}}
        server.protocol.handle_message({"jsonrpc": "2.0", "method": method, "params": params})
    for _ in range(5):
        await asyncio.sleep(0)  # a turn of the event loop
    assert len(seen) == 20
    assert not server.protocol._request_futures
    assert not server.protocol._background


def test_errors_are_logged_without_their_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        try:
            int("SECRET")
        except ValueError as error:
            LanguageServer("test", "0").report_server_error(error, ValueError)
    assert "ValueError at test_protocol.py" in caplog.text
    assert "SECRET" not in caplog.text
