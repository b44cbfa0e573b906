"""When to ask the engine: at once where its text comes before the user's next key, else after a pause.

Pure: it is told times, in seconds of one clock, and knows neither requests nor engines.
"""

from collections import deque
from statistics import median

PAUSES, ANSWERS = 16, 8  # how many are remembered: habits change, and so does the load of a machine
STOPPED = 1.5  # pauses between keys: after so long, no key is about to come
LONGEST_PAUSE = 1.0  # seconds: a longer one is thought, not typing


class Pace:
    """How fast the user types, and how fast the engine begins to answer."""

    def __init__(self) -> None:
        self._last_key: float | None = None
        self._asked_for = True  # whether there was a request since that key
        self._pauses = deque[float](maxlen=PAUSES)
        self._answers = deque[float](maxlen=ANSWERS)

    def key(self, now: float) -> None:
        """The user has typed."""
        if self._last_key is not None and now - self._last_key <= LONGEST_PAUSE:
            self._pauses.append(now - self._last_key)
        self._last_key, self._asked_for = now, False

    def answer(self, seconds: float) -> None:
        """So long after it was asked, the engine sent its first text."""
        self._answers.append(seconds)

    def due(self, now: float, debounce: float, idle: bool) -> float:
        """When to ask for what was requested `now`.

        `debounce` seconds after the key that led to the request; the editor has waited a part of them
        already. Earlier if the engine is idle and likely to answer before the next key. A cursor that moved
        without a key is likely to move on: there `debounce` counts from the request.
        """
        key, moved = self._last_key, self._asked_for
        self._asked_for = True
        if key is None or moved:
            return now + debounce
        if idle and self._in_time(now):
            return now
        return max(now, key + debounce)

    def due_again(self, now: float, debounce: float) -> float:
        """When to ask once more, after a generation that has gone another way than the user.

        The engine was slower than the keys then: unless the user has stopped, or the engine is likely to
        answer before the next key now, that key is waited for, `debounce` seconds at most.
        """
        if self._last_key is None or not self._pauses or self._in_time(now):
            return now
        stopped = self._last_key + STOPPED * median(self._pauses)
        return max(now, min(now + debounce, stopped))

    def _in_time(self, now: float) -> bool:
        """Whether an idle engine that is asked `now` is likely to answer before the next key."""
        if self._last_key is None or not self._pauses or not self._answers:
            return False
        return now + median(self._answers) <= self._last_key + median(self._pauses)
