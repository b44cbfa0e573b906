"""The LSP handlers, thin: each takes a snapshot and makes one call. Two hops lead to an answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lsprotocol import types as lsp
from pygls.capabilities import ServerCapabilitiesBuilder

from midfill_server import __version__
from midfill_server.answers import Answers
from midfill_server.context.surroundings import Surroundings, path_of
from midfill_server.editor import commands as requests
from midfill_server.editor import copilot
from midfill_server.editor.announce import Announcer
from midfill_server.editor.documents import Documents
from midfill_server.editor.ghost_text import GhostText, menu_item, rest_of_selection
from midfill_server.editor.protocol import InlineCompletionParams, LanguageServer, log_without_text
from midfill_server.editor.record.offers import Offers
from midfill_server.editor.record.statistics import Statistics
from midfill_server.engines.choice import Choice
from midfill_server.settings import Settings, read_settings
from midfill_server.trim import grammar

THREADS = 3  # for what may wait for a disk: with one for each core, 50 windows would hold hundreds


async def inline_completion(ls: Server, params: InlineCompletionParams) -> lsp.InlineCompletionList:
    """Ghost text: a plain text with an explicit empty range, which every editor takes; several if one asks.

    With a `partialResultToken` the text is sent while it grows. Each `$/progress` carries the array `[item]`
    (LSP's type for it) with the WHOLE text so far, which replaces what was sent before: LSP itself has no
    way to let an item grow. The last one holds all items whole; the answer is then empty, as LSP wants it.
    The answer is a list with `items`: clients written for copilot-language-server know no other form.
    """
    explicit = params.context.trigger_kind == lsp.InlineCompletionTriggerKind.Invoked
    ghost = GhostText(ls.protocol, ls.offers, ls.documents, params)
    if (chosen := rest_of_selection(ls.documents, params)) is None:
        return ghost.finish([])
    uri = params.text_document.uri
    texts = await ls.answers.answer(uri, params.position, explicit, ghost.grow, chosen)
    return ghost.finish(texts)


async def completion(ls: Server, params: lsp.CompletionParams) -> lsp.CompletionList:
    """The same text in a completion menu, for editors without ghost text."""
    uri = params.text_document.uri
    texts = await ls.answers.answer(uri, params.position, explicit=False)
    if (document := ls.documents.get(uri)) is not None:
        texts = [text.replace("\n", document.newline) for text in texts]  # Helix inserts it as it is
    items = [menu_item(ls.documents, params, text) for text in texts]
    return lsp.CompletionList(is_incomplete=True, items=items)


def did_open(ls: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    ls.opened(params.text_document)


def did_change(ls: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    ls.changed(params.text_document, params.content_changes)


def did_close(ls: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    ls.closed(params.text_document)


def did_open_notebook(ls: Server, params: lsp.DidOpenNotebookDocumentParams) -> None:
    ls.answers.notebooks.open(params.notebook_document)
    for cell in params.cell_text_documents:
        ls.opened(cell)


def did_change_notebook(ls: Server, params: lsp.DidChangeNotebookDocumentParams) -> None:
    if (cells := params.change.cells) is None:
        return
    if (order := cells.structure) is not None:
        ls.answers.notebooks.change(params.notebook_document.uri, order.array)
        for cell in order.did_open or ():
            ls.opened(cell)
        for gone in order.did_close or ():
            ls.closed(gone)
    for text in cells.text_content or ():
        ls.changed(text.document, text.changes)


def did_close_notebook(ls: Server, params: lsp.DidCloseNotebookDocumentParams) -> None:
    for cell in params.cell_text_documents:
        ls.closed(cell)
    ls.answers.notebooks.close(params.notebook_document.uri)


def did_change_workspace_folders(ls: Server, params: lsp.DidChangeWorkspaceFoldersParams) -> None:
    ls.answers.surroundings.change_roots(
        *([it.uri for it in side] for side in (params.event.added, params.event.removed))
    )


def initialize(ls: Server, params: lsp.InitializeParams) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    ls.watch_client(params.process_id)
    ls.documents.encoding = str(ServerCapabilitiesBuilder.choose_position_encoding(params.capabilities))
    ls.answers.surroundings = Surroundings(_roots(params), log_without_text)
    ls.configure(params.initialization_options)
    ls.initial_settings = ls.settings
    if copilot.is_spoken_by(params.initialization_options):
        copilot.welcome(ls)
    announced = ls.protocol.raw_capabilities.get("textDocument") or {}
    if "inlineCompletion" not in announced:  # the key alone counts: Emacs' lsp-mode sends null and means yes
        ls.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions())(completion)


def initialized(ls: Server, _: lsp.InitializedParams) -> None:
    window, workspace = ls.client_capabilities.window, ls.client_capabilities.workspace
    ls.announce.begin(shows_progress=bool(window and window.work_done_progress))
    ls.complain()
    ls.keeping = asyncio.create_task(ls.statistics.keep())
    if workspace and (it := workspace.did_change_configuration) and it.dynamic_registration:
        options = lsp.DidChangeConfigurationRegistrationOptions(section="midfill")
        registration = lsp.Registration("midfill", lsp.WORKSPACE_DID_CHANGE_CONFIGURATION, options)
        ls.client_register_capability(lsp.RegistrationParams([registration]))


async def did_change_configuration(ls: Server, params: lsp.DidChangeConfigurationParams) -> None:
    options: object = params.settings
    workspace = ls.client_capabilities.workspace
    if (
        not options and workspace and workspace.configuration
    ):  # the pull model: the notification is only a hint
        section = lsp.ConfigurationItem(section="midfill")
        (options,) = await ls.workspace_configuration_async(lsp.ConfigurationParams([section]))
    ls.configure(options)
    ls.complain()


def shutdown(ls: Server, _: None) -> None:
    ls.answers.close()
    ls.engine.close()
    ls.statistics.write(ls.statistics.take())


class Server(LanguageServer):
    """What one editor has: its documents, its settings, and the way to the engine."""

    def __init__(self) -> None:
        super().__init__("midfill", __version__)
        self.documents = Documents()
        self.settings = Settings()
        self.initial_settings = Settings()
        """As the initialization options had them: what a later change says nothing of stays so."""
        self.statistics = Statistics()
        self.offers = Offers(self.statistics.count, self._text_of)
        self.announce = Announcer(self)
        self.engine = Choice(self.announce.status)
        self.answers = Answers(self.documents, self.engine, self.announce, self.statistics)
        self.answer, self.why = self.answers.answer, self.answers.why
        self._complaints: list[str] = []
        self.keeping: asyncio.Task[None] | None = None
        for method, handler, options in FEATURES:
            self.feature(method, options)(handler)
        for method, handler in requests.FEATURES + copilot.FEATURES:
            self.feature(method)(handler)
        for name, handler in requests.COMMANDS:
            self.command(name)(handler)

    def configure(self, options: object) -> None:
        """Take over the user's settings; what was known or under way with other ones is dropped."""
        settings, self._complaints = read_settings(options, self.initial_settings)
        self.statistics.on = settings.statistics
        logging.getLogger("midfill_server").setLevel(settings.log_level.upper())
        if settings == self.settings:
            return
        self.settings = settings
        self.answers.use(settings)
        self.engine.use(settings)

    def complain(self) -> None:
        """One message for everything that is wrong in the settings."""
        if self._complaints:
            self.announce.warn_once("; ".join(self._complaints) + " (the default is used)")

    def opened(self, item: lsp.TextDocumentItem) -> None:
        self.documents.open(item)
        self.answers.closed(item.uri)  # what was known of it before
        # off the way of keys: a language's first file may cost 20 ms
        asyncio.get_running_loop().run_in_executor(None, grammar, item.language_id)
        self.engine.warm_up()

    def changed(
        self,
        it: lsp.VersionedTextDocumentIdentifier,
        changes: Sequence[lsp.TextDocumentContentChangeEvent],
    ) -> None:
        if (document := self.documents.change(it.uri, it.version, changes)) is not None:
            self.answers.changed(document)

    def closed(self, it: lsp.TextDocumentIdentifier) -> None:
        self.documents.close(it.uri)
        self.answers.closed(it.uri)

    def _text_of(self, uri: str) -> str | None:
        document = self.documents.get(uri)
        return None if document is None else document.text.replace("\r\n", "\n").replace("\r", "\n")

    def pause(self, paused: bool) -> None:
        """Offer nothing in this window until it is resumed; what is under way is dropped."""
        self.engine.pause(paused)
        if paused:
            self.answers.forget()

    def snooze(self, minutes: float) -> None:
        """Offer nothing by itself in this window for so long; what is under way is dropped."""
        self.engine.snooze(60 * minutes)
        self.answers.forget()

    async def restart(self) -> None:
        """Stop the engine, for all windows, and start one with this window's settings."""
        self.answers.forget()
        await self.engine.restart()


FEATURES: tuple[tuple[str, Callable[..., object], object], ...] = (
    (lsp.INITIALIZE, initialize, None),
    (lsp.INITIALIZED, initialized, None),
    (lsp.SHUTDOWN, shutdown, None),
    (lsp.TEXT_DOCUMENT_DID_OPEN, did_open, None),
    (lsp.TEXT_DOCUMENT_DID_CHANGE, did_change, None),
    (lsp.TEXT_DOCUMENT_DID_CLOSE, did_close, None),
    (lsp.NOTEBOOK_DOCUMENT_DID_OPEN, did_open_notebook, None),
    (lsp.NOTEBOOK_DOCUMENT_DID_CHANGE, did_change_notebook, None),
    (lsp.NOTEBOOK_DOCUMENT_DID_CLOSE, did_close_notebook, None),
    (lsp.WORKSPACE_DID_CHANGE_CONFIGURATION, did_change_configuration, None),
    (lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, did_change_workspace_folders, None),
    (lsp.TEXT_DOCUMENT_INLINE_COMPLETION, inline_completion, lsp.InlineCompletionOptions()),
)


def _roots(params: lsp.InitializeParams) -> list[Path]:
    """The workspace's folders."""
    named = [it.uri for it in params.workspace_folders or ()]
    if not named and (root := params.root_uri or params.root_path):
        named = [root]
    return [path for uri in named if (path := path_of(uri)) is not None]
