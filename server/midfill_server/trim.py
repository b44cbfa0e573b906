"""From what the model wrote to what is worth showing: pure filters (text, window) -> text, in one tuple.

Every filter also works on a text that is still growing, so the same tuple serves partial results.
"""

import re
from collections.abc import Callable

from midfill_model.fim import CONTROL
from midfill_server.context import Window

Filter = Callable[[str, Window], str]


def trim(text: str, window: Window) -> str:
    """The part of `text` that can be inserted at the cursor, with \\n line ends; "" when nothing is left."""
    for apply in FILTERS:
        text = apply(text, window)
    return text


def settled(text: str, window: Window) -> str:
    """What can be shown of a text that still grows: nothing that would soon have to be taken back."""
    shown = trim(whole_lines(text), window)
    rest = window.line_rest.strip()
    overlaps = (n for n in range(min(len(rest), len(shown)), 0, -1) if shown.endswith(rest[:n]))
    return shown[: len(shown) - next(overlaps, 0)].rstrip()


def is_final(text: str, window: Window) -> bool:
    """True when nothing that the model may still write can change the outcome."""
    if any(mark in text for mark in CONTROL):
        return True
    return _unit(unix_newlines(text, window), window)[1]


def whole_lines(text: str) -> str:
    """Without a last line that has no end: it still grows, or was cut. A first line is kept in any case."""
    head = text.rpartition("\n")[0]
    return head if head.strip() else text


def one_line_only(window: Window) -> bool:
    """Text right of the cursor, other than closers: an item of several lines would tear the line apart."""
    return not window.multiline or bool(window.line_rest.strip(_CLOSERS + " \t"))


def control_tokens(text: str, _: Window) -> str:
    """Delimiters never reach the editor, nor the start of one at the end of a growing text."""
    cut = min((text.index(mark) for mark in CONTROL if mark in text), default=len(text))
    return _OPEN_DELIMITER.sub("", text[:cut])


def unix_newlines(text: str, _: Window) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def one_unit(text: str, window: Window) -> str:
    """One line, or one block: see `_unit`."""
    return _unit(text, window)[0]


def rest_of_line(text: str, window: Window) -> str:
    """Do not repeat what already stands right of the cursor, nor close a bracket or quote closed there."""
    rest = window.line_rest.strip()
    if not rest:
        return text
    if rest[0] in _OPENER:
        return text[: _unmatched(text, rest[0])]
    if rest[0] in _QUOTES and window.line_start.count(rest[0]) % 2:
        return text.partition(rest[0])[0]
    return text.rstrip().removesuffix(rest) if text.rstrip().endswith(rest) else text


def next_lines(text: str, window: Window) -> str:
    """Do not end with lines that already follow below."""
    below = [line.rstrip() for line in window.suffix.partition("\n")[2].lstrip("\n").split("\n")]
    lines = [line.rstrip() for line in (window.line_start + text).rstrip().split("\n")]
    first = 1 if window.line_start.strip() else 0
    for start in range(first, len(lines)):
        tail = lines[start:]
        if tail[0] and tail == below[: len(tail)] and (_has_words(tail) or _closes_too_much(text)):
            return "\n".join(lines[:start])[len(window.line_start) :]
    return text


def trailing_blanks(text: str, _: Window) -> str:
    return text.rstrip()


FILTERS: tuple[Filter, ...] = (
    control_tokens,
    unix_newlines,
    one_unit,
    rest_of_line,
    next_lines,
    trailing_blanks,
)

_OPENER = {")": "(", "]": "[", "}": "{"}
_QUOTES = "\"'`"
_CLOSERS = ")]}>\"'`;:,"
_OPEN_DELIMITER = re.compile(r"<｜[^｜\n]{0,32}(?:｜)?\Z")
_STRING = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'")


def _unit(text: str, window: Window) -> tuple[str, bool]:
    """(the unit that `text` begins with, whether it is complete).

    A line that has begun is finished together with the deeper lines below it and the line that closes it.
    On an empty line a block runs to the first blank line or to a line that is indented less.
    """
    lines = text.split("\n")
    if one_line_only(window):
        return lines[0], len(lines) > 1
    begun = bool(window.line_start.strip() and lines[0].strip())
    base = _indent(window.line_start + lines[0] if lines[0].strip() else window.line_start)
    something = bool(lines[0].strip())
    for n, line in enumerate(lines[1:], start=1):
        growing = n == len(lines) - 1
        if not line.strip():
            if something and not growing:
                return "\n".join(lines[:n]), True
        elif _indent(line) < base or (begun and _indent(line) == base and not _closes_block(line)):
            return "\n".join(lines[:n]), True
        elif (
            begun
            and _indent(line) == base
            and not growing
            and not line.rstrip().endswith(("{", ":", "(", "["))
        ):
            return "\n".join(lines[: n + 1]), True
        else:
            something = True
    return text, False


def _indent(line: str) -> int:
    wide = line.expandtabs()
    return len(wide) - len(wide.lstrip())


def _closes_block(line: str) -> bool:
    return bool(re.match(r"\s*(?:[)\]}]|end\b)", line))


def _unmatched(text: str, closer: str) -> int:
    """Where `closer` first closes a bracket that `text` did not open; the text's length if nowhere."""
    depth = 0
    for i, character in enumerate(_STRING.sub(lambda quoted: "x" * len(quoted[0]), text)):
        depth += (character == _OPENER[closer]) - (character == closer)
        if depth < 0:
            return i
    return len(text)


def _has_words(lines: list[str]) -> bool:
    return any(character.isalnum() for line in lines for character in line)


def _closes_too_much(text: str) -> bool:
    return any(_unmatched(text, closer) < len(text) for closer in _OPENER)
