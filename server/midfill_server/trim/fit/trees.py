"""Tree-sitter's grammars as judges, where they are installed, as they are by default.

Each language is a package of its own that brings its parser along; nothing is fetched at run time. A grammar
is loaded once, some 20 ms, when the first file in its language is opened.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from midfill_server.context import Window
from midfill_server.trim.half import goes_on
from midfill_server.trim.lines import indent, margin

from .brackets import CLOSER, OPENER, left_open, loose

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

LANGUAGES = {
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "go": ("tree_sitter_go", "language"),
    "java": ("tree_sitter_java", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "javascriptreact": ("tree_sitter_javascript", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "typescriptreact": ("tree_sitter_typescript", "language_tsx"),
}
"""LSP's name of the language -> the package, and its function that gives the grammar."""

_WRAPPERS = ("", ""), ("class X {\n", "\n}"), ("x = {\n", "\n}")
"""What a block may stand in: nothing, a class, an object."""

_PARSED = 16_000  # characters, to find what is whole around one cursor: some milliseconds
_LONGEST = 4_000  # characters on each side of the cursor
_GOES_ON = re.compile(r"\s*[)\]}*]")
_OPENS = re.compile(r"[({\[]+\Z")
_BEGINS = re.compile(r"[\w@#]")


@lru_cache
def parser(language: str) -> Parser | None:
    """None where there is none, or none is installed."""
    package, function = LANGUAGES.get(language, ("", ""))
    try:
        from tree_sitter import Language, Parser

        return Parser(Language(getattr(importlib.import_module(package), function)()))
    except (ImportError, ValueError):  # no such package here; an empty name; a grammar of another time
        return None


def parses(text: str, language: str) -> bool:
    """Whether this is code without an error."""
    return _errors(text, language) == 0


@lru_cache(maxsize=32)  # as Python's judge
def fits(text: str, window: Window) -> bool | None:
    """Whether the code is without an error with the item in it; None when it never is, and here no worse."""
    if window.prefix.rfind("/*") > window.prefix.rfind("*/"):
        return None if "*/" in text else True  # a comment
    near = _block(window)
    if any(_errors(above + text + below, window.language) == 0 for above, below in near):
        return True
    above, below = around(window)
    errors = _errors(above + text + below, window.language)
    if not errors or (least := _least_errors(window)) == 0:
        return not errors
    # Where the block says no, the item has to be better than all that could stand there instead.
    opens_below = text.endswith(("{", "(", "[")) and goes_on(text, window)
    return None if errors + bool(near and not opens_below) <= least else False


def hardly_worse(text: str, window: Window) -> bool:
    """Whether it adds one error at most: the window often ends in the middle of code."""
    above, below = around(window)
    return _errors(above + text + below, window.language) <= _least_errors(window) + 1


@lru_cache(maxsize=4)
def _block(window: Window) -> list[tuple[str, str]]:
    """The block around the cursor, up to it and from it, without all but the statements beside the cursor.

    In each of _WRAPPERS that makes it whole with something in the cursor's line; none if the line above the
    block does not end with its bracket.
    """
    lines = window.prefix[: len(window.prefix) - len(window.line_start)].split("\n")[:-1]
    depth = indent(window.line_start)
    heads = (n for n in range(len(lines) - 1, -1, -1) if lines[n].strip() and indent(lines[n]) < depth)
    head = next((n for n in heads if not _GOES_ON.match(lines[n])), None)
    if head is None or (opens := _OPENS.search(lines[head].rstrip())) is None:
        return []
    beside = (n for n in range(len(lines) - 1, head, -1) if _is_beside(lines[n], depth))
    inner = lines[next(beside, len(lines)) :]
    above = "\n".join([lines[head], *inner, window.line_start])
    rest, *following = window.suffix.split("\n")
    ends = [n for n, line in enumerate(following) if line.strip() and indent(line) < depth]
    following = following[: ends[0] if ends else 0]
    next_ones = [n for n, line in enumerate(following) if _is_beside(line, depth)]
    below = [rest, *following[: next_ones[1] if len(next_ones) > 1 else len(following)]]
    below.append("".join(CLOSER[it] for it in reversed(opens[0])))
    around = [(before + above, "\n".join(below) + after) for before, after in _WRAPPERS]
    return [it for it in around if len(above) < _LONGEST and _is_whole(it, window)]


def _is_beside(line: str, depth: int) -> bool:
    return bool(line.strip()) and indent(line) == depth and not _GOES_ON.match(line)


def _is_whole(region: tuple[str, str], window: Window) -> bool:
    """Whether it is without an error with something in the cursor's line."""
    above, (_, _, below) = region[0][: len(region[0]) - len(window.line_start)], region[1].partition("\n")
    stand_ins = islice(_stand_ins(above, window, below), 6)
    return any(_errors(f"{above}{line}\n{below}", window.language) == 0 for line in stand_ins)


@lru_cache(maxsize=4)
def around(window: Window) -> tuple[str, str]:
    """The definition at the file's top level that holds the cursor: up to the cursor, and from it."""
    line_start = window.line_start
    lines = window.prefix[: len(window.prefix) - len(line_start)].split("\n")[:-1]
    start = next((n for n in range(len(lines) - 1, -1, -1) if _BEGINS.match(lines[n])), 0)
    above = "".join(line + "\n" for line in lines[start:])
    if len(above) > _LONGEST:
        above = above[-_LONGEST:].partition("\n")[2]
    rest, *following = window.suffix.split("\n")
    end = next((n for n, line in enumerate(following) if _BEGINS.match(line)), len(following))
    end = next((n for n in range(end + 1, len(following)) if _BEGINS.match(following[n])), len(following))
    below = "\n".join([rest, *following[:end]])
    return above + line_start, below if len(below) < _LONGEST else below[:_LONGEST].rpartition("\n")[0]


@lru_cache(maxsize=4)
def _least_errors(window: Window) -> int:
    """Of the code around the cursor with the best of a few lines in the cursor's place."""
    above, below = around(window)
    above, rest = above[: len(above) - len(window.line_start)], below.partition("\n")[2]
    least, left = len(above) + len(below), _PARSED
    for line in _stand_ins(above, window, rest):
        least = min(least, _errors(f"{above}{line}\n{rest}", window.language))
        left -= len(above) + len(rest)
        if not least or left < 0:
            break
    return least


def _stand_ins(above: str, window: Window, below: str) -> Iterator[str]:
    start, rest = window.line_start, window.line_rest
    yield from ("", start + rest, start + "x" + rest)
    depth = margin(start)
    yield from (depth + line for line in ("x", "x;", "x,"))
    if closers := "".join(CLOSER[above[n]] for n in reversed(left_open(above, below, "//"))):
        yield from (depth + closers + end for end in ("", ";", ","))
    if openers := "".join(OPENER[closer] for closer in reversed(loose(above + below, "//")[1])):
        yield from (depth + opener for opener in (openers, "if (x) " + openers, "x = " + openers))


def _errors(text: str, language: str) -> int:
    it = parser(language)
    assert it is not None, "asked only where there is a grammar"
    return _count(it.parse(text.encode()).root_node)


def _count(root: Node) -> int:
    """Its errors: what the grammar has no place for, and what it misses."""
    errors, nodes = 0, [root]
    while nodes:
        node = nodes.pop()
        if node.has_error:
            errors += node.is_error or node.is_missing
            nodes += node.children
    return errors
