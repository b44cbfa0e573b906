"""The verdict: the file with the item must not have more left open, or closed in vain, than without it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile

from midfill_server.context import Window
from midfill_server.context.languages.signs import signs_of
from midfill_server.trim.lines import columns
from midfill_server.trim.shape import one_line_only

from . import modes
from .families import UNKNOWN, Words, family_of
from .scan import BEFORE, BEHIND, ITEM, Faults, Open, Scan, Stack

_BEFORE, _BEHIND = 8_000, 4_000  # characters that are read
_STRIDE, _PIECE = 2_000, 24  # characters; lines
_DEEPEST = 200  # things open at the line's start: nobody writes more
_LONG = 40  # lines of a string or a comment that more probably is misread
_STEPS = 6
_ENDS = re.compile(r"\n(?:(?=\S)[^\n]*[})\]>;]|end)?\Z")  # a file, with or without a last line end
_DEEP = re.compile(r"\n[ \t]+[^\s})\]][^\n]*\s*\Z")  # no file ends so
_SAYS = re.compile(r"[\w(\[{]")  # more than a quote or two
_WHOLE_FILE = 400  # characters: of less the window has cut nothing off


def judges(language: str) -> bool:
    """Whether something is known of it."""
    return language not in UNKNOWN and signs_of(language) is not None


def fits(text: str, window: Window) -> bool | None:
    """Whether the file is no worse with the item at the cursor; None: what is around it is not understood."""
    if _place(window) is None:
        return None
    faults = _read(text, window).faults
    return faults[ITEM] == 0 and sum(faults) <= _faults_without(window)


def heals(text: str, window: Window) -> bool:
    """Whether the file is better with the item: it opens or closes what the code below waits for."""
    if not judges(window.language) or _place(window) is None:
        return False
    faults = _read(text, window).faults
    return faults[ITEM] == 0 and sum(faults) < sum(_read("", window).faults)


def ends_in_comment(text: str, window: Window) -> bool:
    """Whether the item begins a comment of several lines, which goes on below it."""
    opened = _read(text, window).opened
    return bool(opened) and opened[-1].kind == "comment"


def leaves_comment(text: str, window: Window) -> bool:
    """Whether the item begins a comment that ends nowhere, or with the next one of the file."""
    if _place(window) is None or not (opened := _read(text, window).opened):
        return False
    return opened[-1].kind == "comment" and opened[-1].whose == ITEM and not fits(text, window)


def completed(text: str, window: Window) -> Iterator[str]:
    """With what it leaves open closed, one thing after the other, from the innermost on."""
    stands_below = window.suffix.lstrip().startswith(text) and not window.line_rest.strip()
    if _place(window) is None or text.endswith("\\") or not _SAYS.search(text) or stands_below:
        return
    flat = one_line_only(window) or bool(window.line_rest.strip())
    family, lines = family_of(window.language), "\n" in text
    for _ in range(_STEPS):
        opened = _read(text, window).opened
        if not opened or opened[-1].whose != ITEM:
            return
        closer, own_line = _closer(opened[-1], window.line_start + text, family.words, flat)
        if lines and not own_line and not family.inline:
            return  # its last line is easily done without
        text = (text if opened[-1].kind in ("string", "comment") else text.rstrip(" ,")) + closer
        yield text


def _faults_without(window: Window) -> int:
    """Those of the file as it is. A comment that is open at the cursor hides some, until it is closed."""
    place = _place(window)
    assert place is not None, "asked only where what is above the cursor makes sense"
    faults = sum(_read("", window).faults)
    opened, _ = _scan(place.line_start, place.stack, window.language, (-1, -1))
    if opened and opened[-1].kind == "comment" and not place.rest.strip():
        faults = max(faults, sum(_read(opened[-1].closes, window).faults))
    return faults


@dataclass(frozen=True, slots=True)
class _Place:
    """The cursor's, read up to its line."""

    stack: Stack
    line_start: str
    rest: str
    """Of the line, with its end."""
    following: str
    cut: bool
    """Whether more follows than is read."""
    cut_above: bool
    depth: int
    """Of the least deep line that follows, in columns."""


@dataclass(frozen=True, slots=True)
class _Reading:
    faults: Faults
    opened: Stack
    """At the item's end."""
    later: Stack
    """What is closed behind all that is read."""


@lru_cache(maxsize=4)
def _place(window: Window) -> _Place | None:
    """None where what is read before the cursor makes no sense, or no person has written it."""
    rest, _, following = window.suffix.partition("\n")
    head = window.prefix[: len(window.prefix) - len(window.line_start)]
    head, cut_above = _near(head, window.language)
    stack = _above(head, window.language)
    unlikely = any(it.lines > _LONG for it in stack if it.kind in ("string", "comment"))
    if unlikely or len(stack) > _DEEPEST:
        return None
    stack = tuple(replace(it, line=0, lines=0) for it in stack)  # equal ones are read but once
    seen = following if len(following) <= _BEHIND else following[:_BEHIND].rpartition("\n")[0] + "\n"
    ends = _ENDS.search(seen) and not _DEEP.search(seen)
    cut = len(seen) < len(following) or (len(seen) > _WHOLE_FILE and not ends)
    if family_of(window.language).forms and (form := re.search(r"^\(", seen, re.M)):
        seen, cut = seen[: form.start()], False
    depth = min((columns(line) for line in seen.split("\n")[:-1] if line.strip()), default=0)
    return _Place(stack, window.line_start, rest + "\n", seen, cut, cut_above, depth)


