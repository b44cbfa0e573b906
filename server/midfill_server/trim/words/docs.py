"""Docstrings as libraries write them: examples and underlined headings in a file that has none of either."""

import re

from midfill_server.context import Window

from .block import by_lines, item_lines, up_to
from .others import known_to

_NAMES_JAVASCRIPT = frozenset(
    word
    for line in (
        "javascript javascriptreact typescript typescriptreact vue svelte html markdown json jsonc yaml toml",
        "dockerfile shellscript makefile css scss less ignore properties",
    )
    for word in line.split()
)
_JAVASCRIPT = re.compile(
    r"@(?:param|type|returns?|typedef|property) \{|\beslint\b|@ts-\w|@typescript\b|\bjshint\b"
    r"|\bprettier-ignore\b|\bistanbul ignore\b|(?<![\w/])@[a-z][\w-]*/[a-z][\w-]+"
)
_PROMPT = re.compile(r"\s*>>>(?: |\Z)")
_IMPORTS = re.compile(r"\s*>>> (?:from|import) (\w+)")
_UNDERLINE = re.compile(r"\s*([-=~])\1{2,}\s*\Z")
_UNDERLINED = re.compile(r"^[ \t]*[A-Z]\w+(?: \w+)*[ \t]*\n[ \t]*(?:-{3,}|={3,})[ \t]*$", re.M)
_HEADING = re.compile(
    r"\s*(?:(?:Other )?Parameters|Returns|Yields|Raises|Warns|Examples?|Notes?|References|See Also|Attributes"
    r"|Methods|Args|Arguments|Keyword Args)\s*:{0,2}\s*\Z"
)


@by_lines
def library_docs(text: str, window: Window) -> str:
    """Up to examples, or headings with a line below, of a kind that neither file nor context has.

    The same for examples that import what the file does not.
    """
    if window.language != "python":
        return text
    lines = item_lines(text, window)
    for n, line in enumerate(lines):
        if _PROMPT.match(line) and (n or ">>>" not in window.line_start):
            module = found[1] if (found := _IMPORTS.match(line)) else ""
            if ">>>" not in known_to(window) or not (not module or _imports(module, window)):
                return up_to(n, text)
        elif (
            n and _UNDERLINE.match(line) and lines[n - 1].strip() and not _UNDERLINED.search(known_to(window))
        ):
            return up_to(n - 1, text)
    return text


@by_lines
def words_of_javascript(text: str, window: Window) -> str:
    """Up to a line with types, tools or packages as JavaScript's comments name them, in another language."""
    if window.language in _NAMES_JAVASCRIPT:
        return text
    for n, line in enumerate(item_lines(text, window)):
        if (found := _JAVASCRIPT.search(line)) and found[0] not in window.prefix:
            return up_to(n, text)
    return text


def lone_heading(text: str, window: Window) -> str:
    """Without headings of a docstring, and the lines below them, at the end."""
    if window.language != "python":
        return text
    lines = text.split("\n")
    first = 1 if window.line_start.strip() else 0
    kept = len(lines)
    while kept > first and (
        not lines[kept - 1].strip() or _HEADING.match(lines[kept - 1]) or _UNDERLINE.match(lines[kept - 1])
    ):
        kept -= 1
    if any(line.strip() for line in lines[kept:]):
        return up_to(kept, text)
    return text


def _imports(module: str, window: Window) -> bool:
    """Whether the file or what is known of others imports a module, or is a part of it."""
    imported = rf"^[ \t>]*(?:from|import)[ \t]+{module}\b|\b{module}/"
    return re.search(imported, known_to(window), re.M) is not None
