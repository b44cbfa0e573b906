"""From a request to its texts: is ghost text wanted here, what is around, and then the keystroke."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from lsprotocol import types as lsp

from midfill_model import seam
from midfill_server.context import MAX_DOCUMENT, Unsuitable, Window, window_at
from midfill_server.context.languages.comments import comment
from midfill_server.context.languages.names import language_of, says_something
from midfill_server.context.outline import head
from midfill_server.context.surroundings import Surroundings
from midfill_server.editor.announce import Announcer
from midfill_server.editor.documents import Document, Documents, Notebooks, View
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
from midfill_server.settings import Settings
from midfill_server.trim.gate import bar


class Answers:
    """Answers the requests of one editor, with the settings of the moment."""

    def __init__(
        self, documents: Documents, engine: Choice, announce: Announcer, statistics: Statistics
    ) -> None:
        self.settings = Settings()
        self.surroundings = Surroundings()
        self._completer = Completer(self._stream)
        self._documents, self._engine = documents, engine
        self.notebooks = Notebooks(documents)
        self._announce, self._statistics = announce, statistics
        self._alternatives = Alternatives(self._completer, self._stream)
        self._stories = Stories()
        self.why = WhyFile(self._stories.lines)
        self._asked = Asked(typed_since)

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
        with self._stories.of(f"{name}:{position.line + 1}:{position.character + 1}") as story:
            try:
                texts = await self._answer(uri, position, explicit, grow, chosen, story)
            except Unsuitable as reason:
                story.ending = f"the document is {reason}"
                self._announce.note_once(f"No completion in {uri}: it is {reason}")
            except BackendError as error:  # the user has been told
                story.ending = str(error)
            else:
                for kind, seconds in story.latencies():
                    self._statistics.time(kind, seconds)
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
        document = self._documents.get(uri)
        if not self._engine.answers:
            story.ending = "Midfill is paused, or switched off"
            return []
        if document is None:
            story.ending = "the editor has not opened the document"
            self._announce.note_once(f"No completion in {uri}: the editor has not opened it")
            return []
        line, index = document.locate(position, self._documents.encoding)
        view = self.notebooks.view(document)
        here = self._window(document, view, (line, index))
        wished = self._asked.asks(uri, here, explicit)
        verdict = self._verdict(view, here, line, wished)
        if not wished:
            verdict = replace(verdict, deleted=document.deleted_at((line, index)).strip())
        if verdict.reason is not None:
            story.ending = f"not wanted here: {verdict.reason}"
            return self._stay_silent(uri, verdict.reason, wished)

        def growing(text: str) -> None:
            text = verdict.part_of(chosen + text)
            self._asked.answered(uri, here, [text])
            grow(text)

        self._look_around(view, line, here)
        if self._says_nothing(view.uri, here):
            story.ending = "an empty file, and nothing tells what belongs there"
            return []
        multiline = here.multiline and not verdict.one_line
        window = replace(here, prefix=here.prefix + chosen, multiline=multiline)
        window = replace(window, elsewhere=(head(view.lines), *self._told(view.uri)))
        ask = self._ask(uri, window, explicit, wished, len(chosen))
        if explicit and (n := self.settings.alternatives) > 1:
            found = await self._alternatives.complete(ask, n, growing, story)
        else:
            found = [await self._completer.complete(ask, growing, story)]
        texts = [part for text in found if text and (part := verdict.part_of(chosen + text))]
        if any(found) and not texts:
            story.ending = "not wanted here: just deleted, or beyond the line"
        self._asked.answered(uri, here, texts)
        return texts

    def changed(self, document: Document) -> None:
        """The user has edited it: what does not agree with that is dropped."""
        view = self.notebooks.view(document)
        self.surroundings.edited(view.uri, view.first + document.cursor[0])
        self._completer.changed(document.uri, self._windows_after_edit(document, view))

    def closed(self, uri: str) -> None:
        self.surroundings.closed(self.notebooks.home_of(uri))
        self.notebooks.forget(uri)
        self._asked.forget(uri)
        self._completer.changed(uri, ())

    def forget(self) -> None:
        """Nothing that is known, under way or asked for counts any more."""
        self._completer.forget()
        self._asked = Asked(typed_since)

    def close(self) -> None:
        self._completer.forget()
        self.why.close()

    def use(self, settings: Settings) -> None:
        """What was known, or is under way, with other settings is dropped."""
        self.settings = settings
        self._completer.forget()
        self.surroundings.exclude(settings.exclude)

    def _window(self, document: Document, view: View, place: tuple[int, int]) -> Window:
        """Raises Unsuitable."""
        if document.length > MAX_DOCUMENT:
            raise Unsuitable("too large")
        settings = self.settings
        return window_at(
            view.lines,
            view.first + place[0],
            place[1],
            seam.LARGE.prefix if settings.prefix_tokens is None else settings.prefix_tokens,
            seam.LARGE.suffix if settings.suffix_tokens is None else settings.suffix_tokens,
            settings.multiline,
            document.language,
        )

    def _windows_after_edit(self, document: Document, view: View) -> Sequence[Window]:
        """Around each place where the user may be now."""
        places = document.places(cursors_after(document.inserted[1]))
        try:
            return [self._window(document, view, it) for it in places]
        except Unsuitable:
            return ()

    def _verdict(self, view: View, window: Window, line: int, wished: bool) -> Verdict:
        request = Request(
            window,
            *self.surroundings.place_of(view.uri),
            wished,
            snoozed=self._engine.is_snoozed(),
            cut=window.prefix.count("\n") < view.first + line,
            unsaved=view.uri.startswith("untitled:"),
        )
        return verdict_on(request, self.settings)

    def _stay_silent(self, uri: str, reason: Reason, wished: bool) -> list[str]:
        """No text here, nor for an earlier request in this document."""
        self._completer.changed(uri, ())
        if wished and reason in NOTES:
            self._announce.note_once(f"No completion in {uri}: {NOTES[reason]}")
        return []

    def _look_around(self, view: View, line: int, window: Window) -> None:
        """Let other files be looked at while the debounce runs."""
        if not self.settings.context or (budgets := self._engine.budgets) is None:
            return
        if self.surroundings.serves(view.uri, view.first + line, budgets):
            return
        views = {it.uri: it for it in self.notebooks.views(view)}
        documents = {uri: it.all_lines for uri, it in views.items()}
        languages = {uri: it.language for uri, it in views.items() if it.is_cell or uri[:5] != "file:"}
        around = window.prefix, window.suffix
        self.surroundings.prepare(view.uri, view.first + line, around, budgets, documents, languages)

    def _says_nothing(self, uri: str, window: Window) -> bool:
        """Whether the file is empty, its name says nothing, and neither do other files."""
        if (window.prefix + window.suffix).strip():
            return False
        told = self._told(uri)
        return not told or (len(told) == 1 and not says_something(self.surroundings.place_of(uri)[0]))

    def _told(self, uri: str) -> tuple[str, ...]:
        """What the engine is told beside the window, as far as that is known by now."""
        return self.surroundings.told(uri) or self._title(uri) if self.settings.context else ()

    def _title(self, uri: str) -> tuple[str, ...]:
        """The file's name alone, where nothing is told of other files: it tells the model the language."""
        path = self.surroundings.place_of(uri)[0]
        shown = path.name if path.is_absolute() else path.as_posix()
        return (comment(shown, shown) + "\n",) if language_of(path) else ()

    async def _stream(self, order: Order) -> AsyncGenerator[Chunk]:
        """What the engine writes, asked with what the rest of the file and other files say."""
        if (document := self._documents.get(order.uri)) is not None:
            order = replace(order, head=head(self.notebooks.view(document).lines))
        if self.settings.context:
            home = self.notebooks.home_of(order.uri)
            context = await self.surroundings.of(home) or self._title(home)
            order = replace(order, context=context, context_tokens=self.settings.context_tokens)
        async with aclosing(self._engine.stream(order)) as chunks:
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
            confidence=0.0 if wished else self._bar(window),  # who asks is shown all
            logprobs=settings.confidence > 0,
        )

    def _bar(self, window: Window) -> float:
        return bar(self.settings.confidence, self._engine.knows(window.language))

    def _prefetches(self) -> bool:
        """By itself only on a GPU of this machine: on a CPU it costs heat, from a server perhaps money."""
        if self.settings.prefetch == "auto":
            return self._engine.on_gpu
        return self.settings.prefetch == "on"
