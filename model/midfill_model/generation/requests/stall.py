"""For how long nothing has been done of what waits: a driver may hang, and then no call comes back."""

LONGEST_SECONDS = 120.0
"""Of one layer of one chunk of a prompt, the longest thing that is done at a stretch. It takes seconds where
a CPU is slow, tens of them where memory is on the disk or a kernel is compiled that is new. Of a load it is
that time without a byte that is read: a slow disk does not stand still."""

_LONGEST_LOOK = 1.0


class Stall:
    """Looked at many times a second. Only time in which it was looked at counts.

    So a process that was stopped, or a machine that slept, has not stood still.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._looked = float("-inf")
        self._n_steps: int | None = None

    def look(self, n_steps: int, waits: bool, now: float) -> float:
        """`n_steps`: done so far, in whatever unit; `waits`: whether anything is to be done.

        `now` in seconds, of a clock that nobody sets.
        """
        passed, self._looked = min(now - self._looked, _LONGEST_LOOK), now
        stands = waits and n_steps == self._n_steps
        self.seconds = self.seconds + passed if stands else 0.0
        self._n_steps = n_steps
        return self.seconds
