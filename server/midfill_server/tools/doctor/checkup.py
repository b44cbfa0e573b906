"""What the engine's side says of itself: its libraries, and its models' files. Asked in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midfill_server.engines.process import RAISE_LIMIT, address_limit, limited
from midfill_server.tools.doctor.finding import Finding, fail, ok, warn
from midfill_server.tools.doctor.machine import MACHINE

LIBRARIES, MODELS = "Libraries", "Models"
ENGINE = ("torch", "safetensors", "tokenizers", "huggingface_hub", "numpy", "starlette", "uvicorn")
"""What the extra `local` installs."""
LLAMA = ("xllamacpp", "huggingface_hub", "starlette", "uvicorn")
"""The extra `llamacpp`."""
_SECONDS, _THOROUGH_SECONDS = 180.0, 1800.0
_NO_ENGINE = (
    'Install it with: pip install "midfill[local]" (or "midfill[llamacpp]" for .gguf files alone), '
    "or set midfill.url to a server."
)

Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was told, in its order; `died` says what was tried last, and how that ended, if it ended so."""

    told: tuple[Told, ...] = ()
    died: str = ""

    def about(self, what: str) -> Iterator[Told]:
        return (it for it in self.told if it["about"] == what)

    @property
    def gpu_lack(self) -> str | None:
        return next((it["lack"] for it in self.about("gpu")), None)

    @property
    def hub_cache(self) -> Path | None:
        """Where the hub's library keeps what it downloads."""
        return next((Path(it["hub_cache"]) for it in self.about("machine")), None)


def checkup(model: str, thorough: bool = False) -> Checkup:
    """Asks for `model`, as it is set; it may take seconds, and `thorough` minutes."""
    command = [sys.executable, "-I", "-m", "midfill_model.lab.checkup.main", "--model", model]
    limit = _THOROUGH_SECONDS if thorough else _SECONDS
    try:
        done = subprocess.run(
            [*command, *(["--thorough"] if thorough else [])],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return read(str(late.stdout or b"", "utf-8", "replace"), f"does not end within {limit:.0f} s")
    if done.returncode == 0:
        return read(done.stdout)
    if done.returncode < 0:
        return read(done.stdout, f"ended the process (signal {-done.returncode})")
    said = done.stderr.strip().splitlines() or ["it says nothing"]
    return read(done.stdout, f"failed ({said[-1][:200]})")


def read(lines: str, ended: str = "") -> Checkup:
    """`ended`: how it ended before its end, which what it tried last has done."""
    told = [json.loads(line) for line in lines.splitlines() if line.startswith("{") and line.endswith("}")]
    trying = [it["name"] for it in told if it["about"] == "trying"]
    last = trying[-1] if trying else "The check of the engine's side"
    return Checkup(tuple(told), f"{last} {ended}" if ended else "")


def machine(told: Checkup) -> list[Finding]:
    """What this process may use, a container's limits, too."""
    return [
        ok(MACHINE, f"{it['cpus']} CPUs and {it['memory'] / 2**30:.1f} GiB of memory may be used")
        for it in told.about("machine")
    ]


def libraries(told: Checkup, wants_engine: bool) -> list[Finding]:
    """`wants_engine`: there is no `url`, so that what is missing is a fault."""
    found = {it["name"]: it for it in told.about("library")}
    has = {name for name, it in found.items() if it["version"] is not None}
    findings = [_tried(it) for name, it in found.items() if name in has]
    needed = ENGINE if "torch" in has else LLAMA if "xllamacpp" in has else ()
    for name in needed:
        if name in found and name not in has:
            extra = "local" if needed is ENGINE else "llamacpp"
            mend = f'Install it with: pip install "midfill[{extra}]"'
            findings.append(fail(LIBRARIES, f"{name} is not installed, and the engine needs it.", mend))
    if told.died:
        mend = "Install the engine anew, in an environment of its own; its log may say more."
        findings.append(_failed(f"{told.died[:1].upper()}{told.died[1:]}", mend))
    elif not needed:
        text = "Only the language server is installed, and no engine: no model can run here."
        findings = [fail(LIBRARIES, text, _NO_ENGINE) if wants_engine else ok(LIBRARIES, text)]
    return findings


def _tried(it: Told) -> Finding:
    name = f"{it['name']} {it['version']}"
    if it["fault"]:
        mend = f"Install it anew: pip install --force-reinstall {it['name']}"
        return _failed(f"{name} does not work: {it['fault']}", mend)
    return ok(LIBRARIES, f"{name}: {it['did']}")


def _failed(text: str, mend: str) -> Finding:
    """Where memory is limited that is the first suspect: there a sound library fails in many ways."""
    if limit := address_limit():
        again = f"{mend[:1].lower()}{mend[1:]}".rstrip(".")
        mend = f"{RAISE_LIMIT[:1].upper()}{RAISE_LIMIT[1:]}; if it fails there, too, {again}."
        return fail(LIBRARIES, f"{text}; its memory is {limited(limit)}.", mend)
    return fail(LIBRARIES, f"{text}.", mend)


def models(told: Checkup, wanted: str, wants_engine: bool) -> list[Finding]:
    """`wanted`: the setting; with a `url` it is that server's name for a model, and nothing is missing."""
    if not wants_engine:
        return []
    found: list[Finding] = []
    for it in told.about("model"):
        found += _model(it, is_meant=it["name"] == wanted or (wanted == "auto" and it["name"] == "demo"))
    return found


def _model(it: Told, is_meant: bool) -> list[Finding]:
    if it["fault"]:
        if it["missing"] and not is_meant:
            return [warn(MODELS, it["fault"])]
        mend = "" if ";" in it["fault"] else "Fetch it again, or set midfill.model to demo."
        return [fail(MODELS, it["fault"], mend)]
    size = f"{it['n_bytes'] / 1e9:.2f} GB"
    how = "every checksum is right" if it["compared"] >= it["n_bytes"] else "lengths and shapes are right"
    findings = [ok(MODELS, f"{it['name']}: {size} in {it['path']}, {how}")]
    if not it["delimiters"]:
        mend = "Take a model that was trained for it, such as `midfill download lite`."
        return [*findings, warn(MODELS, f"{it['name']} has no tokens to fill in the middle with.", mend)]
    told = [f"{sign['text']} is id {sign['id']} ({sign['utf8']})" for sign in it["delimiters"]]
    return [*findings, *(ok(MODELS, f"{it['name']}: {line}") for line in told)]
