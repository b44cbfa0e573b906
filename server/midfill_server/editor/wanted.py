"""Whether ghost text is wanted at a place, and if not, for which reason. Pure.

Who asks explicitly is answered everywhere, but in excluded files and in secrets that would go to a `url`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from midfill_server.context import Window
from midfill_server.context.files import is_secret, stays_here
from midfill_server.context.languages.place import place_at_end
from midfill_server.settings import Settings

Reason = Literal["excluded", "secret", "snoozed", "manual", "language off", "in a comment", "in a string"]

LOOKED_AT = 20_000  # characters before the cursor tell the kind of place, in about 0.5 ms
NOTES: dict[Reason, str] = {
    "excluded": "the setting `exclude` names it",
    "secret": "it looks like a secret, and those are never sent to a `url`",
}
"""What somebody is told who asked explicitly."""


_NAMELESS = PurePath()


@dataclass(frozen=True, slots=True)
class Request:
    window: Window
    path: PurePath = _NAMELESS
    """From the workspace's folder on; outside of all the whole one."""
    excluded: bool = False
    wished: bool = False
    """Whether somebody asked with a key, or goes on with what that brought."""
    snoozed: bool = False
    cut: bool = False
    """Whether the window begins later than the file."""
    unsaved: bool = False
    """Whether it is a new file, which VS Code calls plaintext as long as it does not know better."""


@dataclass(frozen=True, slots=True)
class Verdict:
    reason: Reason | None = None
    """Why nothing is wanted; None: something is."""
    one_line: bool = False
    """Whether no more than the rest of the line is wanted."""
    deleted: str = ""
    """What the user has just deleted there: it is not offered again."""

    def part_of(self, text: str) -> str:
        """What of a text is wanted; an answer that is known may have more lines."""
        begun = text.lstrip()  # blanks may have gone with it, or stay
        if self.deleted and (begun.startswith(self.deleted) or self.deleted.startswith(begun)):
            return ""
        if not self.one_line:
            return text
        line = text.partition("\n")[0]
        return line if line.strip() else ""


def verdict_on(request: Request, settings: Settings) -> Verdict:
    window = request.window
    if request.excluded:
        return Verdict("excluded")
    file = request.path, window.prefix, window.suffix
    if (settings.urls and stays_here(*file)) or (not request.wished and is_secret(*file)):
        return Verdict("secret")
    if request.wished:
        return Verdict()
    if request.snoozed:
        return Verdict("snoozed")
    if settings.trigger == "manual":
        return Verdict("manual")
    if not _is_on("" if request.unsaved and window.language == "plaintext" else window.language, settings):
        return Verdict("language off")
    return _verdict_on_place(request, settings)


def _is_on(language: str, settings: Settings) -> bool:
    """Whether `languages` allows a language; `*` stands for all that it does not name."""
    told = dict(settings.languages)
    return told.get(language, told.get("*", True))


def _verdict_on_place(request: Request, settings: Settings) -> Verdict:
    if settings.in_comments == settings.in_strings == "on":
        return Verdict()
    prefix, cut = request.window.prefix, request.cut
    if len(prefix) > LOOKED_AT:
        prefix, cut = prefix[prefix.find("\n", len(prefix) - LOOKED_AT) + 1 :], True
    kind = place_at_end(prefix, request.window.language, cut).kind
    if kind == "code":
        return Verdict()
    mode = settings.in_comments if kind == "comment" else settings.in_strings
    if mode == "off":
        return Verdict("in a comment" if kind == "comment" else "in a string")
    return Verdict(one_line=mode == "words")


class Asked:
    """What was asked for explicitly, of each document: to type on what came is not to ask anew.

    `typed_since`: what was typed between two windows; None when anything else happened.
    """

    def __init__(self, typed_since: Callable[[Window, Window], str | None]) -> None:
        self._typed_since = typed_since
        self._last: dict[str, tuple[Window, tuple[str, ...]]] = {}

    def asks(self, uri: str, window: Window, explicit: bool) -> bool:
        """Whether a request is wished for: it is explicit, or goes on with one that was."""
        if explicit:
            self._last[uri] = window, ()
            return True
        if uri not in self._last:
            return False
        before, texts = self._last[uri]
        typed = self._typed_since(before, window)
        goes_on = typed == "" or (
            typed is not None and any(text.startswith(typed) and text != typed for text in texts)
        )
        if not goes_on:
            del self._last[uri]
        return goes_on

    def answered(self, uri: str, window: Window, texts: Sequence[str]) -> None:
        """What is shown there, perhaps while it grows. What else the user could choose from stays known."""
        if uri not in self._last:
            return
        before, known = self._last[uri]
        if (typed := self._typed_since(before, window)) is not None:
            whole = tuple(typed + text for text in texts)
            others = (it for it in known if it.startswith(typed) and not any(w.startswith(it) for w in whole))
            self._last[uri] = before, (*whole, *others)

    def forget(self, uri: str) -> None:
        self._last.pop(uri, None)
