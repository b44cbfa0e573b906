"""What the user has typed between two windows, and what that leaves of an item. Pure text."""

import re
from collections.abc import Callable, Iterator

from midfill_server.context import Window
from midfill_server.trim import trim
from midfill_server.trim.fit.brackets import CLOSER, QUOTES


def rest_of(text: str, asked: Window, now: Window, cut: Callable[[str, Window], str] = trim) -> str | None:
    """What is left of `text`, the answer for `asked`, now that the user has typed on.

    None when the user typed something else, or all of it but blanks: what follows is not known then. `cut`
    fits the rest to what the editor has put behind the cursor meanwhile; of a text that grows, by `settled`.
    """
    typed = typed_since(asked, now)
    if typed is None or not text.startswith(typed):
        return None
    rest = text[len(typed) :]
    if typed and not rest.strip():
        return None
    return rest if now.suffix == asked.suffix else cut(rest, now)


def typed_since(asked: Window, now: Window) -> str | None:
    """The characters typed at the cursor between two windows; None when anything else changed too.

    Closing brackets and quotes that the editor itself has put behind the cursor are no other change, nor is
    the line that it begins for a closing bracket there.
    """
    if not now.prefix.startswith(asked.prefix):
        return None
    typed = now.prefix[len(asked.prefix) :]
    return typed if now.suffix == asked.suffix or _only_closed(typed, asked.suffix, now.suffix) else None


def cursors_after(inserted: str) -> Iterator[int]:
    """Where in a text that the editor has just inserted the user may be: behind it, or before its closers.

    Editors insert `()` for the key `(`, and two line ends for Enter between two braces, in one change each,
    and leave the cursor in the middle. A change does not say which of both it was.
    """
    yield len(inserted)
    if len(inserted) > LONGEST_KEY:
        return  # pasted, or accepted
    for n in range(len(inserted) - 1, len(inserted.rstrip(_BEHIND)) - 1, -1):
        if _are_closers(inserted[n:], of=inserted[:n]):
            yield n


LONGEST_KEY = 100  # characters that one key may insert, indentation and closers
_BEHIND = " \t\r\n)]}\"'`"


def _are_closers(text: str, of: str) -> bool:
    """Whether `text` is what an editor puts behind the cursor by itself, where `of` was typed before it."""
    on_a_line_below = _LINE_BELOW.match(text)
    closers = _closers_of(of)
    if on_a_line_below and "\n" in of and (closers or not of.rpartition("\n")[2].strip()):
        return text[on_a_line_below.end() :] == closers
    return bool(closers) and text == closers


def _only_closed(typed: str, before: str, now: str) -> bool:
    """Whether `now` is `before` behind the closers of what `typed` leaves open, perhaps on a line below.

    Without closers it may be the line below alone, for a bracket that `before` closes.
    """
    closers = _closers_of(typed)
    line_below = _LINE_BELOW.match(now) if "\n" in typed else None
    start = line_below.end() if line_below else 0
    if not now.startswith(closers, start) or not (closers or (line_below and before[:1] in (")", "]", "}"))):
        return False
    rest = now[start + len(closers) :]
    return rest == before[: len(rest)] and len(now) >= len(before)  # what is seen of a file ends somewhere


def _closers_of(typed: str) -> str:
    """What would close the brackets and the quote that `typed` leaves open."""
    missing: list[str] = []
    for character in typed:
        if missing and character == missing[-1]:
            missing.pop()
        elif character in _CLOSER and not (missing and missing[-1] in QUOTES):
            missing.append(_CLOSER[character])
    return "".join(reversed(missing))


_LINE_BELOW = re.compile(r"\r?\n[ \t]*")
_CLOSER = CLOSER | {quote: quote for quote in QUOTES}
