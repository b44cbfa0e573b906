"""Another language's code: words and signs that the file's own language does not have."""

import re

from midfill_server.context import Window
from midfill_server.context.languages.signs import signs_of
from midfill_server.trim.fit.brackets import without_strings

from .block import NEAR, WIDEST, by_lines, is_code, item_lines, up_to
from .tokens import foreign_to

_JSON = re.compile(r"[^\s\[\]{}:,\d.eE+\-x\"]|(?<![\d.])[eE]")
_JSON_WORDS = re.compile(r"\b(?:true|false|null)\b")


@by_lines
def another_language(text: str, window: Window) -> str:
    """Up to a line that another language would have: nothing, if that is the first.

    What the file has elsewhere is its own.
    """
    json = window.language == "json"
    tokens = foreign_to(window.language)
    if not json and tokens is None:
        return text
    n = next((n for n, line in enumerate(item_lines(text, window)) if _is_foreign(n, line, window)), None)
    if n is None or not _is_own_code(window):
        return text
    return up_to(n, text)


def _is_foreign(n: int, line: str, window: Window) -> bool:
    begun = len(window.line_start) if n == 0 else 0
    if begun > WIDEST:  # a file of data
        return False
    code = _code(line[: 2 * WIDEST], window.language)
    if window.language == "json":
        return _JSON.search(_JSON_WORDS.sub("0", code)) is not None
    tokens = foreign_to(window.language)
    assert tokens is not None, "the caller has looked"
    found = next((it for it in tokens.finditer(code) if it.end() > begun), None)
    return found is not None and not _is_own(found[0].strip(), window)


def _is_own(words: str, window: Window) -> bool:
    return words in window.prefix[: len(window.prefix) - len(window.line_start)] or words in window.suffix


def _code(line: str, language: str) -> str:
    """Without what strings hold, and without a comment."""
    code = line if '"""' in line else without_strings(line).partition('"')[0]
    signs = signs_of(language)
    for sign in signs.line if signs is not None else ():
        at = code.find(sign)
        if at == 0 or (at > 0 and code[at - 1].isspace()):
            code = code[:at]
    return code


def _is_own_code(window: Window) -> bool:
    """Whether the cursor is in the language's own code, not in a comment, a string, a script or a fence."""
    prefix = window.prefix[-NEAR:]
    if window.language == "markdown":
        return prefix.count("```") % 2 == 0
    if window.language in ("html", "xml", "svg"):
        small = prefix.lower()
        return small.rfind("<script") <= small.rfind("</script")
    return is_code(window)
