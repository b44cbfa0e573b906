"""Lines that stand there already, and lines that the model writes again and again."""

from itertools import takewhile

from midfill_server.context import Window

from .brackets import first_unmatched

_BELOW = 3  # lines that a reader sees at once
_PHRASE = range(6, 64)  # characters
_LONGEST_ROW = 40  # lines


def lines_that_stand_there(text: str, window: Window) -> str:
    """Up to a line that is the one above the cursor, or one of the next ones below it, a comma aside.

    The line above may come again as the body of a block that the item opens.
    Lines of brackets alone are often alike by right: they count where they are all that is left of the item,
    follow below, and close more than the item opens.
    """
    above = _lines(window.prefix[: len(window.prefix) - len(window.line_start)])[-1:]
    beneath = _lines(window.suffix.partition("\n")[2])[:_BELOW]
    below = list(takewhile(lambda line: _indent(line) >= _indent(window.line_start), beneath))
    again, known = ({line.rstrip(" ,") for line in place if _has_words(line)} for place in (above, beneath))
    lines = [line.rstrip() for line in (window.line_start + text).rstrip().split("\n")]
    first = 1 if window.line_start.strip() else 0  # of the lines that are wholly the model's
    for n, line in enumerate(lines):
        closing = n >= first and line and lines[n:] == below[: len(lines) - n]
        opened = n > first and lines[n - 1].endswith((":", "{"))
        stands_there = line.rstrip(" ,") in known or (line.rstrip(" ,") in again and not opened)
        if stands_there or (closing and first_unmatched(text) < len(text)):
            return _up_to(n, text)
    return text


def circles(text: str, window: Window) -> str:
    """Up to where it begins to go round: a line again at once, or for the third time, or a phrase thrice.

    An assignment is enough when it comes again behind one other line, or in a row of assignments, which may
    have begun above the cursor.
    """
    seen: list[str] = []
    row = _row_above(window)
    for n, line in enumerate((window.line_start + text).split("\n")):
        line = line.rstrip()
        at_once = seen[-1:] == [line] and len(line.strip()) > 2
        between = seen[-2:-1] == [line] and " = " in line
        third = seen.count(line) > 1 and _has_words(line)
        if at_once or between or third or line in row or goes_round(line):
            return _up_to(n, text)
        seen.append(line)
        row = _row(row, line)
    return text


def goes_round(text: str) -> bool:
    """Whether `text` ends with the same words three times."""
    for n in _PHRASE:
        phrase = text[-n:]
        if text.endswith(3 * phrase) and any(map(str.isalpha, phrase)):
            return True
    return False


def _row_above(window: Window) -> list[str]:
    """The assignments right above the cursor."""
    row: list[str] = []
    for line in window.prefix.rsplit("\n", _LONGEST_ROW)[-_LONGEST_ROW:-1]:
        row = _row(row, line.rstrip())
    return row


def _row(row: list[str], line: str) -> list[str]:
    """The assignments in a row, of one depth, that end with `line`. What calls something may do so twice."""
    if " = " not in line or "(" in line:
        return []
    return [*row, line] if row and _indent(row[-1]) == _indent(line) else [line]


def _up_to(n: int, text: str) -> str:
    """The first `n` lines."""
    return "\n".join(text.split("\n")[:n])


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def _has_words(line: str) -> bool:
    """Whether it holds more than brackets, quotes and other signs of ASCII."""
    return any(it.isalnum() or it > "\x7f" for it in line)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
