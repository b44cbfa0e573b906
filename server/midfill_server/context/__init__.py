"""What is sent along with a cursor: the window around it, the file's head, and what other files say."""

from midfill_server.context.window import (
    ANCHOR_LINES,
    CHARACTERS_PER_TOKEN,
    MAX_DOCUMENT,
    Unsuitable,
    Window,
    window_at,
)

__all__ = ["ANCHOR_LINES", "CHARACTERS_PER_TOKEN", "MAX_DOCUMENT", "Unsuitable", "Window", "window_at"]
