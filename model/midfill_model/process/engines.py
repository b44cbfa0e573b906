"""Which engine runs a model: our own network, or llama.cpp for .gguf files. Loads no more than it needs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from midfill_model import seam
from midfill_model.checkpoint.gguf_name import LITE, LITE_BYTES, is_gguf
from midfill_model.command_line import AUTO, DEMO, LITE_GGUF, NAMES
from midfill_model.process.machine import cpus, disk


@dataclass(frozen=True, slots=True)
class Chosen:
    """An engine that is not started yet; `told` says what /health tells of what is loaded."""

    engine: (
        Any  # generation.engine.Engine or llamacpp.engine.Engine: routes.Engine, start, sleep, stop, crash
    )
    told: Callable[[], seam.Health]
    name: str
    moved: Callable[[], int]
    """Grows while it loads and reads; see machine/disk.py."""
    abandon: Callable[[], None] = lambda: None
    """Ends what would outlive this process though it hangs."""


def engine_for(options: Namespace, folder: Path) -> Chosen:
    """Raises ModuleNotFoundError for a library that it needs and that is not installed."""
    chosen = _chosen(options, folder)
    return replace(chosen, told=lambda: replace(chosen.told(), options=options.asked))


def _chosen(options: Namespace, folder: Path) -> Chosen:
    model, reason = options.model, ""
    if model == AUTO and lite_gguf_fits():
        lack = "" if options.device == "cpu" else _gpu_lack(options)
        if lack or options.device == "cpu":
            model, reason = LITE_GGUF, lack
    if is_gguf(model):
        return _llama_cpp(model, reason, options, folder)
    return _own(options)


def lite_gguf_fits() -> bool:
    """Whether Lite's .gguf is on this machine, what runs it is installed, and there is memory for both."""
    return LITE.path() is not None and find_spec("xllamacpp") is not None and cpus.memory() >= LITE_BYTES


def short_name(model: str) -> str:
    """What users read; of `auto` the name that it has until it is known better."""
    if model in NAMES:
        return DEMO if model == AUTO else model
    return Path(model).expanduser().absolute().name


def _llama_cpp(model: str, reason: str, options: Namespace, folder: Path) -> Chosen:
    from midfill_model.process.llamacpp.engine import Engine
    from midfill_model.process.llamacpp.server import Options

    threads = options.threads or max(1, cpus.usable() - 1)  # its threads spin while they wait for each other
    how = Options(threads, options.device, options.cache_mb)
    name = short_name(model)
    engine = Engine(model, name, folder, how, reason)
    return Chosen(engine, engine.told, name, lambda: disk.moved_by(engine.pid or 0), engine.kill)


def _own(options: Namespace) -> Chosen:
    from midfill_model.generation.engine import Engine
    from midfill_model.process.loading import Told, give_back, load_model

    load = load_model(options.model, options.threads or cpus.usable(), options.device, options.double_quant)
    engine = Engine(load, options.slots, options.cache_mb << 20, give_back)
    told = Told()
    return Chosen(engine, lambda: told(engine.state), short_name(options.model), disk.moved)


def _gpu_lack(options: Namespace) -> str:
    """Why our own engine cannot run Lite on a GPU here; empty when it can."""
    if find_spec("torch") is None:
        return "Lite runs in llama.cpp: what runs it on an NVIDIA card is not installed (midfill[local])."
    from midfill_model.process.loading import why_no_lite

    lack = why_no_lite()
    return f"Lite runs in llama.cpp, because Midfill's own engine cannot: {lack}" if lack else ""
