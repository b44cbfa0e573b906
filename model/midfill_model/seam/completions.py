"""What our two processes say to each other in HTTP beyond OpenAI's fields."""

from typing import Final, TypedDict

CANCELLED: Final = "cancelled"
"""The finish reason of a generation that the engine ended before its end: it is no answer."""

ENDS: Final = "engine_ends"
"""The code of an error after which the engine ends: the next one can serve the same request."""

STOP: Final = "/shutdown"
"""POST: the engine ends now."""

DRAIN: Final = "/shutdown?drain"
"""POST: it ends once what it was asked for until now is written; who asks later finds the next one."""


class Extras(TypedDict, total=False):
    """Fields of the body beside OpenAI's `prompt`, `suffix`, `max_tokens`, `stop` and `stream`."""

    slot: str
    """Whose KV cache to go on with; a newer request of a slot cancels the older one."""
    heal: bool
    """Whether the prompt ends in a word that is still being typed."""
    beam_width: int
    """How many beginnings of the first line to follow, where that costs little."""
    prefix_tokens: int | None
    suffix_tokens: int | None
    context_tokens: int | None
    """At most so much of each; without them what the model was made for."""
    head: str
    """The file's import statements, for a prefix that lacks them."""
    context: list[str]
    """Other files' text, in the order of the prompt."""
    background: bool
    """Drop it for whatever else is asked."""
