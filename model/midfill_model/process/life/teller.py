"""What the engine says of itself, to the log and to a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from midfill_model import seam
from midfill_model.command_line import Busy, complain

if TYPE_CHECKING:
    from midfill_model.process.routes import State


class Teller:
    """Tells who started the engine in a terminal how it is; where an editor did, `stay`, only faults."""

    def __init__(
        self, name: str, folder: Path, where: str, stay: bool, health: Callable[[], seam.Health]
    ) -> None:
        self._name, self._folder, self._stay, self._health = name, folder, stay, health
        self._told = self._is_ready = False
        if not stay:
            print(f"Listening on {where}.", file=sys.stderr, flush=True)

    def __call__(self, state: State, busy: Busy) -> None:
        was_ready, self._is_ready = self._is_ready, state.status == "ready"
        if self._is_ready and not was_ready:
            seam.note(self._folder, "is ready")
        if state.status == "loading":
            busy.show(f"Loading the model {self._name} {100 * state.progress:.0f} %")
        elif not self._told:
            self._told = True
            busy.show("")
            if state.status == "failed" and self._stay:
                complain(state.message)
            elif state.status == "ready" and not self._stay:
                now = self._health()
                ready = f"The model {now.model.id} is ready; Ctrl-C stops the engine. {now.reason}"
                print(ready.strip(), file=sys.stderr, flush=True)
