"""Models for the tests: a tiny random one of single bytes, and the embedded one."""

import os

# Before torch is loaded, as the engine does it: threads that spin make a shared machine far slower.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before Triton is loaded: then kernels run on the CPU

from midfill_model.checkpoint.hub import resolve
from midfill_model.generation.completion import Loaded
from midfill_model.generation.tokens import Tokenizer
from midfill_model.lab.reference import ours

from .tiny import write_tiny


@pytest.fixture(scope="session")
def embedded_folder() -> Path:
    return resolve(os.environ.get("MIDFILL_TEST_MODEL", "demo"))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Loaded:
    network, tokenizer = ours(tiny_folder), Tokenizer(tiny_folder)
    return Loaded("tiny", tiny_folder, network, tokenizer, prefix_tokens=256, suffix_tokens=64)
