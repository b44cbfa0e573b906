"""A window of VS Code in front of a scripted server: a test decides what is written, and when."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from .scripted_server import Connection, Question
from .vscode import QUIET, Window

START = "class Box:\n    def __init__(self, host, port, user, name):"
INDENT = "\n        "  # what VS Code itself adds after Enter
LINES = ["self.host = host", "self.port = port", "self.user = user", "self.name = name"]
PARTS = ["self.host", *(INDENT.join(LINES[:n]) for n in range(1, 5))]
WHOLE, MIDDLE = PARTS[-1], PARTS[2]
AFTER_ENTER = (2, 8)  # line and character


@dataclass(frozen=True, slots=True)
class Opened:
    """A window with a file that ends in START, and its server."""

    window: Window
    server: Connection

    def after_enter(self, *parts: str) -> Question:
        """Press Enter, and let the server write `parts`, each until it is on screen."""
        self.window.press("Enter")
        question = self.server.question(AFTER_ENTER)
        for part in parts:
            question.write(part)
            self.shows(part)
        return question

    def shows(self, text: str) -> None:
        self.window.wait_ghost(f"text === {json.dumps(text)}")

    def stays_empty(self) -> None:
        """No ghost text comes any more, not for a frame."""
        self.window.record()
        self.window.rest(QUIET)
        assert self.window.recorded() == []
        assert self.window.ghost() == ""

    def saved(self) -> str:
        """What was written below START."""
        text = self.window.save().decode()
        assert text.startswith(START)
        return text.removeprefix(START)


Open = Callable[..., Opened]
