"""What an answer looks like in LSP: ghost text, which may grow, or an entry of a menu."""

from __future__ import annotations

import re

from lsprotocol import types as lsp

from midfill_server.editor.commands import ACCEPTED
from midfill_server.editor.documents import Documents
from midfill_server.editor.protocol import InlineCompletionParams, Protocol
from midfill_server.editor.record.offers import Offers


class GhostText:
    """The answer to one request, and its partial results: none without a token."""

    def __init__(
        self, protocol: Protocol, offers: Offers, documents: Documents, params: InlineCompletionParams
    ) -> None:
        self._protocol, self._offers = protocol, offers
        self._uri = params.text_document.uri
        self._before = _line_start(documents, self._uri, params.position)
        self._token, self._position = params.partial_result_token, params.position
        self._sent: list[str] | None = None
        self._ids: list[str] = []  # of what was offered, by its place in the list

    def grow(self, text: str) -> None:
        self._send([text] if text else [])

    def finish(self, texts: list[str]) -> lsp.InlineCompletionList:
        """All of them, the first as it grew."""
        if self._sent is None:
            return lsp.InlineCompletionList(self._items(texts))
        self._send(texts)
        return lsp.InlineCompletionList([])

    def _send(self, texts: list[str]) -> None:
        if self._token is not None and texts != self._sent:
            self._sent = texts
            value = [self._protocol.plain(item) for item in self._items(texts)]
            self._protocol.notify(lsp.PROGRESS, lsp.ProgressParams(self._token, value))

    def _items(self, texts: list[str]) -> list[lsp.InlineCompletionItem]:
        return [self._item(number, text) for number, text in enumerate(texts)]

    def _item(self, number: int, text: str) -> lsp.InlineCompletionItem:
        line = self._before + text
        if number == len(self._ids):
            self._ids.append(self._offers.new(self._uri, line))
        else:
            self._offers.grow(self._ids[number], line)
        here = lsp.Range(self._position, self._position)
        accepted = lsp.Command("", ACCEPTED, arguments=[self._ids[number]])
        return lsp.InlineCompletionItem(text, range=here, command=accepted)


def _line_start(documents: Documents, uri: str, position: lsp.Position) -> str:
    """The position's line up to there."""
    if (document := documents.get(uri)) is None:
        return ""
    line, index = document.locate(position, documents.encoding)
    return document.lines[line][:index]


def rest_of_selection(documents: Documents, params: InlineCompletionParams) -> str | None:
    """What the entry that is selected in the editor's own menu would add: ghost text must begin with it.

    None when the entry is no continuation of what was typed: then no ghost text can agree with it.
    """
    selected, document = params.context.selected_completion_info, documents.get(params.text_document.uri)
    if selected is None or document is None:
        return ""
    line, end = document.locate(params.position, documents.encoding)
    first, start = document.locate(selected.range.start, documents.encoding)
    typed = document.lines[line][start:end] if first == line else ""
    return selected.text.removeprefix(typed) if selected.text.startswith(typed) else None


def menu_item(documents: Documents, params: lsp.CompletionParams, text: str) -> lsp.CompletionItem:
    """Kind Text, because Helix indents snippets twice. The label is what the menu shows, and filters by."""
    found = re.search(r"\w*\Z", _line_start(documents, params.text_document.uri, params.position))
    word = found[0] if found else ""
    first_line = text.strip().partition("\n")[0].strip()
    return lsp.CompletionItem(
        label=first_line if text[0].isspace() else word + first_line,
        kind=lsp.CompletionItemKind.Text,
        detail="Midfill",
        filter_text=word + first_line,
        sort_text="\uffff",
        insert_text_mode=lsp.InsertTextMode.AsIs,
        text_edit=lsp.TextEdit(lsp.Range(params.position, params.position), text),
    )
