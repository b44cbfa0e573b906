"""One request's work for the network, in ids: what `generate` and `search` are given."""

from collections.abc import Callable, Collection, Container, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from midfill_model.generation.requests.ticket import Finish
from midfill_model.network.protocol import Token, never

from .heal import Beginning

Steps = Generator[Token | None, None, Finish]
"""A task under way: None after a step that decides nothing yet, else a token; then why it ended.

A token's log-probability is given those before it. Where the text has to begin with something, it is that
among the ids that agree. So the product over the tokens that are shown is how likely the network takes their
text to be, given what was typed; other ways to cut the same text into tokens are not counted.

Between two of them at most one step of the network runs, so a caller may serve several tasks in turn.
"""
Several = Generator[tuple[int, Token | Finish] | None, None, Finish]
"""The same for several texts: each token, and each end, comes with the number of its text."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to write after which prompt, and when to end."""

    prompt: Sequence[int]
    max_tokens: int
    vocabulary: int
    """Ids from here on have no text and are never chosen."""
    stops: Collection[int] = ()
    """Each ends the text and is no part of it."""
    line_ends: Container[int] = ()
    """The ids whose text holds the end of a line: a search decides a line at a time."""
    beginning: Beginning | None = None
    """What the text has to begin with; None: the network is free."""
    beam_width: int = 1
    """Ways to write the first line that `search` follows side by side."""
    cancelled: Callable[[], bool] = never
    """Asked before each step of the network, and within a long one."""

    def after(self, ids: Sequence[int]) -> "Task":
        """What is left to do once `ids` are written."""
        beginning = self.beginning
        for id_ in ids:
            beginning = beginning and beginning.after(id_)
        return replace(
            self,
            prompt=[*self.prompt, *ids],
            max_tokens=self.max_tokens - len(ids),
            beginning=beginning,
            beam_width=1 if self.first_line_ends(ids) else self.beam_width,
        )

    def first_line_ends(self, ids: Sequence[int]) -> bool:
        """Whether the first line of the text `ids` is whole; an end of line at the very start is no line."""
        return any(id_ in self.line_ends for id_ in ids[1:])


def alone(steps: Steps) -> Several:
    """The only text, as one of several."""
    with closing(steps):
        while True:
            try:
                token = next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            yield None if token is None else (0, token)
