"""Python's own compiler as the judge of an item: the code around the cursor, with the item in it.

Parsing costs time, so it is the smallest piece of code that is whole with something in the cursor's line: the
statement before and after, the block, the definition; `region.py` cuts them out.
"""

import re
import warnings
from collections.abc import Iterator
from functools import lru_cache

from midfill_server.context import Window
from midfill_server.trim.lines import indent, margin

from .brackets import CLOSER, OPENER, balanced, left_open, loose, open_quote
from .region import definition, regions

_OF_A_PIECE = re.compile(r"no binding for nonlocal|from __future__|'(?:return' with value|yield from') in")
"""What a compiler has against a piece of code, and not against the whole: see `region.enclosing`."""
_PARSED = 40_000  # characters, to find what is whole around one cursor: some milliseconds


@lru_cache(maxsize=32)  # a growing text is judged with each of its tokens, and changes with each of its lines
def fits(text: str, window: Window) -> bool | None:
    """Whether the code parses with the item inserted; None when what is around it never does."""
    sound = _sound(window)
    if _parses_with(text, *(sound or definition(window))):
        return True
    if sound:
        return False
    rest, _, following = definition(window)[1].partition("\n")
    return False if _hangs(window.line_start + text + rest, following) else None


@lru_cache(maxsize=4)
def _sound(window: Window) -> tuple[str, str] | None:
    """The smallest region that parses with something in the cursor's line; None: none does."""
    line_start, left = window.line_start, _PARSED
    cut = definition(window)[1] == window.suffix  # where a string may end that seems to have no end
    for above, below in dict.fromkeys(regions(window)):
        lines, following = above[: len(above) - len(line_start)], below.partition("\n")[2]
        for line in (line_start + window.line_rest, *_stand_ins(lines, line_start, following, cut)):
            left -= len(lines) + len(following)
            if left < 0:
                return None
            if parses(f"{lines}{line}\n{following}"):
                return above, below
    return None


def _stand_ins(above: str, line_start: str, below: str, cut: bool) -> Iterator[str]:
    """Lines for the cursor's, to see whether what is around it parses at all."""
    depth = margin(line_start)
    yield from (depth + line for line in ("pass", "", "if 1:", "0,", "try:", "finally: pass", "case _: pass"))
    if closers := "".join(CLOSER[above[n]] for n in reversed(left_open(above, below, "#"))):
        yield from (depth + closers + end for end in ("", ":", ","))
    if len(quote := open_quote(above, "#")[1]) > 1 and not cut:
        yield depth + quote
    if openers := "".join(OPENER[closer] for closer in reversed(loose(above + below, "#")[1])):
        yield depth + openers
    last = above.rstrip().rpartition("\n")[2]
    if not line_start.strip() and indent(last) > len(depth):
        yield margin(last) + "if 1:"


def _parses_with(text: str, above: str, below: str) -> bool:
    """A line that opens a block may get a body: the user writes that next."""
    if parses(above + text + below):
        return True
    rest, _, following = below.partition("\n")
    line = above[above.rfind("\n") + 1 :] + text + rest
    if not line.rstrip().endswith(":"):
        return False
    last = line[line.rfind("\n") + 1 :]
    return parses(f"{above}{text}{rest}\n{margin(last)} pass\n{following}")


def _hangs(whole: str, below: str) -> bool:
    """Whether the next line is indented under a line that opens nothing."""
    last = whole.rstrip().rpartition("\n")[2]
    following = next((line for line in below.split("\n") if line.strip()), "")
    return indent(following) > indent(last) and balanced(last) and last[-1:] not in (":", ",", "\\")


def parses(text: str) -> bool:
    """Whether this is Python: a compiler refuses `return` outside a function, too, which a parser takes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning: odd escapes and comparisons
            compile(text, "", "exec", dont_inherit=True)
    except SyntaxError as error:
        return bool(_OF_A_PIECE.match(str(error.msg)))
    except (ValueError, RecursionError, MemoryError):
        return False
    return True
