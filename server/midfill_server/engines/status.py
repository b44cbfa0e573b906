"""How the engine is, as the user is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from midfill_model import seam
from midfill_model.command_line import AUTO, NAMES
from midfill_server.settings import Trigger


class State(Enum):
    OFF = "off"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Status:
    """How the engine is; `progress` runs from 0 to 1 while it loads."""

    state: State
    message: str = ""
    model: str | None = None
    progress: float = 0.0
    warning: str = ""
    """What the user should be told although it works."""
    reason: str = ""
    """Why it is the small model, where that is no fault."""
    device: str | None = None
    """cpu, or a GPU's name."""
    paused: bool = False
    """Whether this window offers nothing for now, which is no state of the engine."""
    snoozed_until: float | None = None
    """Until then, in seconds since the epoch, this window offers only what is asked for with a key."""
    trigger: Trigger = "auto"
    """manual: it never offers anything else."""


UNTRAINED = (
    "This model was not trained to fill in the middle, so expect poor completions; "
    "`midfill download lite` fetches one that was"
)


def status_of(health: seam.Health, wanted: str, options: Sequence[str] = ()) -> Status:
    """The engine's /health as a Status, for a user who wants the model `wanted`, run with `options`."""
    state = {"ready": State.READY, "failed": State.FAILED}.get(health.status, State.LOADING)
    warning = _other_model(health.model.id, wanted) or _other_options(health.options, options)
    if not warning and health.model.fim_trained is False:
        warning = UNTRAINED
    return Status(
        state,
        health.message,
        health.model.id,
        health.progress,
        warning,
        health.reason,
        health.model.device,
    )


def _other_model(running: str | None, wanted: str) -> str:
    name = wanted if wanted in NAMES else Path(wanted).name
    if name in (AUTO, running) or running is None:
        return ""
    return f"The engine runs the model {running}, not {name}; after `midfill stop` the next key starts {name}"


def _other_options(running: tuple[str, ...] | None, options: Sequence[str]) -> str:
    """Who asks for none takes what there is."""
    wanted = seam.model_options(options)
    if not wanted or running in (None, wanted):
        return ""
    theirs, ours = " ".join(running or ()) or "none", " ".join(wanted)
    return f"The engine runs with other options ({theirs}); after `midfill stop` the next key takes {ours}"
