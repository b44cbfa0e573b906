"""Python's own parser as the judge of an item: the definition around the cursor, with the item in it."""

import ast
import re
import warnings
from functools import lru_cache

from midfill_server.context import Window

from .brackets import balanced

_LONGEST = 16_000  # characters that are parsed at most: some milliseconds
_HEAD = re.compile(r"[ \t]*(?:(?:async[ \t]+def|def|class)\b|@)")
_GOES_ON = re.compile(r"\s*(?:[)\]}]|(?:else|elif|except|finally)\b)")
_STAND_INS = ("pass", "", "if 1:", "0,", "(", "try:")
"""For the cursor's line, to see whether what is around it parses at all."""


@lru_cache(maxsize=16)  # a growing text is judged with each of its tokens, and changes with each of its lines
def fits(text: str, window: Window) -> bool | None:
    """Whether the code parses with the item inserted; None when what is around it never does."""
    line_start = window.line_start
    above, below = _around(window)
    rest, _, below = below.partition("\n")
    whole = line_start + text + rest
    if len(above) + len(whole) + len(below) > _LONGEST:
        return None
    for end in dict.fromkeys((below, _without_open_string(below))):
        if any(parses(f"{above}{it}\n{end}") for it in dict.fromkeys((whole, _with_body(whole)))):
            return True
        indent = line_start[: _indent(line_start)]
        if any(parses(f"{above}{indent}{it}\n{end}") for it in _STAND_INS):
            return False
    return False if _hangs(whole, below) else None


def _around(window: Window) -> tuple[str, str]:
    """The definition that holds the cursor: from its start to the cursor's line, and the rest."""
    line_start = window.line_start
    lines = window.prefix[: len(window.prefix) - len(line_start)].split("\n")[:-1]
    depth = _indent(line_start) or 1
    start = len(lines)
    while start > 0:
        start -= 1
        line = lines[start]
        if line.strip() and _indent(line) < depth:
            depth = _indent(line)
            if _HEAD.match(line) or (depth == 0 and not _GOES_ON.match(line)):
                break
    above = "".join(line + "\n" for line in lines[start:])
    if lines and _indent(lines[start]):
        above = "if 1:\n" + above
    inner = _indent(line_start)
    rest, *following = window.suffix.split("\n")
    for n, line in enumerate(following):
        outside = _indent(line) <= depth and not _GOES_ON.match(line)
        if line.strip() and (outside or (_indent(line) <= inner and _HEAD.match(line))):
            following = following[:n]
            break
    return above, "\n".join([rest, *following])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _without_open_string(below: str) -> str:
    """The window may end inside a docstring."""
    if below.count('"""') % 2:
        below = below[: below.rfind('"""')]
        return below[: below.rfind("\n") + 1]
    return below


def _hangs(whole: str, below: str) -> bool:
    """Whether the next line is indented under a line that opens nothing."""
    last = whole.rstrip().rpartition("\n")[2]
    following = next((line for line in below.split("\n") if line.strip()), "")
    return _indent(following) > _indent(last) and balanced(last) and last[-1:] not in (":", ",", "\\")


def _with_body(line: str) -> str:
    """A line that opens a block, with a body: the user writes that next."""
    if not line.rstrip().endswith(":"):
        return line
    last = line[line.rfind("\n") + 1 :]
    return f"{line.rstrip()}\n{last[: len(last) - len(last.lstrip())]} pass"


def parses(text: str) -> bool:
    """Whether this is Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning: odd escapes and comparisons
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
