"""Brackets and quotes of a piece of code, as far as they can be told without its language."""

import re
from functools import lru_cache

OPENER = {")": "(", "]": "[", "}": "{"}
CLOSER = {opener: closer for closer, opener in OPENER.items()}
QUOTES = "\"'`"
_STRING = re.compile(r"(?<!\\)(?:\"(?:\\.|[^\"\\\n])*+\"|'(?:\\.|[^'\\\n])*+')")
_PAIRS = {
    closer: re.compile(re.escape(opener) + "|" + re.escape(closer)) for closer, opener in OPENER.items()
}
_LONG_STRING = r"\"\"\"[\s\S]*?(?:\"\"\"|\Z)|'''[\s\S]*?(?:'''|\Z)"


def without_strings(text: str) -> str:
    """Of the same length, with "x" for what whole strings hold."""
    return _STRING.sub(lambda quoted: "x" * len(quoted[0]), text)


def unmatched(text: str, closer: str) -> int:
    """Where `closer` first closes a bracket that `text` did not open; the text's length if nowhere."""
    return _unmatched(without_strings(text), closer)


def first_unmatched(text: str) -> int:
    """Where any bracket is first closed that `text` did not open; the text's length if nowhere."""
    text = without_strings(text)
    return min(_unmatched(text, closer) for closer in OPENER)


def _unmatched(code: str, closer: str) -> int:
    depth, opener = 0, OPENER[closer]
    for found in _PAIRS[closer].finditer(code):
        depth += 1 if found[0] == opener else -1
        if depth < 0:
            return found.start()
    return len(code)


@lru_cache(16)
def balanced(text: str) -> bool:
    """Whether every bracket that `text` opens is closed in it, and the other way round.

    The last answers are known: of the cursor's line it is asked with each token.
    """
    text = without_strings(text)
    return first_unmatched(text) == len(text) and all(
        text.count(opener) == text.count(closer) for closer, opener in OPENER.items()
    )


def open_quote(code: str, comment: str) -> tuple[int, str]:
    """(where a string begins that `code` leaves open, its quote), (-1, "") for none.

    A string of one quote ends with its line in any case.
    """
    last_line = code.rfind("\n") + 1
    for found in _quotes(comment).finditer(code):
        if (long := found["long"]) or (found["short"] and found.start() >= last_line):
            return found.start(), long or found["short"]
    return -1, ""


def left_open(before: str, after: str, comment: str) -> list[int]:
    """Where `before` opens brackets that neither it nor `after` closes, the outermost first.

    `comment` is what begins a comment of one line, "" for none.
    """
    openers, _ = loose(before, comment)
    closers = loose(after, comment)[1][: len(openers)]  # more of them close what the window does not show
    n = 0
    while n < len(closers) and closers[-1 - n] == CLOSER[before[openers[n]]]:
        n += 1  # the outermost is closed last
    return openers[n:]


def loose(code: str, comment: str) -> tuple[list[int], str]:
    """(where the brackets are that nothing closes, the closers of brackets that nothing opened)."""
    openers: list[int] = []
    closers = ""
    for found in _brackets(comment).finditer(code):
        bracket = found[1]
        if bracket in CLOSER:
            openers.append(found.start())
        elif bracket and openers and code[openers[-1]] == OPENER[bracket]:
            openers.pop()
        elif bracket:
            closers += bracket
    return openers, closers


@lru_cache
def _brackets(comment: str) -> re.Pattern[str]:
    """Finds brackets as its group, and passes over strings and comments."""
    passed = [_LONG_STRING, _STRING.pattern] + ([re.escape(comment) + r"[^\n]*"] if comment else [])
    return re.compile("|".join(passed) + r"|([()\[\]{}])")


@lru_cache
def _quotes(comment: str) -> re.Pattern[str]:
    """Finds quotes that open what nothing closes, passing over strings and comments."""
    passed = r"\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''" + (f"|{re.escape(comment)}[^\n]*" if comment else "")
    return re.compile(rf"{passed}|(?P<long>\"\"\"|''')|{_STRING.pattern}|(?P<short>[\"'])")
