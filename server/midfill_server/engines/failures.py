"""How often our engine has failed or died, and when it may be started again. Knows no process."""

import time

from midfill_server.engines.backend import BackendError

RETRY_SECONDS = (20.0, 60.0, 180.0, 600.0)  # until a key starts an engine again that failed
PAUSES = (0.5, 4.0)  # before an engine is started again that died while it wrote, the 1st and the 2nd time


class DiesTooOften(BackendError):
    """It has died too often while it completed."""


class Failures:
    """Those since something last worked."""

    def __init__(self) -> None:
        self._last: tuple[float, BackendError] | None = None  # until when it counts
        self._n = self._n_deaths = 0

    def check(self) -> None:
        """Raises the last failure again while it is too early for another attempt."""
        if self._last is not None and time.monotonic() < self._last[0]:
            raise self._last[1]

    def add(self, error: BackendError) -> None:
        """No engine is started for a while, a longer one each time."""
        wait = RETRY_SECONDS[min(self._n, len(RETRY_SECONDS) - 1)]
        self._n += 1
        self._last = (time.monotonic() + wait, error)

    def add_death(self, words: str) -> float:
        """An engine has died while it completed: the seconds until the next. Raises DiesTooOften."""
        self._n_deaths += 1
        if self._n_deaths > len(PAUSES):
            self._n = len(RETRY_SECONDS)
            raise DiesTooOften(f"The engine stopped {self._n_deaths} times while it completed: {words}")
        return PAUSES[self._n_deaths - 1]

    def found(self) -> None:
        """An engine answers, whether or not it can complete."""
        self._last = None

    def forget(self) -> None:
        """Something worked, or was changed."""
        self._n = self._n_deaths = 0
