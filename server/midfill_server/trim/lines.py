"""How deep a line is indented, and what may follow an item on its line. Pure text."""

CLOSERS = ")]}>\"'`;:,"
"""What may stand right of the cursor without being in the middle of something."""


def margin(line: str) -> str:
    """The blanks with which it begins."""
    return line[: indent(line)]


def indent(line: str) -> int:
    """How many characters of blanks it begins with."""
    return len(line) - len(line.lstrip())


def columns(line: str) -> int:
    """The same in columns, where tabs and blanks are mixed."""
    return indent(line.expandtabs())
