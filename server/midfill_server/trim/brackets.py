"""Brackets and quotes of a piece of a line, as far as they can be told without its language."""

import re

OPENER = {")": "(", "]": "[", "}": "{"}
QUOTES = "\"'`"
_STRING = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'")


def without_strings(text: str) -> str:
    """Of the same length, with "x" for what whole strings hold."""
    return _STRING.sub(lambda quoted: "x" * len(quoted[0]), text)


def unmatched(text: str, closer: str) -> int:
    """Where `closer` first closes a bracket that `text` did not open; the text's length if nowhere."""
    depth = 0
    for i, character in enumerate(without_strings(text)):
        depth += (character == OPENER[closer]) - (character == closer)
        if depth < 0:
            return i
    return len(text)


def first_unmatched(text: str) -> int:
    """Where any bracket is first closed that `text` did not open; the text's length if nowhere."""
    return min(unmatched(text, closer) for closer in OPENER)


def balanced(text: str) -> bool:
    """Whether every bracket that `text` opens is closed in it, and the other way round."""
    text = without_strings(text)
    return first_unmatched(text) == len(text) and all(
        text.count(opener) == text.count(closer) for closer, opener in OPENER.items()
    )
