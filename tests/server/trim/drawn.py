"""Places as tests draw them: ║ is where the cursor is."""

from midfill_server.context import Window
from midfill_server.trim import settled, trim


def window(drawn: str, language: str = "", multiline: bool = True, elsewhere: tuple[str, ...] = ()) -> Window:
    prefix, _, suffix = drawn.partition("║")
    return Window(prefix, suffix, multiline, language, elsewhere=elsewhere)


def item(drawn: str, written: str, language: str = "python", elsewhere: tuple[str, ...] = ()) -> str:
    """What is shown of `written` in the end; what is shown while it grows is always a beginning of that."""
    place = window(drawn, language, elsewhere=elsewhere)
    shown = trim(written, place)
    for n in range(len(written) + 1):
        assert shown.startswith(settled(written[:n], place))
    return shown
