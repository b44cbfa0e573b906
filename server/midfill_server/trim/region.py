"""Pieces of Python around the cursor that may be whole in themselves, told by indentation. Pure text."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile

from midfill_server.context import Window

from .brackets import OPENER, loose

_HEAD = re.compile(r"[ \t]*(?:(?:async[ \t]+def|def|class)\b|@)")
_GOES_ON = re.compile(r"\s*(?:[)\]}#]|(?:else|elif|except|finally|case)\b)")
_LONG, _NEAR = 4_000, 3  # characters; lines of a table


@lru_cache(maxsize=4)
def definition(window: Window) -> tuple[str, str]:
    """(code up to the cursor, code from it) of the definition around it, or of a statement of the file."""
    lines = _lines_above(window)
    start, depth = _starts(lines, indent(window.line_start))[-1]
    return _from(lines, start) + window.line_start, _below(window, depth)


def regions(window: Window) -> Iterator[tuple[str, str]]:
    """(code up to the cursor, code from it), from the statements beside the cursor up to its definition.

    In the middle of brackets it is the definition at once, or, of a long table, the lines beside the
    cursor's. At last the definition as it may be whole where the window has cut it.
    """
    lines = _lines_above(window)
    *nearer, (start, depth) = _starts(lines, indent(window.line_start))
    above, below = definition(window)
    cut = start == 0 and depth > 0  # the window begins in the middle of something
    in_brackets = bool(loose(above, "#")[0])
    if cut or (in_brackets and len(above) + len(below) > _LONG):
        yield from _table(window, lines)
    elif not in_brackets and not any(window.prefix.count(quotes) % 2 for quotes in ('"""', "'''")):
        for n, deep in nearer:
            yield _from(lines, n) + window.line_start, _below(window, deep)
    yield above, below
    yield from _cut(window, lines, start, above, below)


def _lines_above(window: Window) -> list[str]:
    return window.prefix[: len(window.prefix) - len(window.line_start)].split("\n")[:-1]


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _starts(lines: list[str], inner: int) -> list[tuple[int, int]]:
    """At least one (number of a line above with which a region may begin, its indentation), nearest first:

    the statement before the cursor's, then what is indented less and less, up to a definition.
    """
    depth, starts = inner + 1, []
    for n in range(len(lines) - 1, -1, -1):
        line = lines[n]
        if not line.strip() or indent(line) >= depth or _GOES_ON.match(line):
            continue
        depth = indent(line)
        starts.append((n, depth))
        if depth == 0 or (depth < inner and _HEAD.match(line)):
            return starts
    return [*starts, (0, min(depth, inner))]


def _from(lines: list[str], start: int) -> str:
    block = "if 1:\n" if lines and indent(lines[start]) else ""
    return block + "".join(line + "\n" for line in lines[start:])


def _below(window: Window, depth: int) -> str:
    """From the cursor to the next statement at `depth` or outside; a definition there is shortened."""
    inner = indent(window.line_start)
    rest, *following = window.suffix.split("\n")
    for n, line in enumerate(following):
        outside = indent(line) <= depth and not _GOES_ON.match(line)
        if line.strip() and (outside or (indent(line) <= inner and _HEAD.match(line))):
            stub = [line[: indent(line)] + "def _(): pass"] if indent(line) == inner else []
            following = following[:n] + stub
            break
    return "\n".join([rest, *following])


def _cut(window: Window, lines: list[str], start: int, above: str, below: str) -> Iterator[tuple[str, str]]:
    """The largest region again, where the window may have cut it."""
    closers = loose(above + below, "#")[1] if start == 0 else ""
    if closers:  # they were opened before the window begins
        yield "".join(OPENER[closer] for closer in reversed(closers)) + above, below
    if window.suffix.endswith(below[-20:]):
        yield above, _without_open_string(below)
        yield above, _without_last_statement(below, window.line_start)
    earlier = (n for n in range(start - 1, -1, -1) if '"""' in lines[n])
    if above.count('"""') % 2 and (string := next(earlier, None)) is not None:  # it began with a string's end
        yield _from(lines, string) + window.line_start, below


def _table(window: Window, lines: list[str]) -> Iterator[tuple[str, str]]:
    """Lines in the middle of brackets of which the window sees neither end."""
    rest, *following = window.suffix.split("\n")
    below = [rest, *takewhile(lambda line: not _GOES_ON.match(line), following[:_NEAR])]
    for opener, closer in ("f(", ")"), ("[", "]"), ("{", "}"):
        above = "".join(line + "\n" for line in lines[-_NEAR:])
        yield f"{opener}\n{above}{window.line_start}", "\n".join([*below, closer])


def _without_open_string(below: str) -> str:
    """The window may end inside a docstring."""
    if below.count('"""') % 2:
        below = below[: below.rfind('"""')]
        return below[: below.rfind("\n") + 1]
    return below


def _without_last_statement(below: str, line_start: str) -> str:
    """Up to the last line that is no deeper than the cursor's: the window may end in the middle of code."""
    lines = below.split("\n")
    for n in range(len(lines) - 1, 0, -1):
        if lines[n].strip() and indent(lines[n]) <= indent(line_start) and not _GOES_ON.match(lines[n]):
            return "\n".join(lines[:n])
    return below
