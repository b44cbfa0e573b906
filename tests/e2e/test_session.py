"""A session as an editor has it, through pytest-lsp: items, debounce, cancellation, typed-through answers."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient, make_test_lsp_client

from midfill_server.tools.lsp_client import SERVER

from .conftest import MODEL, PROGRAM, Engine, end_of, environment

CAPABILITIES = lsp.ClientCapabilities(
    general=lsp.GeneralClientCapabilities(position_encodings=["utf-32", "utf-16"]),
    text_document=lsp.TextDocumentClientCapabilities(
        inline_completion=lsp.InlineCompletionClientCapabilities()
    ),
    window=lsp.WindowClientCapabilities(work_done_progress=True),
)


@pytest.fixture
async def client(shared_folder: Path) -> AsyncIterator[LanguageClient]:
    config = ClientServerConfig(
        server_command=list(SERVER), server_env=environment(shared_folder), client_factory=streaming_client
    )
    client: Any = await config.start()
    options = {"model": MODEL, "debounceMs": 200}
    result = await client.initialize_session(
        lsp.InitializeParams(capabilities=CAPABILITIES, initialization_options=options)
    )
    client.result = result
    yield client
    await client.shutdown_session()


def streaming_client() -> LanguageClient:
    """pytest-lsp's client, which by itself takes every `$/progress` for a progress bar."""
    client: Any = make_test_lsp_client()
    client.partials = {}
    bar = client.protocol.fm.features.pop(lsp.PROGRESS)

    @client.feature(lsp.PROGRESS)  # type: ignore[untyped-decorator]
    def progress(params: Any) -> None:
        if isinstance(params.value, list):
            client.partials.setdefault(params.token, []).append(params.value)
        else:
            bar(params)

    return client  # type: ignore[no-any-return]


def open_program(client: LanguageClient, uri: str, text: str = PROGRAM) -> lsp.Position:
    item = lsp.TextDocumentItem(uri, "python", 1, text)
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
    return lsp.Position(*end_of(text))


def type_text(client: LanguageClient, uri: str, at: lsp.Position, text: str, version: int) -> lsp.Position:
    change = lsp.TextDocumentContentChangePartial(range=lsp.Range(at, at), text=text)
    document = lsp.VersionedTextDocumentIdentifier(uri=uri, version=version)
    client.text_document_did_change(lsp.DidChangeTextDocumentParams(document, [change]))
    lines = text.split("\n")
    return lsp.Position(at.line + len(lines) - 1, len(lines[-1]) + (at.character if len(lines) == 1 else 0))


def ask(client: LanguageClient, uri: str, at: lsp.Position, explicit: bool = False) -> asyncio.Future[Any]:
    kind = lsp.InlineCompletionTriggerKind(1 if explicit else 2)
    params = lsp.InlineCompletionParams(
        context=lsp.InlineCompletionContext(kind),
        text_document=lsp.TextDocumentIdentifier(uri),
        position=at,
    )
    return asyncio.wrap_future(client.protocol.send_request(lsp.TEXT_DOCUMENT_INLINE_COMPLETION, params))


async def test_capabilities(client: Any) -> None:
    capabilities = client.result.capabilities
    assert capabilities.inline_completion_provider is not None
    assert capabilities.completion_provider is None
    assert capabilities.position_encoding == "utf-32"
    sync = capabilities.text_document_sync
    assert (sync.open_close, sync.change, sync.save) == (True, lsp.TextDocumentSyncKind.Incremental, False)


async def test_an_item_is_a_plain_text_with_an_empty_range(client: LanguageClient) -> None:
    at = open_program(client, "file:///item.py")
    (item,) = (await ask(client, "file:///item.py", at, explicit=True)).items
    assert isinstance(item.insert_text, str)
    assert item.insert_text.strip()
    assert item.range == lsp.Range(at, at)


async def test_a_completion_is_streamed(client: Any, engine: Engine) -> None:
    uri, token = "file:///stream.py", "growing"
    at = open_program(client, uri)
    client.protocol.get_message_type = lambda _: None  # lsprotocol's type would drop the token
    answer = client.protocol.send_request_async(
        lsp.TEXT_DOCUMENT_INLINE_COMPLETION,
        {
            "textDocument": {"uri": uri},
            "position": {"line": at.line, "character": at.character},
            "context": {"triggerKind": 1},
            "partialResultToken": token,
        },
    )
    assert not (await answer).items
    texts = [items[0].insertText for items in client.partials[token]]
    assert len(texts) >= 2  # Python grows in whole lines
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts[:-1]))
    assert await engine.generations() >= 1


async def test_what_was_typed_through_needs_no_generation(client: LanguageClient, engine: Engine) -> None:
    uri = "file:///typed.py"
    at = open_program(client, uri)
    (item,) = (await ask(client, uri, at, explicit=True)).items
    before = await engine.generations()
    for n, character in enumerate(item.insert_text[:-1]):
        at = type_text(client, uri, at, character, version=2 + n)
        (rest,) = (await ask(client, uri, at)).items
        assert rest.insert_text == item.insert_text[n + 1 :]
    assert await engine.generations() == before


async def test_a_burst_of_keystrokes_makes_at_most_two_generations(
    client: LanguageClient, engine: Engine
) -> None:
    uri = "file:///burst.py"
    at = open_program(client, uri)
    await ask(client, "file:///burst.py", at, explicit=True)
    before = await engine.generations()
    answers = []
    for n, character in enumerate("zyxwvutsrq"):
        at = type_text(client, uri, at, character, version=2 + n)
        answers.append(ask(client, uri, at))
    *superseded, last = await asyncio.gather(*answers, return_exceptions=True)
    assert isinstance(last, lsp.InlineCompletionList)
    assert [getattr(it, "code", it) for it in superseded] == [-32800] * 9
    assert await engine.generations() - before <= 2


async def test_a_cancelled_request_is_answered_and_the_engine_stops(
    client: LanguageClient, engine: Engine
) -> None:
    uri = "file:///cancel.py"
    at = open_program(client, uri)
    answer = ask(client, uri, at)  # waits out the debounce first
    (msg_id,) = client.protocol._request_futures
    client.cancel_request(lsp.CancelParams(msg_id))
    with pytest.raises(JsonRpcException) as refused:
        await answer
    assert refused.value.code == -32800
    await engine.idle()
