"""Whether the engine's model may leave the memory, and whether anybody needs its process."""

from __future__ import annotations

import time
from pathlib import Path

from midfill_model import seam

LOOK_SECONDS = 0.5  # between two looks into the runtime folder


class Rest:
    """Looked at many times a second. All times are those of a clock that nobody sets."""

    def __init__(self, folder: Path, idle_seconds: float, leave_seconds: float) -> None:
        """`idle_seconds`: without a request; `leave_seconds`: without a window, once there was one."""
        self._folder, self._idle, self._leave = folder, idle_seconds, leave_seconds
        self._had_window = self._paused = False
        self._n_windows = 0
        self._looked = float("-inf")
        self._alone_since: float | None = None

    def look(self) -> bool:
        """At the runtime folder; False if that was just now."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return False
        self._looked = now
        self._paused = seam.is_paused(self._folder)
        if self.n_windows():
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        return True

    def n_windows(self) -> int:
        """Open now."""
        self._n_windows = seam.count_windows(self._folder)
        self._had_window = self._had_window or self._n_windows > 0
        return self._n_windows

    def wants_sleep(self, resting_seconds: float) -> bool:
        """Whether nobody needs the model in memory."""
        return self._paused or resting_seconds > self._idle

    def is_over(self, resting_seconds: float) -> bool:
        """An engine that never had a window, such as one started by hand, ends when it is idle."""
        if self._n_windows:
            return False
        if not self._had_window:
            return resting_seconds > self._idle
        alone = 0.0 if self._alone_since is None else time.monotonic() - self._alone_since
        return min(resting_seconds, alone) > self._leave
