"""Whether a whole item fits its place: by the grammar where there is one here, else by brackets alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from midfill_server.context import Window

from . import python
from .brackets import balanced
from .shape import one_line_only

Judge = Callable[[str, Window], bool | None]  # None: cannot tell

GRAMMARS: dict[str, Judge] = {"python": python.fits}
"""By LSP's name of the language."""

_WORD = re.compile(r"\w")


def fitting(text: str, window: Window) -> str:
    """The longest beginning of the item, in whole lines, that leaves no broken code; "" when none does."""
    if not text.strip():
        return text
    judge = GRAMMARS.get(window.language, _cannot_tell)
    verdict = judge(text, window)
    if verdict is None:
        verdict = brackets_fit(text, window, strictly=judge is not _cannot_tell)
    if verdict:
        return text
    return next((part for part in _beginnings(text) if judge(part, window)), "")


def brackets_fit(text: str, window: Window, strictly: bool = False) -> bool:
    """In the middle of a line that is whole without it, an item must be whole in itself.

    `strictly`: the grammar could not tell, as the code around is broken; then the line must become whole.
    """
    rest = window.line_rest
    if not one_line_only(window) or not rest.strip():
        return True
    if _WORD.match(rest) and text[-1] in ")]}\"'`:":
        return False  # no language writes `)word` or `"word`
    if strictly:
        return balanced(window.line_start + text + rest)
    return balanced(text) or not balanced(window.line_start + rest)


def _cannot_tell(_: str, __: Window) -> bool | None:
    return None


def _beginnings(text: str) -> Iterator[str]:
    while "\n" in text:
        text = text[: text.rfind("\n")].rstrip()
        if text:
            yield text
