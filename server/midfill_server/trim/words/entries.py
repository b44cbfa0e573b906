"""Keys that a literal has already: the later of two entries would win, so nobody writes both."""

import re
from functools import cache

from midfill_server.context import Window

from .block import WIDEST, above, below, beside, by_lines, item_lines, line_of, up_to


@by_lines
def entries_again(text: str, window: Window) -> str:
    """Up to an entry whose key stands beside it in the same literal, on a line of its own or within one."""
    if window.language not in _KEYS:
        return text
    before, after = list(above(window)), below(window)
    for n, written in enumerate(item_lines(text, window)):
        begun = 0 if n else len(window.line_start)
        again = _second(written[:WIDEST], begun, window.language)
        if again is not None:
            return "\n".join([*text.split("\n")[:n], written[begun:again]])
        line = line_of(written)
        key = _key(line.code, window.language) if n or not _key(window.line_start, window.language) else ""
        if key and any(
            _key(it.code, window.language) == key for it in beside(line, before, len(before), after)
        ):
            return up_to(n, text)
        if line.code:
            before.append(line)
    return text


_QUOTED = r"(?:\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
_NAME = r"(?!(?:default|else|case)\b)[A-Za-z_$][\w$]*"
_COLON = r"\s*:(?!:)\s*(?=\S)"  # behind a label nothing follows
_FIELD = rf"(?P<key>{_QUOTED}|{_NAME}){_COLON}"
_KEYS = {
    "python": rf"(?P<key>{_QUOTED})\s*:\s*",
    **dict.fromkeys(
        ("javascript", "javascriptreact", "typescript", "typescriptreact", "vue", "svelte"), _FIELD
    ),
    **dict.fromkeys(("go", "rust", "dart"), _FIELD),
    **dict.fromkeys(("php", "perl"), rf"(?P<key>{_QUOTED}|{_NAME})\s*=>\s*"),
    "ruby": rf"(?P<key>(?:{_QUOTED}|:{_NAME})(?=\s*=>)|{_NAME}(?={_COLON}))",
}
"""How an entry begins, by language: a bare name is a key but in Python, where it is a variable."""


def _key(code: str, language: str) -> str:
    """The key of a line that is an entry; "" for other lines."""
    found = _entry(language).match(code.strip())
    return found["key"].strip("\"'") if found and not code.rstrip().endswith(";") else ""


def _second(line: str, begun: int, language: str) -> int | None:
    """Where behind `begun` an entry of a literal begins that has its key already, with what parts the two."""
    levels: list[set[str]] = []
    for found in _signs(language).finditer(line):
        sign = found[0]
        if found["key"] is None:
            if sign in "{[(":
                levels.append(set())
            elif sign in "}])" and levels:
                levels.pop()
            continue
        key = found["key"].strip("\"'")
        if levels and key in levels[-1] and found.start("key") >= begun:
            return max(begun, len(line[: found.start()].rstrip(", ")))
        if levels:
            levels[-1].add(key)
    return None


@cache
def _entry(language: str) -> re.Pattern[str]:
    return re.compile(_KEYS[language])


@cache
def _signs(language: str) -> re.Pattern[str]:
    return re.compile(rf"(?:(?<=[{{,])|(?<=[{{,] )){_KEYS[language]}|{_QUOTED}|[{{\[(}}\])]")
