"""Filters that know nothing of code: delimiters, line ends, blanks."""

import re

from midfill_model.fim import CONTROL
from midfill_server.context import Window

from .lines import indent

_OPEN_DELIMITER = re.compile(r"<｜[^｜\n]{0,32}｜?$", re.M)
_OPENS = re.compile(r"[:({\[,\\=>|&+-]\Z|\b(?:do|then|else|begin)\Z")


def control_tokens(text: str, _: Window) -> str:
    """Delimiters never reach the editor, nor the start of one at the end of a line, which may be growing."""
    cut = min((text.index(mark) for mark in CONTROL if mark in text), default=len(text))
    while opened := _OPEN_DELIMITER.search(text, 0, cut):  # before one there may be the start of another
        cut = opened.start()
    return text[:cut]


def before_delimiter(text: str, _: Window) -> str:
    """Without the sign at the end of a growing text that may become a delimiter."""
    return text.removesuffix("<")


def has_control_token(text: str) -> bool:
    return any(mark in text for mark in CONTROL)


def unix_newlines(text: str, _: Window) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def indentation(text: str, window: Window) -> str:
    """A line that is indented already gets no second indentation: only after what opens a block."""
    first = text.partition("\n")[0]
    extra = indent(first)
    line_start = window.line_start
    if not extra or line_start.strip() or not line_start or not first.strip():
        return text
    above = window.prefix[: len(window.prefix) - len(line_start)].rstrip()
    above = above[above.rfind("\n") + 1 :]
    if not above or _OPENS.search(above) or not above.startswith(line_start):
        return text
    if indent(above) >= len(line_start) + extra:
        return text  # as deep as the line above
    return "\n".join([first[extra:], *(_less(line, extra) for line in text.split("\n")[1:])])


def trailing_blanks(text: str, _: Window) -> str:
    """None at the end; and nothing but blanks is nothing."""
    return text.rstrip()


def _less(line: str, extra: int) -> str:
    """Without so many of its leading blanks."""
    return line[min(extra, indent(line)) :]
