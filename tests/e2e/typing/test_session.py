"""A session as an editor has it, through pytest-lsp: items, debounce, cancellation, typed-through answers."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient, make_test_lsp_client

from midfill_server.tools.lsp_client import SERVER

from ...scripted_engine import ScriptedEngine
from ..conftest import FIRST, ITEM, PROGRAM, TOKENS, end_of, environment

CAPABILITIES = lsp.ClientCapabilities(
    general=lsp.GeneralClientCapabilities(position_encodings=["utf-32", "utf-16"]),
    text_document=lsp.TextDocumentClientCapabilities(
        inline_completion=lsp.InlineCompletionClientCapabilities()
    ),
    window=lsp.WindowClientCapabilities(work_done_progress=True),
)


@pytest.fixture
async def client(engine: ScriptedEngine) -> AsyncIterator[LanguageClient]:
    config = ClientServerConfig(
        server_command=list(SERVER), server_env=environment(engine.folder), client_factory=streaming_client
    )
    client: Any = await config.start()
    result = await client.initialize_session(
        lsp.InitializeParams(capabilities=CAPABILITIES, initialization_options={"debounceMs": 200})
    )
    client.result = result
    yield client
    await client.shutdown_session()


def streaming_client() -> LanguageClient:
    """pytest-lsp's client, which by itself takes every `$/progress` for a progress bar."""
    client: Any = make_test_lsp_client()
    client.partials = {}
    news = asyncio.Condition()
    bar = client.protocol.fm.features.pop(lsp.PROGRESS)

    @client.feature(lsp.PROGRESS)  # type: ignore[untyped-decorator]
    async def progress(params: Any) -> None:
        if not isinstance(params.value, list):
            bar(params)
            return
        async with news:
            client.partials.setdefault(params.token, []).append(params.value)
            news.notify_all()

    async def grown(token: str, text: str) -> None:
        """Wait until that text is shown."""
        async with news:
            await news.wait_for(
                lambda: token in client.partials and client.partials[token][-1][0].insertText == text
            )

    client.grown = grown
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
    assert item.insert_text == ITEM
    assert item.range == lsp.Range(at, at)


async def test_a_completion_is_streamed(client: Any, engine: ScriptedEngine) -> None:
    uri, token = "file:///stream.py", "growing"
    at = open_program(client, uri)
    text = engine.says(*TOKENS, after=PROGRAM, steps=TOKENS.index("other") + 1)
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
    answer = asyncio.ensure_future(answer)
    await engine.asked()
    await client.grown(token, FIRST)
    text.go()
    assert not (await answer).items
    texts = [items[0].insertText for items in client.partials[token]]
    assert texts[-2:] == [FIRST, ITEM]
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))


async def test_what_was_typed_through_needs_no_generation(
    client: LanguageClient, engine: ScriptedEngine
) -> None:
    uri = "file:///typed.py"
    at = open_program(client, uri)
    (item,) = (await ask(client, uri, at, explicit=True)).items
    for n, character in enumerate(ITEM[:-1]):
        at = type_text(client, uri, at, character, version=2 + n)
        (rest,) = (await ask(client, uri, at)).items
        assert rest.insert_text == item.insert_text[n + 1 :]
    assert len(engine.calls) == 1


async def test_a_burst_of_keystrokes_makes_at_most_two_generations(
    client: LanguageClient, engine: ScriptedEngine
) -> None:
    uri, keys = "file:///burst.py", "zyxwvutsrq"
    engine.says(" = 100\n", after=PROGRAM + keys)
    at = open_program(client, uri)
    await ask(client, uri, at, explicit=True)
    answers = []
    for n, character in enumerate(keys):
        at = type_text(client, uri, at, character, version=2 + n)
        answers.append(ask(client, uri, at))
    *superseded, last = await asyncio.gather(*answers, return_exceptions=True)
    assert isinstance(last, lsp.InlineCompletionList)
    assert [item.insert_text for item in last.items] == [" = 100"]
    assert [getattr(it, "code", it) for it in superseded] == [-32800] * 9
    assert engine.calls[-1].before == PROGRAM + keys
    assert len(engine.calls) <= 1 + 2


async def test_a_request_that_is_cancelled_in_its_debounce_never_reaches_the_engine(
    client: LanguageClient, engine: ScriptedEngine
) -> None:
    uri = "file:///cancel.py"
    at = open_program(client, uri)
    answer = ask(client, uri, at)  # waits out the debounce first
    (msg_id,) = client.protocol._request_futures
    client.cancel_request(lsp.CancelParams(msg_id))
    with pytest.raises(JsonRpcException) as refused:
        await answer
    assert refused.value.code == -32800
    await ask(client, uri, at, explicit=True)
    assert len(engine.calls) == 1
