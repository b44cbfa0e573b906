"""Lines that stand there already, and lines that the model writes again and again."""

import re
from collections.abc import Iterator
from itertools import takewhile

from midfill_server.context import Window

from .fit.balance.judge import heals
from .fit.brackets import OPENER, first_unmatched
from .lines import indent

_BELOW = 3  # lines that a reader sees at once
_PHRASE = range(6, 64)  # characters
_LONG_PHRASE, _WORDS, _LONGEST_PHRASE = 18, 5, 300  # characters; words; characters of a line
_LONGEST_ROW = 40  # lines
_GIVES = re.compile(r" = |^\s*[\w$\"'.-]+: .*,$")  # a value to a name
_LEAVES = re.compile(r"\s*(?:break|continue|pass|return)\W*")
_CLOSING_WORD = re.compile(r"\s*(?:end|fi|done|esac)\W*")


def lines_that_stand_there(text: str, window: Window) -> str:
    """Up to a line that is the one above the cursor, or one of the next ones below it, a comma aside.

    The line above may come again as the body of a block that the item opens.
    A word that closes a block may well stand above: another block ends there.
    Lines of brackets alone are often alike by right: they count where they are all that is left of the item,
    follow below, and close more than the item has opened so far.
    """
    above, beneath = _above(window), _beneath(window)
    below = list(takewhile(lambda line: indent(line) >= indent(window.line_start), beneath))
    again = {_bare(line) for line in above if _has_words(line) and not _CLOSING_WORD.fullmatch(line)}
    lines = [line.rstrip() for line in (window.line_start + text).rstrip().split("\n")]
    first = 1 if window.line_start.strip() else 0  # of the lines that are wholly the model's
    too_much = first_unmatched(text)
    closes = text.count("\n", 0, too_much) if too_much < len(text) else len(lines)
    for n, line in enumerate(lines):
        closing = n >= max(first, closes) and line and lines[n:] == below[: len(lines) - n]
        closing = closing or (n == first == 0 and _closes_below(line, beneath) and not heals(text, window))
        opened = n > first and lines[n - 1].endswith((":", "{"))
        seen = _of_same_block(line, beneath) if n > 0 or _LEAVES.fullmatch(line) else beneath
        seen = beneath[:1] if _CLOSING_WORD.fullmatch(line) else seen
        stands_there = any(_bare(it) == _bare(line) for it in seen if _has_words(it)) or (
            _bare(line) in again and not opened
        )
        if stands_there or closing:
            return _up_to(n, text)
    return text


def circles(text: str, window: Window) -> str:
    """Up to where it begins to go round: a line again at once, or for the third time, or a phrase thrice.

    A value for the same name is enough when it comes again behind one other line, or in a row of assignments,
    which may have begun above the cursor. Of a first line that goes round, its beginning and one round are
    left.
    """
    seen: list[str] = []
    row = _row_above(window)
    for n, line in enumerate((window.line_start + text).split("\n")):
        line = line.rstrip()
        at_once = seen[-1:] == [line] and len(line.strip()) > 2
        between = seen[-2:-1] == [line] and _GIVES.search(line) is not None
        third = seen.count(line) > 1 and _has_words(line)
        if at_once or between or third or line in row:
            return _up_to(n, text)
        if (again := goes_round(line)) < len(line):
            before = _up_to(n, text)
            return before if before.strip() else text[: max(0, _start_of(n, text, window) + again)]
        seen.append(line)
        row = _row(row, line)
    return text


def phrases_again(text: str, window: Window) -> str:
    """Nothing that says again what stands right before the cursor; up to a long phrase that comes again."""
    if not window.language:  # there a first line is seen growing
        return text
    if any(window.line_start.endswith(words) for words in _first_words(text)):
        return ""
    for n, line in enumerate((window.line_start + text).split("\n")):
        begun = len(window.line_start) if n == 0 else 0
        if (again := _again(line, begun)) < len(line):
            return _up_to(n, text) if n else text[: again - begun].rstrip()
    return text


def _first_words(text: str) -> Iterator[str]:
    """Beginnings of its first line, of two words or more, each up to where another word begins."""
    line = text.partition("\n")[0][:_LONGEST_PHRASE]
    for found in re.finditer(r"\s(?=\S)|\Z", line):
        words = line[: found.end()]
        if len(words.split()) > 1 and sum(map(str.isalpha, words)) >= _PHRASE[0]:
            yield words


