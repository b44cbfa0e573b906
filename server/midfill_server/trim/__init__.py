"""From what the model wrote to what is worth showing: pure filters (text, window) -> text, in one list.

All but those in AT_THE_END also work on a text that is still growing, so the same list serves partial
results. Those only ever cut: a filter that has cut something off a growing text has seen its end, and
decoding stops there. What a filter may still cut off is not shown before: see `settled`.
"""

from collections.abc import Callable, Mapping

from midfill_server.context import Window

from .clean import (
    before_delimiter,
    control_tokens,
    has_control_token,
    trailing_blanks,
    unix_newlines,
)
from .depth import indentation
from .fit.commas import before_comma, comma_behind, commas
from .fit.fits import BRACKETS, comment_closed, fitting, fitting_lines, grammar, judge_of, leaves_comment
from .fit.keys import certain_key, known_keys
from .lines import near
from .repeats import certain, circles, lines_that_stand_there, phrases_again
from .rest import (
    before_tail,
    closer_before_body,
    closer_below,
    makes_a_strange_word,
    rest_of_line,
    tail_that_follows,
)
from .shape import is_complete, one_line_only, one_unit, whole_lines
from .words.again import attributes_again, behind_the_end, block_lines_again, rows, unknown_arguments
from .words.defined import defined_again, imports_again, parameters_again
from .words.docs import library_docs, lone_heading, words_of_javascript
from .words.entries import entries_again
from .words.foreign import another_language
from .words.harm import endless_calls, harmful
from .words.others import others_words
from .words.quotes import before_quotes, lone_quotes

__all__ = [
    "FILTERS",
    "grammar",
    "is_final",
    "near",
    "one_line_only",
    "settled",
    "trim",
    "trim_cut",
    "whole_lines",
    "why_empty",
]

Filter = Callable[[str, Window], str]

_BY_LINES: Mapping[Filter, str] = {
    closer_before_body: "closes a bracket around what stands below",
    circles: "goes round in circles",
    phrases_again: "repeats what stands before the cursor",
    lines_that_stand_there: "repeats the lines above or below",
    block_lines_again: "repeats a line of its block",
    attributes_again: "is an attribute that the tag has already",
    defined_again: "defines what is defined already",
    imports_again: "imports what is imported already",
    parameters_again: "is a parameter that the function has already",
    entries_again: "is an entry that stands there already",
    rows: "only counts on",
    behind_the_end: "would never be reached",
    unknown_arguments: "uses arguments that the function does not have",
    known_keys: "is a key that stands there already",
    others_words: "holds somebody else's words, such as a licence, a name or an address",
    library_docs: "is documentation of a kind that the file does not have",
    words_of_javascript: "names JavaScript's types or tools, in another language",
    another_language: "is in another language",
    harmful: "deletes, overwrites or sends something, as nothing else here does",
    endless_calls: "is a function that would only call itself",
}
"""What cuts before a line, whatever follows it."""

FILTERS: Mapping[Filter, str] = {
    control_tokens: "is only a sign between files",
    unix_newlines: "is only line ends",
    indentation: "is only blanks",
    one_unit: "does not belong to the line or block at the cursor",
    **_BY_LINES,
    lone_heading: "is only a heading",
    rest_of_line: "is what stands behind the cursor already",
    tail_that_follows: "is what stands behind the cursor already",
    trailing_blanks: "is only blanks",
    fitting: "would leave code that does not parse",
    commas: "would leave a comma too many, or too few",
    comma_behind: "would leave a comma too few",
    closer_below: "would leave a bracket on the wrong line",
    comment_closed: "would leave a comment open",
    lone_quotes: "is only quotes",
}
"""In their order, each with what is the matter with a text of which it leaves nothing, behind "it"."""

AT_THE_END: frozenset[Filter] = frozenset(
    {tail_that_follows, fitting, comma_behind, closer_below, comment_closed, lone_quotes}
)
"""What needs the whole text: half an item seldom fits."""

_OF_WHOLE_ITEMS: frozenset[Filter] = frozenset({fitting, comma_behind, closer_below, comment_closed})
_CUTTING: tuple[Filter, ...] = (*_BY_LINES, rest_of_line)
_WHOLE_LINES: tuple[Filter, ...] = (
    indentation,
    one_unit,
    *_BY_LINES,
    lone_heading,
    rest_of_line,
    trailing_blanks,
    before_quotes,
)
_FIRST_LINE: tuple[Filter, ...] = (
    before_delimiter,
    indentation,
    one_unit,
    certain,
    certain_key,
    rest_of_line,
    trailing_blanks,
)


def trim(text: str, window: Window) -> str:
    """The part of `text` that can be inserted at the cursor, with \\n line ends; "" when nothing is left."""
    window = near(window)
    for apply in FILTERS:
        text = apply(text, window)
    return text


def trim_cut(text: str, window: Window) -> str:
    """`trim` for a text that was cut off where the model stops being sure, at a line's end or within a line.

    There it is only a beginning: whether it fits depends on what the user types next, and to close what is
    open would be a guess. But nothing is left in a comment that it begins, nor glued to the word behind it.
    """
    window = near(window)
    if text.endswith("\n"):
        return trim(text, window)
    for apply in FILTERS:
        text = text if apply in _OF_WHOLE_ITEMS else apply(text, window)
    return "" if makes_a_strange_word(text, window, text) or leaves_comment(text, window) else text


def why_empty(text: str, window: Window) -> str:
    """What is the matter with a `text` of which nothing is left, behind "it"; "" when something is."""
    window = near(window)
    for apply, why in FILTERS.items():
        text = apply(text, window)
        if not text:
            return why
    return ""


def settled(text: str, window: Window) -> str:
    """What can be shown of a text that still grows: nothing that may have to be taken back.

    Whatever follows, and wherever the text ends, this is a beginning of what is shown later and of the item.
    In the middle of a line that is nothing: only the whole item can be fitted to what follows. Elsewhere it
    is whole lines: of half a line nobody knows whether it will stand there already, or is somebody else's.
    Only where no language is told the first line is seen growing, and the filters of words leave it alone.
    """
    window = near(window)
    if one_line_only(window) and window.line_rest.strip():
        return ""
    text = unix_newlines(control_tokens(text, window), window)
    lines = whole_lines(text)
    judged, grows = judge_of(window.language) is not BRACKETS, lines == text
    if grows and window.language:
        return ""
    for apply in _FIRST_LINE if grows else _WHOLE_LINES:
        lines = apply(lines, window)
    if judged:
        lines = fitting_lines(lines, window)
    lines = before_tail(lines, window, whole=judged).rstrip()
    return before_comma(lines, window)


def is_final(text: str, window: Window) -> bool:
    """True when nothing that the model may still write can change the outcome."""
    window = near(window)
    if has_control_token(text):
        return True
    text = indentation(unix_newlines(text, window), window)
    if is_complete(text, window):
        return True
    grown = text[: text.rfind("\n") + 1] if "\n" in text else ""
    return any(apply(grown, window) != grown for apply in _CUTTING) or rest_of_line(text, window) != text
