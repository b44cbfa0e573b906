"""Ends an engine that stands still: in a completion, or while it loads.

A thread that hangs in a driver or at a disk lets no process end in order, so it ends as if it were killed,
and fronts ask the next engine. Where nothing of Python runs any more, this does not either: fronts notice.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import time

from midfill_model.command_line import complain
from midfill_model.generation.requests.stall import LONGEST_SECONDS, Stall
from midfill_model.process.engines import Chosen

_LOOK_SECONDS = 0.5  # between two looks at what was read


class Watchdog:
    """To be asked to look many times a second."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen, self._stall = chosen, Stall()
        self._moved, self._looked = 0, float("-inf")

    @property
    def seconds(self) -> float:
        """For how long nothing has gone on of what there is to do."""
        return self._stall.seconds

    def look(self) -> None:
        """It does not return where the engine has to end."""
        engine, now = self._chosen.engine, time.monotonic()
        loads = engine.state.status == "loading"
        if loads and now - self._looked > _LOOK_SECONDS:
            self._moved, self._looked = self._chosen.moved(), now
        waits = engine.state.status == "ready" and not engine.state.asleep and engine.n_unfinished > 0
        n_steps = engine.n_steps + (self._moved if loads else 0)
        if self._stall.look(n_steps, loads or waits, now) > LONGEST_SECONDS:
            self._give_up("the load of the model" if loads else "a completion")

    def _give_up(self, what: str) -> None:
        """The log gets the places where the threads are, which hold no text."""
        faulthandler.dump_traceback(sys.stderr)
        self._chosen.abandon()
        why = "as when a disk or a driver hangs"
        complain(f"{what} stood still for {LONGEST_SECONDS:.0f} s, {why}; the engine ends")
        os._exit(1)
