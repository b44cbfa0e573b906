"""Lines that stand in the block already, rows that count on, and what follows the end of a block."""

import re
from collections.abc import Sequence
from itertools import pairwise

from midfill_server.context import Window

from .block import (
    WIDEST,
    Line,
    above,
    around,
    below,
    beside,
    by_lines,
    is_code,
    item_lines,
    line_of,
    shape,
    up_to,
)

_LEAST = 4  # letters and digits of a line that says something
_MAY_COME_AGAIN = re.compile(
    r"@|[)\]}]|\.\. |[^\w\"'`]*\Z"  # decorators, what closes brackets, directives in a docstring
    r"|(?:else|try|finally|except|catch|rescue|ensure|do|then|begin|default|pass|break|continue|next|end|fi"
    r"|done|esac|while|loop|yield|assert|expect)\b"
    r"|.*[(\[]\Z"  # a call of several lines: what differs is below
    r"|RETURNS\b|LANGUAGE\b|where\Z|typedef\b|#!?\["  # clauses, attributes
    r"|#\s*(?:if|el|endif|pragma)|(?:///?|\*|#)\s*[<@\\]|```|.*(?:\+\+|--|[-+*/|&]=)"
)
_CALL = re.compile(r"(?:await |self\.|this\.)?[\w.$:>-]*\w[!?]?\(.*\)?;?\Z")
_ANYWHERE = frozenset({"makefile", "ignore"})
"""Where a line that stands anywhere in the file is not wanted a second time."""
_DATA = frozenset({"yaml", "dockercompose", "dockerfile", "makefile", "toml", "ini", "properties"})
"""Where what follows a key or a command is no line of its own."""


@by_lines
def block_lines_again(text: str, window: Window) -> str:
    """Up to a line that stands in its block already, or that opened a block around it.

    Numbers do not tell lines apart, but for one that goes on from the line right above. What stands in
    another block is no repetition: every fifth line of real code does, and one in a hundred of its own block.
    """
    before, after = list(above(window)), below(window)
    n_above = len(before)
    for n, written in enumerate(item_lines(text, window)):
        line = line_of(written)
        if not line.code:
            continue
        new = n > 0 or not window.line_start.strip()
        if not new and _is_another_line(text, before, after):
            return ""
        if _says_something(line.code) and (
            _stands_there(line, before, n_above, after, window, new)
            or _was_written(line, before, n_above, after, window)
        ):
            return up_to(n, text)
        before.append(line)
    return text


@by_lines
def rows(text: str, window: Window) -> str:
    """Rows that count on end at their second member, and a name or a value that comes again ends them."""
    lines = item_lines(text, window)
    for n, line in enumerate(lines):
        one, two = lines[n - 1 : n], lines[n - 2 : n - 1] if n > 1 else []
        if (one and _named(line) and _named(line) == _named(one[0]) and shape(line) == shape(one[0])) or (
            two and _is_third(line, one[0], two[0])
        ):
            return up_to(n, text)
        if one and line != one[0] and _ASSIGNED.match(line) and _DIGITS.sub("", line, count=1) == one[0]:
            return up_to(n, text)  # `name2 = value` below `name = value`
        if (run := _RUN.search(line)) and run[0] not in window.prefix:
            return up_to(n, text)
        start = 0 if n else len(window.line_start)
        if window.language in _TABLES and (again := _NUMBERS.search(line)):
            end = max(start, again.end(2))
        elif (second := _second_of_many(line[start : start + WIDEST])) is not None:
            end = start + second
        else:
            continue
        return (up_to(n, text) + "\n" if n else "") + line[start:end]
    return text


@by_lines
def attributes_again(text: str, window: Window) -> str:
    """Up to an attribute that the tag at the cursor has already."""
    if window.language not in _TAGS or (tag := _OPEN_TAG.search(window.prefix[-_TAG:])) is None:
        return text
    rest, closes, _ = window.line_rest[:_TAG].partition(">")
    known = {*_ATTRIBUTE.findall(tag[0]), *(_ATTRIBUTE.findall(" " + rest) if closes else ())}
    inside = text.partition(">")[0]
    for found in _ATTRIBUTE.finditer(" " + inside):
        if found[1] in known:
            return text[: max(0, found.start() - 1)]
        known.add(found[1])
    return text


@by_lines
def behind_the_end(text: str, window: Window) -> str:
    """Up to a line behind a `return` or the like of the same depth: nothing can be reached there."""
    if window.language not in _END_BLOCKS:
        return text
    before = list(above(window))
    lines = item_lines(text, window)
    for n, written in enumerate(lines):
        line = line_of(written)
        if not line.code:
            continue
        new = n > 0 or not window.line_start.strip()
        ended = new and not _GOES_ON.match(line.code) and _has_ended(line, before, window.language)
        if ended and is_code(window, up_to(n, text)):
            return up_to(n, text)
        before.append(Line(line.depth, written.strip()))
    return text


