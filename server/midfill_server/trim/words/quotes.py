"""Quotes and fences that are alone on a line: what is left of a text, and what cannot begin there."""

import re

from midfill_server.context import Window

_FENCE_LINE = re.compile(r"^ *```(.*)$", re.MULTILINE)
_FENCE = re.compile(r"\s*(?:`{1,2}(?!`)|```\w)")
_PAIRS = frozenset({"`", "``", '""', "''", '""""""', "''''''"})


def lone_quotes(text: str, window: Window) -> str:
    """Nothing where only quotes are left on a line of their own, or a fence begins in a fence."""
    if not window.language or window.line_start.strip():
        return text
    return "" if _bare_quotes(text) in _PAIRS or _fence_in_fence(text, window) else text


def before_quotes(text: str, window: Window) -> str:
    """Of a text that grows nothing, while it may become such quotes."""
    if not window.language or window.line_start.strip():
        return text
    return "" if not _bare_quotes(text).strip("\"'`") or _fence_in_fence(text, window) else text


def _fence_in_fence(text: str, window: Window) -> bool:
    if window.language != "markdown" or not _FENCE.match(text):
        return False
    fences = _FENCE_LINE.findall(window.prefix)  # the window may begin in one: what has a name opens
    return bool(fences) and bool(fences[-1]) and "```" in window.suffix


def _bare_quotes(text: str) -> str:
    return text.strip().lstrip("rRbBuUfF")
