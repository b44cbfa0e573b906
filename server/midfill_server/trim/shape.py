"""One line or one block: which, the syntax at the cursor decides; and where it is complete."""

import re

from midfill_server.context import Window

from .lines import CLOSERS, columns

_BEHIND_BRACE = re.compile(r"}[,;()][^\"'`]*\Z")
"""A call's other arguments, its brackets; with quotes it may be a string that holds the brace."""


def one_line_only(window: Window) -> bool:
    """Text right of the cursor, other than closers: an item of several lines would tear the line apart.

    Not so where it belongs behind the brace that the editor closed: `effect(() => {║}, [a])`.
    """
    rest = window.line_rest
    if window.line_start.endswith("{") and _BEHIND_BRACE.match(rest):
        return not window.multiline
    return not window.multiline or bool(rest.strip(CLOSERS + " \t"))


def one_unit(text: str, window: Window) -> str:
    """One line, or one block: see `_unit`."""
    return _unit(text, window)[0]


def is_complete(text: str, window: Window) -> bool:
    """Whether `text` holds a whole unit, and what comes after it would be cut off."""
    return _unit(text, window)[1]


def whole_lines(text: str) -> str:
    """Without a last line that has no end: it still grows, or was cut. A first line is kept in any case."""
    head = text[: max(text.rfind("\n"), text.rfind("\r"), 0)]
    return head if head.strip() else text


def _unit(text: str, window: Window) -> tuple[str, bool]:
    """(the unit that `text` begins with, whether it is complete).

    A line that has begun is finished together with the deeper lines below it and the line that closes it.
    On an empty line a block runs to the first blank line or to a line that is indented less.
    """
    lines = text.split("\n")
    if one_line_only(window):
        return lines[0], len(lines) > 1
    begun = bool(window.line_start.strip() and lines[0].strip())
    base = columns(window.line_start + lines[0] if lines[0].strip() else window.line_start)
    something = bool(lines[0].strip())
    for n, line in enumerate(lines[1:], start=1):
        growing = n == len(lines) - 1
        if _in_docstring(window.line_start + "\n".join(lines[:n])):
            something = True
        elif not line.strip():
            if something and not growing:
                return "\n".join(lines[:n]), True
        elif growing and columns(line) >= base and "end".startswith(line.strip()):
            something = True  # it may become the word that closes a block
        elif columns(line) < base or (begun and columns(line) == base and not _closes_block(line)):
            return "\n".join(lines[:n]), True
        elif (
            begun
            and columns(line) == base
            and not growing
            and not line.rstrip().endswith(("{", ":", "(", "["))
        ):
            return "\n".join(lines[: n + 1]), True
        else:
            something = True
    return text, False


def _in_docstring(text: str) -> bool:
    """Whether a string of three quotes is open at its end: blank lines and indentation mean nothing there."""
    return any(text.count(quotes) % 2 for quotes in ('"""', "'''"))


def _closes_block(line: str) -> bool:
    return bool(re.match(r"\s*(?:[)\]}]|end\b)", line))
