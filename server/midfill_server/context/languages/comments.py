"""A text as a comment of one line, as the language of a file writes it."""

from pathlib import PurePath

from midfill_server.context.languages.names import language_of
from midfill_server.context.languages.signs import signs_of


def comment(text: str, path: str) -> str:
    """`text` as one line of comment in the language of `path`, which its ending or its name tells."""
    signs = signs_of(language_of(PurePath(path)))
    opening, closing = signs.comment if signs is not None else ("#", "")
    text = text.replace("\n", " ").replace(closing or "\n", " ")
    return " ".join(filter(None, (opening, text, closing)))