@by_lines
def unknown_arguments(text: str, window: Window) -> str:
    """Up to `self.name = name` in a function that knows no such name: another one's body."""
    for n, written in enumerate(item_lines(text, window)):
        found = _TAKES.fullmatch(written.strip())
        if found and found[1] == found[2] and not _is_known(found[2], up_to(n, text), window):
            return up_to(n, text)
    return text


def _stands_there(
    line: Line, before: Sequence[Line], n_above: int, after: Sequence[Line], window: Window, new: bool
) -> bool:
    """`before[n_above:]` are the item's own: of these what opens blocks counts. `new`: all of it is."""
    if window.language in _ANYWHERE and any(it.code == line.code for it in (*before, *after)):
        return True
    if window.language in _DATA and any(it.code.endswith(" " + line.code) for it in (*before, *after)):
        return True
    if window.elsewhere and line.code == window.elsewhere[-1].strip():  # the comment that names the file
        return True
    if _OPENS.search(line.code) and any(it.code == line.code for it in around(line, before)):
        return True
    if _SIBLING.match(line.code):
        return False
    if not new and _is_mostly_typed(line, window):
        return False
    plain, call = shape(line.code), _CALL.match(line.code)
    last = before[-1] if before else None
    nearest = [next(beside(line, before, len(before), ()), None), next(beside(line, (), 0, after), None)]
    # Calls with other numbers are other calls, and a row may go on.
    row = call or _CASE.match(line.code) or any(it is not None and shape(it.code) == plain for it in nearest)
    n = len(before) if _OPENS.search(line.code) else n_above
    for it in beside(line, before, n, after):
        if it.code == line.code:
            return not call or it is last
        if shape(it.code) == plain and (not row or (new and _named(line.code) == _named(it.code) != "")):
            return True
        if window.language in _COLUMNS and _column(it.code) == line.code.split()[0].lower().strip('"`'):
            return True
    return False


def _is_mostly_typed(line: Line, window: Window) -> bool:
    """Whether the user has written the larger part of a line: who begins it again may want it again."""
    typed, whole = (sum(map(str.isalnum, it)) for it in (window.line_start, line.code))
    return 2 * typed >= whole


def _was_written(
    line: Line, before: Sequence[Line], n_above: int, after: Sequence[Line], window: Window
) -> bool:
    """Whether the item says a long line for the second time, or the block declares such a member."""
    own = [it.code for it in beside(line, before[n_above:], len(before) - n_above, ())]
    if len(line.code.split()) >= _LONG and line.code in own:
        return True
    if window.language not in _TYPED or (member := _MEMBER.match(line.code)) is None:
        return False
    members = (_MEMBER.match(it.code) for it in beside(line, before, len(before), after))
    return any(it is not None and it[1] == member[1] for it in members)


def _is_another_line(text: str, before: Sequence[Line], after: Sequence[Line]) -> bool:
    """Whether what goes on the cursor's line is a whole statement that stands on a line of its own."""
    code = text.partition("\n")[0].strip().rstrip(" ,")
    words = len(code.split())
    return words > 1 and _says_something(code) and any(it.code == code for it in (*before, *after))


def _says_something(code: str) -> bool:
    return sum(map(str.isalnum, code)) >= _LEAST and not _MAY_COME_AGAIN.match(code)


_LONG = 4  # words
_TYPED = frozenset({"typescript", "typescriptreact"})
_MEMBER = re.compile(r"(?:readonly )?(\w+)\??: [^()]*;\Z")
_SIBLING = re.compile(r"<(?:li|div|tr|td|p|ul|ol|dl|dt|dd|section|span|option|br)\b[^<>]*>\Z")
_CASE = re.compile(r"(?:case|when)\b|- |[\"'`]")  # and entries of lists
_OPENS = re.compile(r"[:{>]\Z|\b(?:do|then)\Z")
_TABLES = frozenset({"csv", "tsv"})
_NUMBERS = re.compile(r"(?<![\w.])(\d+)([,;] ?\1)(?:[,;] ?\1)+(?=[,;]|\Z)")
_COUNTED = re.compile(r"(?<![\w.])-?\d+(?:,[ \t]*-?\d+){5,}")
_DIGITS = re.compile(r"\d+(?=\W)")
_RUN = re.compile(r"([!?.,;:'\"$%&|<>])\1{11,}|(?:(?:\||__+)  *){8,}")
_ASSIGNED = re.compile(r"\s*([\w.$\[\]\"' ]*\w[\]\"']?)\s*(?::=|=|:)(?![=:])")
_TEXT = re.compile(r"[:=]\s*([\"'][^\"']*[^\W\d][^\"']*[^\W\d][^\"']*[\"'])[,;]?\s*\Z")


