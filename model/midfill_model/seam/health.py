"""GET /health: how the engine is. The engine writes it; a front reads what it understands of it.

`PROTOCOL` grows when a field changes its meaning. A new field is no such change: what a reader does not know
it passes over, and what it misses has a default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

PROTOCOL: Final = 1


class Budgets(NamedTuple):
    """Tokens of a prompt's parts."""

    prefix: int
    suffix: int
    context: int


LARGE, SMALL = Budgets(3072, 512, 2048), Budgets(1024, 128, 512)
"""What is sent to a model for long prompts, and to a small one, unless the user says otherwise."""


@dataclass(frozen=True, slots=True)
class Model:
    """What is loaded; all but `id` is known once it is."""

    id: str | None = None
    path: str | None = None
    fim: bool | None = None
    """Whether its vocabulary has the tokens for filling in the middle."""
    fim_trained: bool | None = None
    parameters: int | None = None
    dtype: str | None = None
    device: str | None = None
    """cpu, or a GPU's name."""
    context: int | None = None
    """Tokens that it can take."""
    budgets: Budgets | None = None
    trained_in: tuple[str, ...] | None = None
    """The languages that it saw much of, by LSP's names; None for all that there are."""


@dataclass(frozen=True, slots=True)
class Health:
    """How an engine is. `progress` runs from 0 to 1 while it loads."""

    status: Literal["loading", "ready", "failed"] = "loading"
    progress: float = 0.0
    message: str = ""
    reason: str = ""
    """Why `auto` took the small model, in one sentence; empty when it did not."""
    model: Model = Model()
    memory: Mapping[str, int] = field(default_factory=dict)
    """Bytes that it holds."""
    pid: int | None = None
    version: str | None = None
    protocol: int | None = None
    busy: bool = False
    running: int = 0
    """Requests that are not answered yet, of all fronts."""
    requests: int = 0
    """All that there have been."""
    resting_seconds: float = 0.0
    """For how long there has been nothing to do."""
    options: tuple[str, ...] | None = None
    """How its model was asked to be run, as `model_options` tells it; None where it does not say."""
    ends: bool = False
    """Failed after it had loaded: it ends, and the next one can be asked."""
    asleep: bool = False
    """Ready, but its model has left the memory until the next request."""
    windows: int = 0
    """Open ones that use it."""
    stalled_seconds: float = 0.0
    """For how long nothing has been done of what waits."""
    uptime_seconds: float = 0.0
    last_error: str = ""
    """The last sentence that a request has failed with."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Of the last requests: first_text_p50 and _p95 in seconds, tokens_per_second, reused_share."""

    def as_json(self) -> dict[str, Any]:
        """Of the model only what is known."""
        model = {it.name: getattr(self.model, it.name) for it in fields(Model)}
        if self.model.budgets is not None:
            model["budgets"] = self.model.budgets._asdict()
        told = {it.name: getattr(self, it.name) for it in fields(Health)}
        return told | {"model": {name: value for name, value in model.items() if value is not None}}


_OF_THE_MODEL = ("--device", "--threads", "--cache-mb", "--double-quant")


def model_options(words: Sequence[str]) -> tuple[str, ...]:
    """Of an engine's options those that decide how its model runs: the last of each, in one order."""
    split = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    given = {}
    for word, follows in pairwise([*split, ""]):
        if word in _OF_THE_MODEL:
            given[word] = word if word == "--double-quant" else f"{word} {follows}"
    return tuple(given[name] for name in _OF_THE_MODEL if name in given)


def read_health(raw: object) -> Health:
    """Whatever another engine says, of this version or not: a field that makes no sense has its default."""
    told = raw if isinstance(raw, Mapping) else {}
    status, memory = told.get("status"), told.get("memory")
    sizes = memory if isinstance(memory, Mapping) else {}
    busy = told.get("busy") is True
    running = whole(told.get("running"))
    return Health(
        status=status if status in ("ready", "failed") else "loading",
        progress=min(1.0, max(0.0, number(told.get("progress")) or 0.0)),
        message=text(told.get("message")) or "",
        reason=text(told.get("reason")) or "",
        model=_model(told.get("model")),
        memory={str(name): size for name, size in sizes.items() if whole(size) is not None},
        pid=whole(told.get("pid")),
        version=text(told.get("version")),
        protocol=whole(told.get("protocol")),
        busy=busy,
        running=int(busy) if running is None else running,
        requests=whole(told.get("requests")) or 0,
        resting_seconds=number(told.get("resting_seconds")) or 0.0,
        options=_words(told.get("options")),
        ends=told.get("ends") is True,
        asleep=told.get("asleep") is True,
        windows=whole(told.get("windows")) or 0,
        stalled_seconds=number(told.get("stalled_seconds")) or 0.0,
        uptime_seconds=number(told.get("uptime_seconds")) or 0.0,
        last_error=text(told.get("last_error")) or "",
        figures=_figures(told.get("figures")),
    )


def _figures(raw: object) -> dict[str, float]:
    told = raw if isinstance(raw, Mapping) else {}
    found = {str(name): number(value) for name, value in told.items()}
    return {name: value for name, value in found.items() if value is not None}


def _model(raw: object) -> Model:
    told = raw if isinstance(raw, Mapping) else {}
    budgets = told.get("budgets")
    sizes = [whole(budgets.get(it)) for it in Budgets._fields] if isinstance(budgets, Mapping) else []
    known = [size for size in sizes if size is not None and size >= 0]
    return Model(
        id=text(told.get("id")),
        path=text(told.get("path")),
        fim=_flag(told.get("fim")),
        fim_trained=_flag(told.get("fim_trained")),
        parameters=whole(told.get("parameters")),
        dtype=text(told.get("dtype")),
        device=text(told.get("device")),
        context=whole(told.get("context")),
        budgets=Budgets(*known) if len(known) == len(Budgets._fields) else None,
        trained_in=_words(told.get("trained_in")),
    )


def _words(value: object) -> tuple[str, ...] | None:
    return tuple(filter(text, value)) if isinstance(value, list | tuple) else None


def text(value: object) -> str | None:
    """The value, if it is a text."""
    return value if isinstance(value, str) else None


def whole(value: object) -> int | None:
    """The value, if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: object) -> float | None:
    """The value, if it is a finite number."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e308:
        return float(value)
    return None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
