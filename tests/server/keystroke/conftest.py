"""Time in these tests is the loop's own: it passes only when nothing else is left to do, and then at once."""

import asyncio
import selectors
from collections.abc import Callable


class OwnTime(selectors.DefaultSelector):
    """Where a loop would sleep until its next timer, it is that time already."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # nothing is due, ever: a thread or a socket has to say something
            return super().select(None)
        if not (ready := super().select(0)):
            self.now += max(0.0, timeout)
        return ready


class Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._own_time = OwnTime()
        super().__init__(self._own_time)

    def time(self) -> float:
        return self._own_time.now


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """pytest-asyncio asks for the loops of the tests in this folder."""
    return {"own_time": Loop}
