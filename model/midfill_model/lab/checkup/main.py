"""`python -m midfill_model.lab.checkup.main`: a line of JSON for each thing that was looked at.

A process of its own, for what it tries may hang or end it: a line says what is tried next, so whoever reads
knows what did that.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from midfill_model.checkpoint import hub
from midfill_model.process.machine import cpus

from . import files, libraries


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="auto")
    parser.add_argument("--thorough", action="store_true", help="compare the checksums of large files, too")
    options = parser.parse_args()
    _tell("machine", cpus=cpus.usable(), memory=cpus.memory(), hub_cache=str(hub.cache_folder()))
    for model in files.models_of(options.model):
        _tell("trying", name=f"the model {model}")
        _tell("model", **asdict(files.examined(model, options.thorough)))
    for name in libraries.CHECKS:
        _tell("trying", name=name)
        _tell("library", **asdict(libraries.tried(name)))
    _tell("trying", name="the GPU")
    _tell("gpu", lack=libraries.gpu_lack())
    return 0


def _tell(about: str, **what: object) -> None:
    print(json.dumps({"about": about} | what), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
