"""What the block at the cursor defines already: a function, a class or a member of that name."""

import re
from collections.abc import Sequence

from midfill_server.context import Window

from .block import Line, above, below, beside, by_lines, item_lines, line_of, up_to


@by_lines
def defined_again(text: str, window: Window) -> str:
    """Up to a line that defines a name which its block has already.

    Not below a decorator or an attribute, which may make another one of it, nor where functions of one name
    may take different arguments.
    """
    before, after = list(above(window)), below(window)
    for n, written in enumerate(item_lines(text, window)):
        line = line_of(written)
        if not line.code:
            continue
        if (name := _defined(line, window.language)) and not _is_decorated(before):
            plain = _undecorated(before)
            others = beside(line, plain, len(plain), _undecorated(after))
            if any(name == _defined(it, window.language) for it in others):
                return up_to(n, text)
        before.append(line)
    return text


_MODIFIERS = (
    r"(?:(?:export|default|pub(?:\([^)]*\))?|public|private|protected|internal|static|async|abstract|final|data"
    r"|sealed|unsafe|open|declare)\s+)*"
)
_TYPE = r"(?P<type>(?:class|interface|struct|enum|trait|protocol|module)\s+[A-Za-z_]\w*)"
_FUNCTION = r"(?P<function>(?:def|function|func|fn|sub)\s+(?:\([^()]*\)\s*)?[A-Za-z$][\w.$?!]*=?)"
_DEFINES = re.compile(rf"{_MODIFIERS}(?:{_TYPE}|{_FUNCTION})")
_MEMBER = re.compile(
    r"(?:(?:public|private|protected|static|async|override|readonly)\s+|\*)*"
    r"(?P<name>(?:[gs]et\s+)?(?!(?:if|for|while|switch|catch|with|function|return)\b)[#\w$]+)\s*\([^;'\"`]*\)\s*(?::[^;(){}=]*)?\{"
)
_SCRIPTS = frozenset({"javascript", "javascriptreact", "typescript", "typescriptreact", "vue", "svelte"})
_OVERLOADS = frozenset(
    ("typescript", "typescriptreact", "java", "csharp", "cpp", "kotlin", "scala", "swift", "dart", "elixir")
)


def _defined(line: Line, language: str) -> str:
    """What the line defines, kind and name; "" for nothing."""
    found = _DEFINES.match(line.code)
    if found is not None and (found["type"] or language not in _OVERLOADS):
        return " ".join((found["type"] or found["function"]).split())
    if language in _SCRIPTS and line.depth and (member := _MEMBER.fullmatch(line.code)):
        return member["name"]
    return ""


def _is_decorated(before: Sequence[Line]) -> bool:
    return bool(before) and before[-1].code.startswith(("@", "#[", "#if", "#el", "[", "template"))


def _undecorated(lines: Sequence[Line]) -> list[Line]:
    return [line for n, line in enumerate(lines) if not (n and _is_decorated(lines[n - 1 : n]))]
