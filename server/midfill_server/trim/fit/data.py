"""JSON and TOML by the standard library's parsers: a file that can be whole is whole with the item."""

import json
import re
import tomllib
from collections.abc import Callable
from functools import lru_cache

from midfill_server.context import Window

from .commas import comma_behind, commas

LANGUAGES = frozenset(("json", "toml"))
_LONGEST = 16_000  # characters of JSON, parsed in 0.2 ms
_TABLE = 3_000  # characters of TOML on each side, whose parser is slower
_HEADER = re.compile(r"^\[[^\n]*\][ \t]*(?:#[^\n]*)?$", re.M)
_STAND_INS = {
    "json": ("", "0", '"x": 0', "0,", '"x": 0,', ', "x": 0', ", 0", '"x"', ": 0"),
    "toml": ("", "x9 = 0", "0", "0,", "= 0", "[x9]"),
}
"""What may stand at a cursor."""


@lru_cache(maxsize=32)
def fits(text: str, window: Window) -> bool | None:
    """Whether the file parses with the item; None where it does not with anything: it is broken, or cut."""
    whole = comma_behind(commas(text, window), window)
    around = _around(window)
    if around is None:
        return None
    if _parses(whole, around, window.language):
        return True
    return False if _can_be_whole(window) else None


@lru_cache(maxsize=4)
def _can_be_whole(window: Window) -> bool:
    around = _around(window)
    return around is not None and any(
        _parses(it, around, window.language) for it in _STAND_INS[window.language]
    )


@lru_cache(maxsize=4)
def _around(window: Window) -> tuple[str, str] | None:
    """The file, or the table of TOML, up to the cursor and from it; None for too much text."""
    before, after = window.prefix, window.suffix
    if window.language == "toml":
        before, after = before[-_TABLE:], after[:_TABLE]
        headers = [it.start() for it in _HEADER.finditer(before, 0, before.rfind("\n") + 1)]
        before = before[headers[-1] if headers else 0 :]
        if next_one := _HEADER.search(after, max(0, after.find("\n"))):
            after = after[: next_one.start()]
    return (before, after) if len(before) + len(after) <= _LONGEST else None


def _parses(text: str, around: tuple[str, str], language: str) -> bool:
    parse: Callable[[str], object] = json.loads if language == "json" else tomllib.loads
    try:
        parse(around[0] + text + around[1])
    except (ValueError, RecursionError):
        return False
    return True