def _again(line: str, begun: int) -> int:
    """Where in `line`, behind `begun`, a long phrase of it stands for the second time; else its length."""
    starts = [found.start() for found in re.finditer(r"(?<!\S)\S", line[:_LONGEST_PHRASE])]
    seen: dict[str, int] = {}
    for place, after in zip(starts, starts[_WORDS:], strict=False):
        words = line[place:after]
        if len(words) >= _LONG_PHRASE and any(map(str.isalpha, words)):
            first = seen.setdefault(words, place)
            if first != place and place > begun:
                return place
    return len(line)


def certain(text: str, window: Window) -> str:
    """What both filters above leave of a first line, however it goes on: nothing, if it may stand there."""
    head = text[: text.rfind("\n") + 1]
    if any(apply(head, window) != head for apply in (circles, lines_that_stand_there)):
        return ""
    *before, line = (window.line_start + text).split("\n")
    line = line.rstrip()
    line = _bare(line[: _second_round(line, least=1)])
    beneath = _beneath(window)
    known = [*_above(window), *beneath, *_row_above(window), *before]
    if any(it.startswith(line) for it in known) or (not before and _closes_below(line, beneath, so_far=True)):
        return ""
    return text[: max(0, _start_of(len(before), text, window) + len(line))]


def goes_round(line: str) -> int:
    """Where words begin for the second time, if `line` ends with them three times; else its length."""
    return _second_round(line, least=2)


def _second_round(line: str, least: int) -> int:
    """Where `line` begins to repeat the words right before, up to its end; its length if nowhere.

    `least`: 2 for two whole rounds at the least, 1 for the first character of one.
    """
    places = [len(line)]
    for n in _PHRASE:
        needed = 2 * n if least > 1 else 1
        if not (line.endswith(line[-needed - n : -n]) and len(line) >= needed + n):
            continue
        begins = len(line) - _common_end(line, line[:-n])
        if any(map(str.isalpha, line[begins - n : begins])):
            places.append(begins)
    return min(places)


def _common_end(one: str, other: str) -> int:
    """How many characters both end with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one.endswith(other[-middle:]) else (low, middle - 1)
    return low


def _start_of(n: int, text: str, window: Window) -> int:
    """Where line `n` of the cursor's line and `text` begins in `text`; of the cursor's, that is before it."""
    return len(_up_to(n, text)) + 1 if n else -len(window.line_start)


def _above(window: Window) -> list[str]:
    return _lines(window.prefix[: len(window.prefix) - len(window.line_start)])[-1:]


def _beneath(window: Window) -> list[str]:
    return _lines(window.suffix.partition("\n")[2])[:_BELOW]


def _of_same_block(line: str, beneath: list[str]) -> list[str]:
    """What stands below it up to the end of its block: another one may well say the same."""
    return list(takewhile(lambda it: indent(it) >= indent(line), beneath))


def _row_above(window: Window) -> list[str]:
    """The assignments right above the cursor."""
    row: list[str] = []
    for line in window.prefix.rsplit("\n", _LONGEST_ROW)[-_LONGEST_ROW:-1]:
        row = _row(row, line.rstrip())
    return row


def _row(row: list[str], line: str) -> list[str]:
    """The assignments in a row, of one depth, that end with `line`. What calls something may do so twice."""
    if " = " not in line or "(" in line:
        return []
    return [*row, line] if row and indent(row[-1]) == indent(line) else [line]


def _up_to(n: int, text: str) -> str:
    """The first `n` lines."""
    return "\n".join(text.split("\n")[:n])


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def _closes_below(line: str, beneath: list[str], so_far: bool = False) -> bool:
    """Whether a line of brackets is the next one below but for its depth. `so_far`: it still grows."""
    code, below = line.strip(), beneath[0].strip() if beneath else ""
    same = below.startswith(code) if so_far else below == code
    return same and code[:1] in OPENER and not _has_words(below)


def _bare(line: str) -> str:
    return line.rstrip().rstrip(" ,")


def _has_words(line: str) -> bool:
    """Whether it holds more than brackets, quotes and other signs of ASCII."""
    return any(it.isalnum() or it > "\x7f" for it in line)
