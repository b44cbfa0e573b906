"""Commas of JSON: none before what closes, one between two members."""

import re

from midfill_server.context import Window

from .brackets import CLOSER

_LANGUAGES = ("json", "jsonc")
_TOO_MANY = re.compile(r"(\"(?:\\.|[^\"\\\n])*\"?)|,(?=\s*[\]}])")
_STRING = re.compile(r"\"(?:\\.|[^\"\\\n])*\"")
_VALUE_ENDS = re.compile(r"[\w\"}\]]\Z")
_VALUE_BEGINS = re.compile(r"[\w\"{\[-]")


def commas(text: str, window: Window) -> str:
    """Without commas before closers; nothing where a member would follow another one without a comma."""
    if window.language not in _LANGUAGES or _in_string(window.line_start):
        return text
    if _follows_member(window) and _VALUE_BEGINS.match(text.lstrip()):
        return ""
    text = _TOO_MANY.sub(lambda found: found[1] or "", text)
    closed = window.suffix.lstrip()[:1] in (*CLOSER.values(),)
    return text.rstrip().removesuffix(",") if closed and text.rstrip().endswith(",") else text


def before_comma(text: str, window: Window) -> str:
    """A growing text without the comma that may be one too many."""
    text = commas(text, window)
    return text.rstrip().rstrip(",") if window.language in _LANGUAGES else text


def comma_behind(text: str, window: Window) -> str:
    """With the comma that separates the item from the member below."""
    if window.language not in _LANGUAGES or not text or window.line_rest.strip():
        return text
    line = (window.line_start + text).rpartition("\n")[2]
    lacks = _VALUE_ENDS.search(text) and _VALUE_BEGINS.match(window.suffix.lstrip())
    return text + "," if lacks and not _in_string(line) else text


def _follows_member(window: Window) -> bool:
    """Whether the last thing before the cursor is a whole member."""
    before = window.prefix.rstrip()
    line = _STRING.sub('""', before.rpartition("\n")[2])
    separate = len(before) < len(window.prefix) and "//" not in line and "*/" not in line
    return separate and bool(_VALUE_ENDS.search(before))


def _in_string(line: str) -> bool:
    return '"' in _STRING.sub("", line)
