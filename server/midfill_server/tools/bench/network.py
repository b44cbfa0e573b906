"""The network's part of `midfill bench`, on a GPU: memory, loading, first tokens, decode; and transformers'.

Each side runs in a process of its own, one after the other, so that neither shares the other's memory and the
front never loads torch.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from midfill_model.command_line import machine
from midfill_server.engines.backend import BackendError

_MEASURE = (sys.executable, "-I", "-m", "midfill_model.lab.measure")


@dataclass(frozen=True, slots=True)
class NetworkFigures:
    """What midfill_model.lab.measure tells; `theirs`, if asked for, is transformers with bitsandbytes."""

    ours: Mapping[str, Any]
    theirs: Mapping[str, Any] | None


def network_figures(model: str, runs: int, transformers: bool) -> NetworkFigures:
    """Raises BackendError when a side does not run."""
    ours = _run("the model's network", model, "--runs", str(runs))
    return NetworkFigures(ours, _run("transformers", model, "--transformers") if transformers else None)


def _run(what: str, *arguments: str) -> Mapping[str, Any]:
    done = subprocess.run([*_MEASURE, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise BackendError(f"{what} could not be measured: {said[-1]}")
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(figures: NetworkFigures) -> list[tuple[str, str, str, str]]:
    """(what, ours, theirs, how many times theirs) for a table."""
    ours, theirs = figures.ours, figures.theirs or {}
    cold, decode = ours["cold_first_token_ms"], ours["decode_tok_s"]
    table = [
        _row(
            "weights and buffers, GiB",
            _at(ours, "memory", "resident_gib"),
            _at(theirs, "memory", "resident_gib"),
        ),
        _row("most memory held, GiB", _at(ours, "memory", "peak_gib"), _at(theirs, "memory", "peak_gib")),
        _row("loaded after, s", ours["load_s"], theirs.get("load_s")),
        _row("first completion after, s", ours["first_completion_s"], None),
    ]
    for n, figure in cold.items():
        other = _at(theirs, "cold_first_token_ms", n, "median")
        table.append(_row(f"first token after {int(n):,} cold tokens, ms", figure["median"], other))
    for n, figure in ours["warm_first_token_ms"].items():
        table.append(_row(f"first token after one more key, suffix of {n}, ms", figure["median"], None))
    for n, rate in decode.items():
        other = _at(theirs, "decode_tok_s", n)
        table.append(_row(f"decode after {int(n):,} tokens, tokens a second", rate, other))
    for n, rate in ours.get("decode_tok_s_in_single_launches", {}).items():
        table.append(_row(f"the same after {int(n):,}, not in one kernel", rate, None))
    decoding, prefill = ours["cancel_to_idle_ms"], ours["cancel_in_prefill_to_idle_ms"]
    table.append(_row("idle after a cancel while decoding, ms", decoding["median"], None))
    return [*table, _row("idle after a cancel in a prefill, ms", prefill["median"], None)]


def _row(what: str, ours: float, theirs: float | None) -> tuple[str, str, str, str]:
    if theirs is None:
        return what, f"{ours:.1f}", "", ""
    return what, f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}"


def _at(figures: Any, *keys: str) -> Any:
    for key in keys:
        figures = figures.get(key) if isinstance(figures, Mapping) else None
    return figures


def as_text(figures: NetworkFigures) -> str:
    """The table as text."""
    head = f"{machine(figures.ours['machine'])}\n\n{'the network alone, random prompts':52}{'midfill':>9}"
    if figures.theirs is not None:
        head += f"{'transf.':>9}{'ratio':>9}"
    lines = [
        f"{what:52}{ours:>9}{theirs:>9}{ratio:>9}".rstrip() for what, ours, theirs, ratio in rows(figures)
    ]
    return "\n".join([head, *lines])
