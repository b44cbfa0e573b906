"""How deep a line is indented, what may follow an item on it, and how much of it is read. Pure text."""

from dataclasses import replace
from functools import lru_cache

from midfill_server.context import Window

CLOSERS = ")]}>\"'`;:,"
"""What may stand right of the cursor without being in the middle of something."""

LONGEST = 2_000  # characters: nobody writes such a line of code
_SIDE = LONGEST // 2  # of one, are read on each side of what is left out, or of the cursor
_NO_CODE = "plaintext"  # what such a line is to the judges: brackets alone tell


def margin(line: str) -> str:
    """The blanks with which it begins."""
    return line[: indent(line)]


def indent(line: str) -> int:
    """How many characters of blanks it begins with."""
    return len(line) - len(line.lstrip())


def columns(line: str) -> int:
    """The same in columns, where tabs and blanks are mixed."""
    return indent(line.expandtabs())


def near(window: Window) -> Window:
    """A window as the filters read it: without the middle of lines that no person writes.

    Judges read a line again and again, with each way to mend an item, so what a key costs must not grow with
    it: minified code, JSON in one line, a picture as a string. Where the cursor's is cut no grammar judges.
    """
    prefix, suffix, in_long_line = _cut(window.prefix, window.suffix)
    if prefix is window.prefix and suffix is window.suffix:
        return window
    return replace(
        window, prefix=prefix, suffix=suffix, language=_NO_CODE if in_long_line else window.language
    )


@lru_cache(maxsize=4)  # asked with each token, and by each filter's caller
def _cut(prefix: str, suffix: str) -> tuple[str, str, bool]:
    """(what is read before the cursor, what behind it, whether the cursor's line is cut)."""
    *above, start = prefix.split("\n")
    rest, *below = suffix.split("\n")
    in_long_line = len(start) + len(rest) > LONGEST
    if not in_long_line and all(len(line) <= LONGEST for lines in (above, below) for line in lines):
        return prefix, suffix, False
    if in_long_line:
        start, rest = start[-_SIDE:], rest[:_SIDE]
    return (
        "\n".join([*map(_shortened, above), start]),
        "\n".join([rest, *map(_shortened, below)]),
        in_long_line,
    )


def _shortened(line: str) -> str:
    return line if len(line) <= LONGEST else line[:_SIDE] + line[-_SIDE:]
