"""Pieces of Python around the cursor that may be whole in themselves, told by indentation. Pure text."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import takewhile

from midfill_server.context import Window
from midfill_server.trim.lines import indent, margin

from .brackets import OPENER, loose

_HEAD = re.compile(r"[ \t]*(?:(?:async[ \t]+)?def[ \t]+\w+[ \t]*[(\[]|class[ \t]+\w+[ \t]*[(:\[]|@\w)")
_KIND = re.compile(r"\s*(async def|def|class|for|while|async for)\b")
_STUBS = {
    "async def": "async def _():",
    "def": "def _():",
    "class": "class _:",
    "for": "for _ in _:",
    "async for": "for _ in _:",
    "while": "while _:",
}
_CLOSES = re.compile(r"\s*[)\]}#]")
_GOES_ON = re.compile(r"\s*(?:[)\]}#]|(?:else|elif|except|finally|case)\b)")
_OF_CODE = "def ", "import ", "self.", "return ", " = "  # rare in prose
_LONG, _NEAR = 4_000, 3  # characters; lines of a table


@lru_cache(maxsize=4)
def definition(window: Window) -> tuple[str, str]:
    """(code up to the cursor, code from it) of the definition around it, or of a statement of the file."""
    lines = _lines_above(window)
    start, depth = _starts(lines, indent(window.line_start))[-1]
    above = _from(lines, start) + window.line_start
    if _odd(above) and not _in_string(window):  # it begins where a string ends
        start = next((n for n in range(start - 1, -1, -1) if _odd(lines[n])), start)
        above = _from(lines, start) + window.line_start
    return above, _below(window, depth)


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
    if not in_brackets and not _in_string(window):
        for n, deep in nearer:
            if not _odd(near := _from(lines, n) + window.line_start):
                yield near, _below(window, deep)
    yield above, below
    yield from _cut(window, start, above, below)


def _lines_above(window: Window) -> list[str]:
    return window.prefix[: len(window.prefix) - len(window.line_start)].split("\n")[:-1]


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


def _odd(code: str) -> bool:
    """Whether a string of three quotes begins in it and does not end, or ends and did not begin."""
    return any(code.count(quotes) % 2 for quotes in ('"""', "'''"))


@lru_cache(maxsize=4)
def _in_string(window: Window) -> bool:
    """Whether the cursor is in a string of three quotes; the window may have begun in one."""
    pieces = window.prefix.split('"""')
    outside, inside = (sum(it.count(sign) for it in pieces[n::2] for sign in _OF_CODE) for n in (0, 1))
    return _odd(window.prefix) != (inside > outside)


def _from(lines: list[str], start: int) -> str:
    return enclosing(lines, start) + "".join(line + "\n" for line in lines[start:])


def enclosing(lines: list[str], start: int) -> str:
    """The heads of the blocks around line `start`, in short: what may stand in a function, or in a loop.

    Where the window begins in the middle of blocks, all may be around it.
    """
    heads: list[str] = []
    depth = indent(lines[start]) if lines else 0
    for n in range(start - 1, -1, -1):
        if depth == 0:
            break
        line = lines[n]
        if line.strip() and indent(line) < depth and not _CLOSES.match(line):
            depth = indent(line)
            found = _KIND.match(line)
            heads.append(margin(line) + _STUBS.get(found[1] if found else "", "if 1:") + "\n")
    if depth:
        heads += [" " + _STUBS["for"] + "\n"] * (depth > 1 and margin(lines[start])[0] == " ")
        heads.append(_STUBS["async def"] + "\n")
    return "".join(reversed(heads))


def _below(window: Window, depth: int) -> str:
    """From the cursor to the next statement at `depth` or outside; a definition there is shortened."""
    inner = indent(window.line_start)
    rest, *following = window.suffix.split("\n")
    for n, line in enumerate(following):
        outside = indent(line) <= depth and not _GOES_ON.match(line)
        if line.strip() and (outside or (indent(line) <= inner and _HEAD.match(line))):
            stub = [margin(line) + "def _(): pass"] if indent(line) == inner else []
            following = following[:n] + stub
            break
    return "\n".join([rest, *following])


def _cut(window: Window, start: int, above: str, below: str) -> Iterator[tuple[str, str]]:
    """The largest region again, where the window may have cut it."""
    closers = loose(above + below, "#")[1] if start == 0 else ""
    if closers:  # they were opened before the window begins
        yield "".join(OPENER[closer] for closer in reversed(closers)) + above, below
    if below == window.suffix:
        yield above, _without_open_string(below)
        yield above, _without_last_statement(below, window.line_start)


def _table(window: Window, lines: list[str]) -> Iterator[tuple[str, str]]:
    """Lines in the middle of brackets of which the window sees neither end."""

    def row(line: str) -> bool:
        return indent(line) == depth and line.rstrip().endswith(",")

    depth = indent(window.line_start)
    rest, *following = window.suffix.split("\n")
    near = list(takewhile(row, lines[: -_NEAR - 1 : -1]))
    above = "".join(line + "\n" for line in reversed(near)) + window.line_start
    below = "\n".join([rest, *takewhile(row, following[:_NEAR])])
    for opener, closer in (("f(", ")"), ("[", "]"), ("{", "}")) if near else ():
        yield f"{opener}\n{above}", f"{below}\n{closer}"


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
