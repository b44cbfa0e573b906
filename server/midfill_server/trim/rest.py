"""The item against the rest of the cursor's line: it must not write again what stands there."""

import re

from midfill_server.context import Window

from .fit.brackets import CLOSER, OPENER, QUOTES, balanced, first_unmatched, loose, unmatched
from .half import goes_on
from .lines import margin
from .shape import one_line_only

_WORD_BEGINS, _WORD_ENDS = re.compile(r"[A-Za-z_]\w*", re.A), re.compile(r"\w+\Z", re.A)
_SAME = 6  # characters that are no accident
_NEAR = 4_000  # characters before the cursor in which its bracket is looked for


def rest_of_line(text: str, window: Window) -> str:
    """Up to where the item closes a bracket or quote that is closed there, or begins to repeat the rest."""
    rest = window.line_rest.strip()
    if not rest:
        return text
    if rest[0] in OPENER:
        text = text[: unmatched(text, rest[0])]
    elif rest[0] in QUOTES and window.line_start.count(rest[0]) % 2:
        text = text.partition(rest[0])[0]
    if not one_line_only(window):
        return text
    if balanced(window.line_start + window.line_rest):
        text = text[: first_unmatched(text)]
    if len(rest) >= _SAME and (at := text.find(rest[:_SAME])) >= 0:
        text = text[:at]
    return text


def closer_before_body(text: str, window: Window) -> str:
    """Nothing that closes the bracket at the end of the cursor's line, where what it holds stands below."""
    opener = window.line_start.rstrip()[-1:]
    closes_it = opener in CLOSER and text.lstrip()[:1] == CLOSER[opener]
    return "" if closes_it and not window.line_rest.strip() and goes_on("", window) else text


def tail_that_follows(text: str, window: Window) -> str:
    """Without an end that the rest of the line begins with."""
    rest = window.line_rest.strip()
    if not rest or (rest[0] in OPENER and not one_line_only(window)):
        return text
    whole = text.rstrip()
    if whole.endswith(rest):
        return whole.removesuffix(rest)
    if one_line_only(window):
        for n in range(min(len(rest), len(whole)), 3, -1):
            if whole.endswith(rest[:n]):
                return whole[:-n]
    return text


def makes_a_strange_word(text: str, window: Window, written: str) -> bool:
    """Whether its end and the word behind it become one that neither the window nor what was written knows.

    Within a word, what is all word joins it.
    """
    follows, ends = _WORD_BEGINS.match(window.line_rest), _WORD_ENDS.search(text)
    if not follows or not ends or (not ends.start() and _WORD_ENDS.search(window.line_start)):
        return False
    word = re.compile(rf"\b{ends[0]}{follows[0]}\b")
    return not any(map(word.search, (written, window.prefix, window.suffix)))


def before_tail(text: str, window: Window, whole: bool) -> str:
    """A growing text without the end that `tail_that_follows` may cut off; `whole`: without that line."""
    rest = window.line_rest.strip()
    if not rest or rest[0] in OPENER:
        return text
    common = next((n for n in range(min(len(rest), len(text)), 0, -1) if text.endswith(rest[:n])), 0)
    return text.rpartition("\n")[0] if common and whole else text[: len(text) - common]


def closer_below(text: str, window: Window) -> str:
    """With a last line end, and the opener's indentation, where the cursor stands before a closing bracket.

    Only for a bracket that ends its line, and what stands on lines of its own: the closer then does so, too.
    """
    closer = window.line_rest.lstrip()[:1]
    own_lines = "\n" in text or not window.line_start.strip()
    if closer not in OPENER or not own_lines or not text.rpartition("\n")[2].strip():
        return text
    code = window.prefix[-_NEAR:] + text
    openers, _ = loose(code, "")
    if not openers or code[openers[-1]] != OPENER[closer]:
        return text
    opener = openers[-1]
    if code[opener + 1 :].partition("\n")[0].strip():
        return text
    return text + "\n" + margin(code[code.rfind("\n", 0, opener) + 1 : opener])
