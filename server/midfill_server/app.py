"""The LSP handlers, thin: each takes a snapshot and makes one call. Two hops lead to an answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from lsprotocol import types as lsp
from pygls.capabilities import ServerCapabilitiesBuilder

from midfill_model import seam
from midfill_server import __version__
from midfill_server.context import MAX_DOCUMENT, Unsuitable, Window, window_at
from midfill_server.context.outline import head
from midfill_server.context.surroundings import Surroundings, path_of
from midfill_server.editor import commands as requests
from midfill_server.editor import copilot
from midfill_server.editor.announce import Announcer
from midfill_server.editor.documents import Document, Documents
from midfill_server.editor.ghost_text import GhostText, menu_item, rest_of_selection
from midfill_server.editor.protocol import InlineCompletionParams, LanguageServer, log_without_text
from midfill_server.editor.record.offers import Offers
from midfill_server.editor.record.statistics import Statistics
from midfill_server.editor.record.why import WhyFile
from midfill_server.editor.wanted import NOTES, Asked, Reason, Request, Verdict, verdict_on
from midfill_server.engines.backend import BackendError, Chunk, Order
from midfill_server.engines.choice import Choice
from midfill_server.keystroke.alternatives import Alternatives
from midfill_server.keystroke.complete import Completer
from midfill_server.keystroke.flight import Ask
from midfill_server.keystroke.story import Stories, Story
from midfill_server.keystroke.typed import cursors_after, typed_since
from midfill_server.settings import Settings, read_settings
from midfill_server.trim import grammar


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
    texts = await ls.answer(params.text_document.uri, params.position, explicit, ghost.grow, chosen)
    return ghost.finish(texts)


async def completion(ls: Server, params: lsp.CompletionParams) -> lsp.CompletionList:
    """The same text in a completion menu, for editors without ghost text."""
    uri = params.text_document.uri
    texts = await ls.answer(uri, params.position, explicit=False)
    if (document := ls.documents.get(uri)) is not None:
        texts = [text.replace("\n", document.newline) for text in texts]  # Helix inserts it as it is
    items = [menu_item(ls.documents, params, text) for text in texts]
    return lsp.CompletionList(is_incomplete=True, items=items)


def did_open(ls: Server, params: lsp.DidOpenTextDocumentParams) -> None:
    ls.documents.open(params.text_document)
    ls.completer.changed(params.text_document.uri, ())
    # off the way of keys: a language's first file may cost 20 ms
    asyncio.get_running_loop().run_in_executor(None, grammar, params.text_document.language_id)
    ls.engine.warm_up()


def did_change(ls: Server, params: lsp.DidChangeTextDocumentParams) -> None:
    uri = params.text_document.uri
    document = ls.documents.change(uri, params.text_document.version, params.content_changes)
    if document:
        ls.surroundings.edited(uri, document.cursor[0])
    ls.completer.changed(uri, ls.windows_after_edit(document) if document else ())


def did_close(ls: Server, params: lsp.DidCloseTextDocumentParams) -> None:
    ls.documents.close(params.text_document.uri)
    ls.surroundings.closed(params.text_document.uri)
    ls.asked.forget(params.text_document.uri)
    ls.completer.changed(params.text_document.uri, ())


def did_change_workspace_folders(ls: Server, params: lsp.DidChangeWorkspaceFoldersParams) -> None:
    ls.surroundings.change_roots(
        *([it.uri for it in side] for side in (params.event.added, params.event.removed))
    )


def initialize(ls: Server, params: lsp.InitializeParams) -> None:
    ls.documents.encoding = str(ServerCapabilitiesBuilder.choose_position_encoding(params.capabilities))
    ls.surroundings = Surroundings(_roots(params), log_without_text)
    ls.configure(params.initialization_options)
    ls.initial_settings = ls.settings
    if copilot.is_spoken_by(params.initialization_options):
        copilot.welcome(ls)
    announced = ls.protocol.raw_capabilities.get("textDocument") or {}
    if "inlineCompletion" not in announced:  # the key alone counts: Emacs' lsp-mode sends null and means yes
        ls.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions())(completion)


def initialized(ls: Server, _: lsp.InitializedParams) -> None:
    ls.watch_client(ls.process_id)
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
    ls.completer.forget()
    ls.engine.close()
    ls.statistics.write(ls.statistics.take())
    ls.why.close()


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
        self.surroundings = Surroundings()
        self.completer = Completer(self._stream)
        self.alternatives = Alternatives(self.completer, self._stream)
        self.stories = Stories()
        self.why = WhyFile(self.stories.lines)
        self.asked = Asked(typed_since)
        self._complaints: list[str] = []
        self.keeping: asyncio.Task[None] | None = None
        for method, handler, options in FEATURES:
            self.feature(method, options)(handler)
        for method, handler in requests.FEATURES + copilot.FEATURES:
            self.feature(method)(handler)
        for name, handler in requests.COMMANDS:
            self.command(name)(handler)

    async def answer(
        self,
        uri: str,
        position: lsp.Position,
        explicit: bool,
        grow: Callable[[str], None] = lambda _: None,
        chosen: str = "",
    ) -> list[str]:
        """The texts for one request, one unless it is explicit; none and one note when there can be none.

        Each begins with `chosen`: that is asked for as if the user had typed it already.
        Lines end with "\n" in every file: editors with ghost text give a file's lines their own ends, and
        Neovim would put a "\r" into the line.
        """
        name = uri.rpartition("/")[2]
        with self.stories.of(f"{name}:{position.line + 1}:{position.character + 1}") as story:
            try:
                texts = await self._answer(uri, position, explicit, grow, chosen, story)
            except Unsuitable as reason:
                story.ending = f"the document is {reason}"
                self.announce.note_once(f"No completion in {uri}: it is {reason}")
            except BackendError as error:  # the user has been told
                story.ending = str(error)
            else:
                for kind, seconds in story.latencies():
                    self.statistics.time(kind, seconds)
                return texts
            finally:
                self.why.touch()
        return []

    async def _answer(
        self,
        uri: str,
        position: lsp.Position,
        explicit: bool,
        grow: Callable[[str], None],
        chosen: str,
        story: Story,
    ) -> list[str]:
        """Raises Unsuitable, BackendError, and CancelledError."""
        document = self.documents.get(uri)
        if not self.engine.answers:
            story.ending = "Midfill is paused, or switched off"
            return []
        if document is None:
            story.ending = "the editor has not opened the document"
            self.announce.note_once(f"No completion in {uri}: the editor has not opened it")
            return []
        line, index = document.locate(position, self.documents.encoding)
        here = self.window(document, (line, index))
        wished = self.asked.asks(uri, here, explicit)
        verdict = self._verdict(uri, here, line, wished)
        if verdict.reason is not None:
            story.ending = f"not wanted here: {verdict.reason}"
            return self._stay_silent(uri, verdict.reason, wished)

        def growing(text: str) -> None:
            text = verdict.part_of(chosen + text)
            self.asked.answered(uri, here, text)
            grow(text)

        self._look_around(uri, line, here)
        multiline = here.multiline and not verdict.one_line
        window = replace(here, prefix=here.prefix + chosen, multiline=multiline)
        ask = self._ask(uri, window, explicit, wished, len(chosen))
        if explicit and (n := self.settings.alternatives) > 1:
            texts = await self.alternatives.complete(ask, n, growing, story)
        else:
            texts = [await self.completer.complete(ask, growing, story)]
        texts = [part for text in texts if text and (part := verdict.part_of(chosen + text))]
        self.asked.answered(uri, here, texts[0] if texts else "")
        return texts

    def window(self, document: Document, place: tuple[int, int]) -> Window:
        """Raises Unsuitable."""
        if document.length > MAX_DOCUMENT:
            raise Unsuitable("too large")
        settings = self.settings
        return window_at(
            document.lines,
            *place,
            seam.LARGE.prefix if settings.prefix_tokens is None else settings.prefix_tokens,
            seam.LARGE.suffix if settings.suffix_tokens is None else settings.suffix_tokens,
            settings.multiline,
            document.language,
        )

    def windows_after_edit(self, document: Document) -> Sequence[Window]:
        """Around each place where the user may be now."""
        try:
            return [self.window(document, it) for it in document.places(cursors_after(document.inserted[1]))]
        except Unsuitable:
            return ()

    def _verdict(self, uri: str, window: Window, line: int, wished: bool) -> Verdict:
        request = Request(
            window,
            *self.surroundings.place_of(uri),
            wished,
            snoozed=self.engine.is_snoozed(),
            cut=window.prefix.count("\n") < line,
            unsaved=uri.startswith("untitled:"),
        )
        return verdict_on(request, self.settings)

    def _stay_silent(self, uri: str, reason: Reason, wished: bool) -> list[str]:
        """No text here, nor for an earlier request in this document."""
        self.completer.changed(uri, ())
        if wished and reason in NOTES:
            self.announce.note_once(f"No completion in {uri}: {NOTES[reason]}")
        return []

    def configure(self, options: object) -> None:
        """Take over the user's settings; what was known or under way with other ones is dropped."""
        settings, self._complaints = read_settings(options, self.initial_settings)
        self.statistics.on = settings.statistics
        logging.getLogger("midfill_server").setLevel(settings.log_level.upper())
        if settings == self.settings:
            return
        self.settings = settings
        self.completer.forget()
        self.surroundings.exclude(settings.exclude)
        self.engine.use(settings)

    def complain(self) -> None:
        """One message for everything that is wrong in the settings."""
        if self._complaints:
            self.announce.warn_once("; ".join(self._complaints) + " (the default is used)")

    def _text_of(self, uri: str) -> str | None:
        document = self.documents.get(uri)
        return None if document is None else document.text.replace("\r\n", "\n").replace("\r", "\n")

    def pause(self, paused: bool) -> None:
        """Offer nothing in this window until it is resumed; what is under way is dropped."""
        self.engine.pause(paused)
        if paused:
            self.completer.forget()

    def snooze(self, minutes: float) -> None:
        """Offer nothing by itself in this window for so long; what is under way is dropped."""
        self.engine.snooze(60 * minutes)
        self.completer.forget()

    async def restart(self) -> None:
        """Stop the engine, for all windows, and start one with this window's settings."""
        self.completer.forget()
        await self.engine.restart()

    def _look_around(self, uri: str, line: int, window: Window) -> None:
        """Let other files be looked at while the debounce runs."""
        if self.settings.context and (budgets := self.engine.budgets) is not None:
            documents = {name: document.lines for name, document in self.documents.items()}
            self.surroundings.prepare(uri, line, (window.prefix, window.suffix), budgets, documents)

    async def _stream(self, order: Order) -> AsyncGenerator[Chunk]:
        """What the engine writes, asked with what the rest of the file and other files say."""
        if (document := self.documents.get(order.uri)) is not None:
            order = replace(order, head=head(document.lines))
        if self.settings.context:
            context = await self.surroundings.of(order.uri)
            order = replace(order, context=context, context_tokens=self.settings.context_tokens)
        async with aclosing(self.engine.stream(order)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _ask(self, uri: str, window: Window, explicit: bool, wished: bool, chosen: int) -> Ask:
        settings = self.settings
        debounce = 0.0 if explicit else settings.debounce_ms / 1000
        budgets = settings.max_tokens, settings.prefix_tokens, settings.suffix_tokens
        return Ask(
            uri,
            window,
            debounce,
            *budgets,
            chosen=chosen,
            prefetch=self._prefetches(),
            confidence=0.0 if wished else settings.confidence,  # who asks is shown all
        )

    def _prefetches(self) -> bool:
        """By itself only on a GPU of this machine: on a CPU it costs heat, from a server perhaps money."""
        if self.settings.prefetch == "auto":
            return self.engine.on_gpu
        return self.settings.prefetch == "on"


FEATURES: tuple[tuple[str, Callable[..., object], object], ...] = (
    (lsp.INITIALIZE, initialize, None),
    (lsp.INITIALIZED, initialized, None),
    (lsp.SHUTDOWN, shutdown, None),
    (lsp.TEXT_DOCUMENT_DID_OPEN, did_open, None),
    (lsp.TEXT_DOCUMENT_DID_CHANGE, did_change, None),
    (lsp.TEXT_DOCUMENT_DID_CLOSE, did_close, None),
    (lsp.WORKSPACE_DID_CHANGE_CONFIGURATION, did_change_configuration, None),
    (lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, did_change_workspace_folders, None),
    (lsp.TEXT_DOCUMENT_INLINE_COMPLETION, inline_completion, lsp.InlineCompletionOptions()),
)


def _roots(params: lsp.InitializeParams) -> list[Path]:
    """The workspace's folders."""
    named = [it.uri for it in params.workspace_folders or ()]
    named += [params.root_uri] if params.root_uri and not named else []
    return [path for uri in named if (path := path_of(uri)) is not None]
