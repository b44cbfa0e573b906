"""How an engine is, whichever answers: our network or llama.cpp."""

from dataclasses import dataclass
from typing import Literal

ASLEEP = "The model has left the memory."
NEXT = "the engine ends, and the next completion starts a new one."


@dataclass(frozen=True, slots=True)
class State:
    """What /health tells."""

    status: Literal["loading", "ready", "failed"] = "loading"
    progress: float = 0.0
    message: str = "Loading the model."
    asleep: bool = False
    """Ready, but without a model in memory: the next request loads it."""