def _second_of_many(part: str) -> int | None:
    """Where the second of six numbers or more ends that count on by the same step; None where none do."""
    for found in _COUNTED.finditer(part):
        members = [*re.finditer(r"-?\d+", found[0])]
        steps = {int(two[0]) - int(one[0]) for one, two in pairwise(members[:6])}
        if len(steps) == 1 and 0 not in steps:
            return found.start() + members[1].end()
    return None


def _named(line: str) -> str:
    """The name that a line gives a value to, if it has a number; "" for none."""
    found = _ASSIGNED.match(line) if any(map(str.isdigit, line)) else None
    return found[1] if found else ""


def _is_third(line: str, one: str, two: str) -> bool:
    """Whether a line goes on from the two before it by counting, or with the text that both have."""
    if any(map(str.isdigit, line)) and shape(line.strip()) == shape(one.strip()) == shape(two.strip()):
        return True
    values = [found[1] if (found := _TEXT.search(it)) else "" for it in (line, one, two)]
    return bool(values[0]) and len(set(values)) == 1


_COLUMNS = frozenset({"sql", "mysql", "pgsql", "plsql"})
_MODES = frozenset({"in", "out", "inout", "variadic"})  # of parameters
_COLUMN = re.compile(
    r"[\"`]?(\w+)[\"`]? +(?i:\w*(?:int|serial|text|char|date|time|bool|numeric|decimal)\w*)\b"
)


def _column(code: str) -> str:
    """The name of a table's column; "" for what is none."""
    found = _COLUMN.match(code)
    return found[1].lower() if found and found[1].lower() not in _MODES else ""


_TAGS = frozenset({"html", "xml", "svg", "vue", "svelte", "javascriptreact", "typescriptreact"})
_TAG = 1_000  # characters of one
_OPEN_TAG = re.compile(r"<[A-Za-z][\w.:-]*(?:\s[^<>]*)?\Z")
_ATTRIBUTE = re.compile(r"\s([\w:@.-]+)=[\"'{]")

_END_BLOCKS = frozenset(
    word
    for line in (
        "c cpp csharp dart go java javascript javascriptreact kotlin lua objective-c php python ruby rust",
        "scala shellscript swift typescript typescriptreact zig",
    )
    for word in line.split()
)
_END = re.compile(r"(?:return|raise|throw|break|continue)\b(?! ?[:=])")
_UNFINISHED = re.compile(r"(?:[-+*/%,.=&|<>?:\\(\[{]|\b(?:and|or|not|in|is|if|else))\Z")
_CONDITION = re.compile(r" (?:if|unless) ")
_GOES_ON = re.compile(
    r"[^\w@$#\"'`_]|(?:else|elif|elsif|elseif|except|catch|finally|rescue|ensure|when|end|fi|done|esac|case"
    r"|default|until|in|and|or)\b|\w+:(?!:)"
)


def _has_ended(line: Line, before: Sequence[Line], language: str) -> bool:
    """Whether the statement right above, as deep as `line`, leaves the block."""
    n = len(before) - 1
    if n < 0 or before[n].depth != line.depth:
        return False
    parts = [before[n].code]
    while n > 0 and (parts[0][:1] in ")]}" or before[n].depth > line.depth):  # it began further up
        n -= 1
        if before[n].depth < line.depth:
            return False
        parts.insert(0, before[n].code)
    statement = " ".join(parts)
    if not _END.match(statement) or _UNFINISHED.search(statement):
        return False
    if any(statement.count(one) != statement.count(other) for one, other in ("()", "[]", "{}")):
        return False
    return not (language in ("ruby", "shellscript") and _CONDITION.search(statement))


_TAKES = re.compile(r"(?:this\.|self\.|@|\$this->)(\w+) = \$?(\w+);?")
_FUNCTION = re.compile(
    r"\b(?:def|function|constructor|fun|func|fn|init)\b"
    r"|^\s*(?:[\w*]+ )*(?!(?:if|for|while|switch|catch)\b)\w+ ?\(.*\)[^()]*\{\s*$"
)


def _is_known(name: str, head: str, window: Window) -> bool:
    """Whether the function around the cursor says `name` by itself; true where there is no function."""
    code = (window.prefix + head).split("\n")[-60:]
    starts = [n for n, line in enumerate(code) if _FUNCTION.search(line)]
    if not starts:
        return True
    return re.search(rf"(?<![\w.@>]){name}\b", "\n".join(code[starts[-1] :])) is not None
