"""Python's long strings, which hold prose and other code, taken out of a file. Pure."""

import re
from collections.abc import Iterator, Sequence

_QUOTES = re.compile("\"\"\"|'''")
_CODE = re.compile(r"([ \t]*)(?:(?:async[ ]+)?def|class)[ ]+\w+[(:\[]")


def without_long_strings(lines: Sequence[str]) -> list[str]:
    """`lines`, with or without their ends, and as many: what stood in a string is gone."""
    kept = list(lines)
    for first, begins, last, ends in reversed(list(_long_strings(lines))):
        after = kept[last][ends:]
        if first == last:
            kept[first] = kept[first][:begins] + after
            continue
        for n in range(first, last):
            kept[n] = (kept[n][:begins] if n == first else "") + "\n" * lines[n].endswith("\n")
        kept[last] = after
    return kept


def _long_strings(lines: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """(line, character) where each begins and (line, character) behind it."""
    last, ends = 0, 0
    quoted = [n for n, line in enumerate(lines) if '"""' in line or "'''" in line]
    for n in quoted:
        at = ends if n == last else 0
        while last <= n and (found := _QUOTES.search(lines[n], at)) is not None:
            at = found.end()
            if (end := _end(lines, n, found)) is not None:
                yield n, found.start(), *end
                last, ends = end
                at = ends


def _end(lines: Sequence[str], first: int, opened: re.Match[str]) -> tuple[int, int] | None:
    """Behind the quotes that close a string; None for one that is not closed yet.

    Half a file may stand between quotes that somebody has just typed and the next docstring. No docstring has
    code that is indented as little as itself: quotes with such code behind them open nothing.
    """
    quotes, before = opened[0], lines[first][: opened.start()]
    if (at := lines[first].find(quotes, opened.end())) >= 0:
        return first, at + len(quotes)
    indent = -1 if before.strip() else len(before.expandtabs())
    for n in range(first + 1, len(lines)):
        line = lines[n]
        if indent >= 0 and (code := _CODE.match(line)) and len(code[1].expandtabs()) <= indent:
            return None
        if (at := line.find(quotes)) >= 0:
            return n, at + len(quotes)
    return None