def _near(head: str, language: str) -> tuple[str, bool]:
    """(what is read of it, whether that is less)."""
    start = max(0, len(head) - _BEFORE) // _STRIDE * _STRIDE  # stays where it is for some lines
    near = head[start:].partition("\n")[2] if start else head
    if family_of(language).forms:
        *_, form = re.finditer(r"^\(|\A", near, re.M)
        return near[form.start() :], form.start() == 0 and len(near) < len(head)
    return near, len(near) < len(head)


@lru_cache(maxsize=4)
def _above(head: str, language: str) -> Stack:
    """What is open where the cursor's line begins: of the ways to read it that with the fewest faults."""
    readings = [_through(head[start:], language) for start in _starts(head, language)]
    return min(readings, key=lambda it: it[1] + len(it[0]))[0]


def _through(head: str, language: str) -> tuple[Stack, int]:
    """(what is open at its end, the number of faults), from piece to piece: only the last ones change."""
    stack: Stack = ()
    lines, faults = head.splitlines(keepends=True), 0
    for n in range(0, len(lines), _PIECE):
        stack, found = _piece("".join(lines[n : n + _PIECE]), stack, language)
        faults += sum(found)
        if len(stack) > _DEEPEST:
            break
    return stack, faults


@lru_cache(maxsize=64)
def _piece(text: str, stack: Stack, language: str) -> tuple[Stack, Faults]:
    stack, faults = _scan(text, stack, language, (len(text), len(text)))
    return tuple(replace(it, line=0, lines=it.lines + text.count("\n", it.line)) for it in stack), faults


def _starts(head: str, language: str) -> list[int]:
    """Where code may begin: the window may begin inside a comment or a string of several lines."""
    signs = signs_of(language)
    starts = [0]
    if language == "php" and (begins := re.search(r"<\?(?:php|=)|\?>", head)) and begins[0] != "?>":
        return [begins.end()]
    if signs is None or len(head) < _WHOLE_FILE:
        return starts
    pairs = [
        *signs.block,
        *((it.opens, it.closes) for it in signs.quotes if it.ends == "closer" and len(it.opens) > 2),
    ]
    for opens, closes in pairs:
        closed = head.find(closes)
        if closed >= 0 and not 0 <= head.find(opens) < closed:
            starts.append(closed + len(closes))
    return starts


@lru_cache(maxsize=32)
def _read(text: str, window: Window) -> _Reading:
    place, language = _place(window), window.language
    assert place is not None, "asked only where what is above the cursor makes sense"
    line = place.line_start + text
    item = len(place.line_start), len(line)
    opened, _ = _scan(line, place.stack, language, item)
    stack, on_line = _scan(line + place.rest, place.stack, language, item, place.cut_above)
    left, behind = _below(
        place.following, tuple(replace(it, line=0) for it in stack), language, place.cut_above
    )
    faults = [one + other for one, other in zip(on_line, behind, strict=True)]
    later = _closed_beyond(left, place)
    if text:  # what the item closes, and is closed there, too
        faults[BEHIND] += max(
            0,
            sum(it.whose == BEFORE for it in _read("", window).later)
            - sum(it.whose == BEFORE for it in later),
        )
    for it in left:
        faults[it.whose] += not it.free and it not in later
    return _Reading((faults[0], faults[1], faults[2]), opened, later)


def _closed_beyond(left: Stack, place: _Place) -> Stack:
    """What is probably closed behind all that is read: what was opened less deep than all that follows."""
    if not place.cut:
        return ()
    above = takewhile(lambda both: both[0] == both[1], zip(left, place.stack, strict=False))
    opened = [it for it, _ in above] + [
        it for it in left if it.whose == ITEM and (it.ends_line or it.kind == "word")
    ]
    return tuple(it for it in opened if columns(it.margin + "x") < place.depth)


@lru_cache(maxsize=8)
def _below(following: str, stack: Stack, language: str, cut: bool) -> tuple[Stack, Faults]:
    return _scan(following, stack, language, (-1, -1), cut)


def _scan(
    text: str, stack: Stack, language: str, item: tuple[int, int], cut: bool = False
) -> tuple[Stack, Faults]:
    return Scan(text, list(stack), item, modes.beginning(language), cut).run()


def _closer(opened: Open, text: str, words: Words | None, flat: bool) -> tuple[str, bool]:
    """(what closes it, whether that stands on a line of its own)."""
    kind, closes, below = opened.kind, opened.closes, "\n" + opened.margin
    several_lines = text.rfind("\n") >= opened.line
    if kind == "word" and words is not None:
        blank = "; " if words.of_commands else " "
        head = ""
        while closes in words.turns:
            head, closes = head + blank + closes, words.turns[closes]
        closes = closes.upper() if opened.sign.isupper() else closes
        if opened.sign.lower() in words.in_line and not several_lines:
            return " " + closes, False
        return head + (blank if flat else below) + closes, not flat
    if kind == "heredoc":
        return (below if "~" in opened.sign else "\n") + closes, True
    if kind == "block":
        return below + closes, True
    if kind == "comment" and several_lines and text.rpartition("\n")[2].lstrip().startswith("*"):
        return below + " " + closes, True
    if kind in ("string", "comment"):
        blank = " " if kind == "comment" else ""
        return (below if several_lines else blank) + closes, several_lines
    own_line = opened.ends_line and not flat and (several_lines or opened.sign == "{")
    return (below if own_line else "") + closes, own_line
