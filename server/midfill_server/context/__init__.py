"""What is sent along with a cursor: the window around it, the file's head, and what other files say."""

from midfill_server.context.window import (
    ANCHOR_LINES,
    MAX_DOCUMENT,
    WINDOW_CHARACTERS_PER_TOKEN,
    Unsuitable,
    Window,
    window_at,
)

__all__ = ["ANCHOR_LINES", "MAX_DOCUMENT", "WINDOW_CHARACTERS_PER_TOKEN", "Unsuitable", "Window", "window_at"]
