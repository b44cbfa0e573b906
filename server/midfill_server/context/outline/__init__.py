"""What a file defines, found by its lines and their indentation, in every language alike. Pure text.

Definitions are kept as their first lines: a few tokens tell the model a name, its arguments and its types.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from midfill_server.context.outline.definitions import NAME as NAME
from midfill_server.context.outline.definitions import SELF, Found, owned
from midfill_server.context.outline.definitions import Definition as Definition
from midfill_server.context.outline.long_strings import without_long_strings

LONGEST = 6  # lines of one signature
WIDEST = 160  # characters of one line
LONGEST_LINE = 2_000
PASSAGE = 6  # lines
LEAD = 3  # lines before a passage
_BODY = {":": " ...", "{": " ... }"}


@dataclass(frozen=True, slots=True)
class Outline:
    """What a file holds, from top to bottom; import statements each in one line."""

    definitions: tuple[Definition, ...] = ()
    passages: tuple[Definition, ...] = ()
    """All of its text in pieces of PASSAGE lines, without names."""
    imports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """What a text holds, as far as it tells by itself: what its definitions stand in may begin before it."""

    found: tuple[Found, ...] = ()
    passages: tuple[Definition, ...] = ()
    imports: tuple[str, ...] = ()


def outline(text: str, ending: str) -> Outline:
    """Of a whole file; `ending` is its extension. One line after the other, so that nobody waits for long."""
    contents = read(text, ending)
    return Outline(tuple(owned(contents.found, [], set())), contents.passages, contents.imports)


def read(text: str, ending: str) -> Contents:
    """The same of a part of a file, before anything is known of the lines above it."""
    lines = text.split("\n")
    if max(map(len, lines)) > LONGEST_LINE:  # written by a program
        return Contents((Found(0),))  # nobody knows what goes on behind it
    passages = tuple(_passages(lines))
    if ending in PYTHONS:
        lines = without_long_strings(lines)
        text = "\n".join(lines)
    return Contents(tuple(_found(lines, ending)), passages, tuple(imports(text)))


def _found(lines: Sequence[str], ending: str) -> Iterator[Found]:
    around: list[tuple[int, bool, int]] = []  # indentation, whether others see its names, line
    attributes: set[tuple[int, str]] = set()
    for n, line in enumerate(lines):
        line = line[:WIDEST]
        name, start = _python_name(line) if ending in PYTHONS else _name(line)
        if not name or name in _NOT_NAMES:
            continue
        indent = len(line[:start].expandtabs())
        while around and around[-1][0] >= indent:
            around.pop()
        if line.startswith(SELF, start):
            owner = next((at for _, owns, at in reversed(around) if owns), None)
            if (owner, name) in attributes:
                yield Found(indent)
                continue
            if owner is not None:
                attributes.add((owner, name))
        elif not all(owns for _, owns, _ in around):
            continue  # local to a function
        begins = _BEGINS.match(line, start)
        opens = None if begins is None or line.startswith(SELF, start) else begins[1] in _OWNERS
        yield Found(indent, Definition(name, n, signature(lines, n)), opens)
        if opens is not None:
            around.append((indent, opens, n))


def _python_name(line: str) -> tuple[str, int]:
    """(what a line defines, where it begins); ("", 0) for nothing."""
    found = _PYTHON.match(line)
    return (next(filter(None, found.groups()[1:]), ""), found.end(1)) if found else ("", 0)


def _name(line: str) -> tuple[str, int]:
    """The same for all other languages."""
    start = len(line) - len(line.lstrip(" \t"))
    behind = _MODIFIED.match(line, start)
    found = _KIND.match(line, behind.end() if behind else start)
    if found is None:
        found = _CALLED.match(line, behind.end() if behind else start)  # no word says that it is a function
        if found and (";" in line[found.end() :] or not line.rstrip(" ").endswith("{")):
            found = None
    if found is None:
        found = _MODIFIED_KIND.match(line, start)  # some words are of both sorts
    return (found[1], start) if found else ("", 0)


def _passages(lines: Sequence[str]) -> Iterator[Definition]:
    for first in range(0, len(lines), PASSAGE):
        passage = "\n".join(lines[first : first + PASSAGE])
        if passage.strip():
            lead = "\n".join(lines[max(0, first - LEAD) : first])
            yield Definition("", first, passage.rstrip().replace("\r", ""), lead=lead)


def signature(lines: Sequence[str], first: int) -> str:
    """From line `first` on until its brackets are closed, with dots for the body."""
    kept = signature_lines(lines, first)
    return "\n".join(kept) + _BODY.get(kept[-1][-1:], "")


def signature_lines(lines: Sequence[str], first: int) -> list[str]:
    """The lines that it takes."""
    kept: list[str] = []
    depth = 0
    for line in lines[first : first + LONGEST]:
        kept.append(line[:WIDEST].rstrip())
        depth += sum(map(kept[-1].count, "([")) - sum(map(kept[-1].count, ")]"))
        if depth <= 0:
            break
    return kept


def imports(text: str) -> list[str]:
    """Import statements, those of several lines joined."""
    return [" ".join(found[0][:LONGEST_LINE].split()) for found in islice(IMPORT.finditer(text), IMPORTS)]


def head(lines: Sequence[str]) -> str:
    """The import statements at the top of a file as they stand, at most HEAD characters; \\n line ends."""
    text = "".join(line[:HEAD_LINE] for line in lines[:HEAD_LINES]).replace("\r\n", "\n").replace("\r", "\n")
    kept, size = [], 0
    for found in IMPORT.finditer(text, 0, HEAD_LOOK):
        size += len(found[0]) + 1
        if size > HEAD:
            break
        kept.append(found[0] + "\n")
    return "".join(kept)


IMPORTS = 300  # statements of one file that are looked at
HEAD_LINES, HEAD = 200, 1_500
HEAD_LINE = 1_500  # characters of a line that are looked at: a longer one is no import statement
HEAD_LOOK = 20_000  # characters in which the head is looked for: it is looked for with each key

# All of these are linear in the length of what they read: no two parts that repeat can share a character.
IMPORT = re.compile(
    r"^(?:(?:from[ ]+[\w.]+[ ]+import|import|use|using|pub use|require(?:_relative)?|extern crate|@import"
    r"|#include|alias|open|load|source|library|export[ ]+(?:\*|\{[^{}]{0,2000}\})[ ]+from"
    r"|(?:const|let|var|local)[ ]++[\w{},: ]++=[ ]*require)\b"
    r"(?:[^\n(){]|\([^()]{0,2000}\)|\{[^{}]{0,2000}\})*+)",
    re.M,
)
_PYTHON = re.compile(
    r"([ \t]*)(?:(?:async[ ]+)?(?:def|class)[ ]+(\w+)|self\.(\w+)(?=[ ]*(?::[^=\n]+)?=[^=])"
    r"|type[ ]+(\w+)[ ]*=|([A-Za-z_]\w*)(?=[ ]*(?::[^=\n]*[^=\n:{]+)?=[^=])"
    r"|([A-Za-z_]\w*)(?=:[ ]*[\w\"'][^\n]*$))"
)
_MODIFIERS = (
    r"(?:(?:export|default|declare|public|private|protected|internal|static|final|abstract|async|override"
    r"|virtual|inline|pub(?:\([^)]*\))?|unsafe|extern|const|open|data|sealed|suspend|local|readonly|partial|case"
    r"|mut)[ ]+)*"
)
_KINDS = (
    r"(?:def|defp|defmodule|class|function\*?|func|fun|fn|sub|proc|struct|enum|union|trait|interface|protocol"
    r"|impl(?:<[^>]*>)?|type|typedef|module|namespace|object|record|macro_rules!|mod|extension|package|let|var|val"
    r"|const|static|#define)"
)
_MODIFIED = re.compile(_MODIFIERS)
_KIND = re.compile(rf"{_KINDS}[ ]+(?:\([^)\n]*\)[ ]*)?([A-Za-z_$][\w$]*)")
_MODIFIED_KIND = re.compile(_MODIFIERS + _KIND.pattern)
_CALLED = re.compile(r"(?:[\w<>\[\],*&:?.]++[ ]++)*[*&]?([A-Za-z_$~][\w$]*)\(")
_OWNERS = frozenset(
    word
    for line in (
        "class struct enum union trait interface protocol impl module namespace object record mod",
        "extension",
    )
    for word in line.split()
)
_BEGINS = re.compile(
    rf"{_MODIFIERS}(?!type\b|typedef\b|let\b|var\b|val\b|const\b|static\b|package\b|#define)(\w+)"
)
PYTHONS = (".py", ".pyi", ".pyx")
_DOCSTRING = re.compile(r"""(\"\"\"|''').*?\1""", re.S)
_NOT_NAMES = frozenset(
    word
    for line in (
        "if elif else try finally except for while switch catch return with match case do when in not",
        "and or lambda",
    )
    for word in line.split()
)
