"""What a file defines, found by its lines and their indentation, in every language alike. Pure text.

Definitions are kept as their first lines: a few tokens tell the model a name, its arguments and its types.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, field

LONGEST = 6  # lines of one signature
WIDEST = 160  # characters of one line
LONGEST_LINE = 2_000
PASSAGE = 6  # lines
LEAD = 3  # lines before a passage
NAME = re.compile(r"[^\W\d]\w+")
_BODY = {":": " ...", "{": " ... }"}


@dataclass(frozen=True, slots=True)
class Definition:
    """`text` is its signature with its indentation, without its body; or a passage, which has no name."""

    name: str
    line: int
    text: str
    owner: "Definition | None" = None
    """The class or the like that it stands in."""
    lead: InitVar[str] = ""
    """Lines before it, whose names count: what follows lines like the cursor's is what is wanted there."""
    names: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self, lead: str) -> None:
        object.__setattr__(self, "names", frozenset(NAME.findall(f"{lead}\n{self.text}")))


@dataclass(frozen=True, slots=True)
class Outline:
    """What a file holds, from top to bottom; import statements each in one line."""

    definitions: tuple[Definition, ...] = ()
    passages: tuple[Definition, ...] = ()
    """All of its text in pieces of PASSAGE lines, without names."""
    imports: tuple[str, ...] = ()


def outline(text: str, ending: str) -> Outline:
    """Of a whole file; `ending` is its extension."""
    if max(map(len, text.split("\n"))) > LONGEST_LINE:
        return Outline()  # written by a program, and slow to search
    passages = tuple(_passages(text))
    if ending in _PYTHONS:
        text = _DOCSTRING.sub(lambda quoted: "\n" * quoted[0].count("\n"), text)
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    found: list[Definition] = []
    around: list[tuple[int, Definition, bool]] = []  # indentation, what, whether others see its names
    attributes: set[tuple[str, str]] = set()
    for match in (_PYTHON if ending in _PYTHONS else _OTHERS).finditer(text):
        name = next(filter(None, match.groups()[1:]), "")
        if not name or name in _NOT_NAMES:
            continue
        indent = len(match[1].expandtabs())
        while around and around[-1][0] >= indent:
            around.pop()
        owner = next((it for _, it, owns in reversed(around) if owns), None)
        attribute = match[0].lstrip().startswith("self.")
        if attribute:
            if owner is None or (owner.name, name) in attributes:
                continue
            attributes.add((owner.name, name))
        elif (indent and not around) or not all(owns for _, _, owns in around):
            continue  # local to a function
        line = bisect_right(starts, match.start(1)) - 1
        definition = Definition(name, line, signature(text, starts, line), owner)
        found.append(definition)
        if not attribute and (begins := _BEGINS.match(text, match.end(1))) is not None:
            around.append((indent, definition, begins[1] in _OWNERS))
    return Outline(tuple(found), passages, tuple(imports(text)))


def _passages(text: str) -> Iterator[Definition]:
    lines = text.split("\n")
    for first in range(0, len(lines), PASSAGE):
        passage = "\n".join(lines[first : first + PASSAGE])
        if passage.strip():
            lead = "\n".join(lines[max(0, first - LEAD) : first])
            yield Definition("", first, passage.rstrip().replace("\r", ""), lead=lead)


def signature(text: str, starts: Sequence[int], line: int) -> str:
    """From `line` on until its brackets are closed, with dots for the body."""
    lines: list[str] = []
    depth = 0
    for n in range(line, min(line + LONGEST, len(starts))):
        end = starts[n + 1] - 1 if n + 1 < len(starts) else len(text)
        lines.append(text[starts[n] : min(end, starts[n] + WIDEST)].rstrip())
        depth += sum(map(lines[-1].count, "([")) - sum(map(lines[-1].count, ")]"))
        if depth <= 0:
            break
    return "\n".join(lines) + _BODY.get(lines[-1][-1:], "")


def imports(text: str) -> list[str]:
    """Import statements, those of several lines joined."""
    return [" ".join(found[0].split()) for found in _IMPORT.finditer(text)]


def head(lines: Sequence[str]) -> str:
    """The import statements at the top of a file as they stand, at most HEAD characters; \\n line ends."""
    text = "".join(lines[:HEAD_LINES]).replace("\r\n", "\n").replace("\r", "\n")
    kept, size = [], 0
    for found in _IMPORT.finditer(text):
        size += len(found[0]) + 1
        if size > HEAD:
            break
        kept.append(found[0] + "\n")
    return "".join(kept)


HEAD_LINES, HEAD = 200, 1_500

_IMPORT = re.compile(
    r"^(?:(?:from[ ]+[\w.]+[ ]+import|import|use|using|pub use|require(?:_relative)?|extern crate|@import"
    r"|#include|alias|open|load|source|library|export[ ]+(?:\*|\{[^}]*\})[ ]+from"
    r"|(?:const|let|var|local)[ ]+[\w{},: ]+=[ ]*require)\b(?:[^\n(){]|\([^()]*\)|\{[^{}]*\})*)",
    re.M,
)
_PYTHON = re.compile(
    r"^([ \t]*)(?:(?:async[ ]+)?(?:def|class)[ ]+(\w+)|self\.(\w+)(?=[ ]*(?::[^=\n]+)?=[^=])"
    r"|type[ ]+(\w+)[ ]*=|([A-Za-z_]\w*)(?=[ ]*(?::[^=\n]*[^=\n:{]+)?=[^=])"
    r"|([A-Za-z_]\w*)(?=:[ ]*[\w\"'][^\n]*$))",
    re.M,
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
_OTHERS = re.compile(
    rf"^([ \t]*){_MODIFIERS}(?:{_KINDS}[ ]+(?:\([^)\n]*\)[ ]*)?([A-Za-z_$][\w$]*)"
    r"|(?:[\w<>\[\],*&:?.]+[ ]+)*[*&]?([A-Za-z_$~][\w$]*)\([^;\n]*\)?[^;=\n]*\{[ ]*$)",
    re.M,
)
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
_PYTHONS = (".py", ".pyi", ".pyx")
_DOCSTRING = re.compile(r"""(\"\"\"|''').*?\1""", re.S)
_NOT_NAMES = frozenset(
    word
    for line in (
        "if elif else try finally except for while switch catch return with match case do when in not",
        "and or lambda",
    )
    for word in line.split()
)
