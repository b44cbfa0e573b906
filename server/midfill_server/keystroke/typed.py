"""What the user has typed between two windows, and what that leaves of an item. Pure text."""

import re

from midfill_server.context import Window
from midfill_server.trim import trim


def rest_of(text: str, asked: Window, now: Window) -> str | None:
    """What is left of `text`, the answer for `asked`, now that the user has typed on.

    None when the user typed something else, or all of it: what follows is not known then.
    """
    typed = typed_since(asked, now)
    if typed is None or not text.startswith(typed) or (typed and typed == text):
        return None
    rest = text[len(typed) :]
    return rest if now.suffix == asked.suffix else trim(rest, now)


def typed_since(asked: Window, now: Window) -> str | None:
    """The characters typed at the cursor between two windows; None when anything else changed too.

    Closing brackets and quotes that the editor itself has put behind the cursor are no other change.
    """
    if not now.prefix.startswith(asked.prefix):
        return None
    typed = now.prefix[len(asked.prefix) :]
    return typed if now.suffix == asked.suffix or _only_closed(typed, asked.suffix, now.suffix) else None


def _only_closed(typed: str, before: str, now: str) -> bool:
    """Whether `now` is `before` behind the closers of what `typed` leaves open, perhaps on a line below."""
    closers = _closers_of(typed)
    found = re.match(r"\s*" + re.escape(closers), now) if closers else None
    if found is None:
        return False
    rest = now[found.end() :]
    return rest == before[: len(rest)] and len(now) >= len(before)  # what is seen of a file ends somewhere


def _closers_of(typed: str) -> str:
    """What would close the brackets and the quote that `typed` leaves open."""
    missing: list[str] = []
    for character in typed:
        if missing and character == missing[-1]:
            missing.pop()
        elif character in _CLOSER and not (missing and missing[-1] in _QUOTES):
            missing.append(_CLOSER[character])
    return "".join(reversed(missing))


_CLOSER = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "`": "`"}
_QUOTES = "\"'`"
