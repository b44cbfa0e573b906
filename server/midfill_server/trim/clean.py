"""Filters that know nothing of code: delimiters, line ends, blanks."""

import re

from midfill_model.fim import CONTROL
from midfill_server.context import Window

_OPEN_DELIMITER = re.compile(r"<｜[^｜\n]{0,32}｜?$", re.M)


def control_tokens(text: str, _: Window) -> str:
    """Delimiters never reach the editor, nor the start of one at the end of a line, which may be growing."""
    cut = min((text.index(mark) for mark in CONTROL if mark in text), default=len(text))
    while opened := _OPEN_DELIMITER.search(text, 0, cut):  # before one there may be the start of another
        cut = opened.start()
    return text[:cut]


def before_delimiter(text: str, _: Window) -> str:
    """Without the signs at the end of a growing text of which the last may become a delimiter."""
    return text.rstrip("<")


def has_control_token(text: str) -> bool:
    return any(mark in text for mark in CONTROL)


def unix_newlines(text: str, _: Window) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def trailing_blanks(text: str, _: Window) -> str:
    """None at the end; and nothing but blanks is nothing."""
    return text.rstrip()
