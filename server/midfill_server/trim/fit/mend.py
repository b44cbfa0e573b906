"""Ways to make an item fit that does not fit as it is, best first; which of them fits, a judge decides.

What is missing is added before anything is taken away: an item that lacks its last bracket says more with it
than without the call. Every way begins with a part of the item, so nothing that was shown is taken back.
"""

import re
from collections.abc import Iterator

from midfill_server.context import Window
from midfill_server.trim.lines import margin
from midfill_server.trim.shape import one_line_only

from .brackets import CLOSER, first_unmatched, left_open, open_quote

_HEAD = re.compile(
    r"\s*(?:async\s+)?(?:if|elif|else|while|for|with|def|class|try|except|finally|match|case)\b"
)
_BRACED_HEAD = re.compile(r"(?:^|[\s}])(?:(?:else )?if|else|do|try|finally|for|switch|catch|(?<!} )while)\b")
_ENDS = ":,;([{"
_SEAM = re.compile(r",|\s+")
_WHOLE = re.compile(r"[\w)\]}\"'`]\Z")
_DANGLING = re.compile(r"(?:\A|[^\w.])(?:return|raise|yield|await|not|new|throw)\Z")
_WORD = re.compile(r"\w")
_MOST = 50  # brackets that are closed at once: nobody reads an item of more
_LEAST = 2  # characters that are the rest of the line, come too early


def completed(text: str, around: tuple[str, str], window: Window, comment: str) -> Iterator[str]:
    """With strings and brackets closed that are left open, and with the sign at its end that a line lacks.

    `around` is the code up to the cursor and from it. A bracket that ended its line is closed on a line of
    its own, as deep as that one, where there is nothing right of the cursor; and an item of several lines is
    only completed by such lines, for its last line is easily done without.
    """
    before, after = around
    place, quote = open_quote(before + text, comment)
    if place >= len(before) or (len(quote) > 1 and quote not in after):
        begins = _line_at(before + text, place)
        own_line = "\n" in (before + text)[place:]
        text += ("\n" + margin(begins) if own_line else "") + quote
        yield text
    places = left_open(before + text, after, comment)
    own = [place for place in places if place >= len(before) - len(window.line_start)]
    if own and own != places:  # the blocks around it may go on
        yield from _closing(text, own, before, window, comment)
    yield from _closing(text, places, before, window, comment)


def _closing(text: str, places: list[int], before: str, window: Window, comment: str) -> Iterator[str]:
    """With the brackets at `places` closed."""
    if len(places) > _MOST:
        return
    head = comment == "#" and _HEAD.match(
        _line_at(before + text, places[0] if places else len(before + text))
    )
    flat = one_line_only(window) or window.line_rest.strip()
    if "\n" in text and not all((before + text)[place + 1 : place + 2] == "\n" for place in places):
        return
    whole = text
    for place in reversed(places):
        code = before + whole
        if not flat and (code[place + 1 : place + 2] == "\n" or code[place:] == "{"):
            line = _line_at(code, place)
            whole += "\n" + margin(line) + CLOSER[code[place]]
        else:
            whole = whole.rstrip(" ,") + CLOSER[code[place]]
    if places:
        yield whole
    if whole[-1] in _ENDS:
        return
    if comment == "//" and not wants_body(_line_at(before + whole, len(before + whole))):
        yield whole + ";"
    if head:
        yield whole + ":"
        return
    line_above = before[: before.rfind("\n") + 1].rstrip()
    if line_above.endswith(",") or left_open(before + whole, "", comment):
        yield whole + ","


def wants_body(line: str) -> bool:
    """Whether a line of a language with braces ends with a block's head: a semicolon would be its body."""
    if (found := _BRACED_HEAD.search(line)) is None:
        return False
    condition = line[found.end() :].strip()
    return not condition or (condition[0] == "(" and first_unmatched(condition[1:]) == len(condition) - 2)


def _line_at(code: str, place: int) -> str:
    """The line that holds `place`, up to it."""
    return code[code.rfind("\n", 0, place) + 1 : place + 1]


def shortened(text: str, window: Window) -> Iterator[str]:
    """Beginnings of a line, longest first.

    They end before what stands right of the cursor, before a bracket that closes too much, or before a comma
    or a blank behind something whole.
    """
    rest = window.line_rest
    early = {n for n in range(1, len(text)) if rest.strip() and text[n : n + _LEAST] == rest[:_LEAST]}
    seams = {found.start() for found in _SEAM.finditer(text)} | {first_unmatched(text)}
    for n in sorted(early | seams, reverse=True):
        part = text[:n].rstrip()
        glued = n not in early and _WORD.match(rest)
        if part and n < len(text) and not glued and (n in early or _is_whole(window.line_start + part)):
            yield part


def _is_whole(line: str) -> bool:
    return bool(_WHOLE.search(line)) and not _DANGLING.search(line)
