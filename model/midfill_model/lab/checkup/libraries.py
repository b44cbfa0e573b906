"""Whether each library that the engine needs works on this machine: each does a little of its real work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Library:
    """One library; `fault` is empty where it works."""

    name: str
    version: str | None
    """None: it is not installed."""
    did: str = ""
    """What it has done, in a few words."""
    fault: str = ""


def tried(name: str) -> Library:
    """Never raises: what it raises is the finding."""
    if find_spec(name) is None:
        return Library(name, None)
    try:
        return Library(name, _version(name), did=CHECKS[name]())
    except Exception as error:
        first = str(error).strip().split("\n")[0][:200]
        return Library(name, _version(name), fault=f"{first} ({type(error).__name__})")


def gpu_lack() -> str | None:
    """Why the engine cannot use a GPU here; empty where it can, None without torch."""
    if find_spec("torch") is None:
        return None
    try:
        from midfill_model.process.loading import gpu_lack as lack

        return lack()
    except Exception as error:
        return f"asking for it failed ({type(error).__name__})"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of an unknown version"


def _torch() -> str:
    """A product of matrices on the CPU, and where there is a card the same there."""
    import torch

    table = torch.arange(12.0).view(3, 4)
    wanted = [14.0, 38.0, 62.0, 38.0, 126.0, 214.0, 62.0, 214.0, 366.0]
    done = []
    for device in ("cpu", *(["cuda"] if torch.cuda.is_available() else [])):
        there = table.to(device)
        if (there @ there.T).flatten().tolist() != wanted:
            raise ArithmeticError(f"a product of two matrices is wrong on {device}")
        done.append("the CPU" if device == "cpu" else torch.cuda.get_device_name())
    return f"it multiplied matrices on {' and on '.join(done)}"


def _triton() -> str:
    import torch

    if not torch.cuda.is_available():
        return "not tried, for there is no card to run a kernel on"
    from .kernel import doubled

    numbers = torch.arange(256, device="cuda", dtype=torch.float32)
    if not torch.equal(doubled(numbers), 2 * numbers):
        raise ArithmeticError("a kernel wrote wrong numbers")
    return "it compiled a kernel and ran it on the card"


def _safetensors() -> str:
    import torch
    from safetensors.torch import load, save

    if load(save({"x": torch.arange(3)}))["x"].tolist() != [0, 1, 2]:
        raise ValueError("three numbers came back changed")
    return "it wrote and read a tensor"


def _tokenizers() -> str:
    import tokenizers

    bpe = tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    if bpe.encode("ab").ids != [2]:
        raise ValueError("two letters became other ids")
    return "it encoded a word"


def _xllamacpp() -> str:
    """Where llama.cpp would run: its own list of devices."""
    import xllamacpp

    return f"it found {', '.join(str(it['name']) for it in xllamacpp.get_device_info())}"


def _imported(name: str) -> Callable[[], str]:
    def check() -> str:
        import_module(name)
        return "it loads"

    return check


CHECKS: dict[str, Callable[[], str]] = {
    "torch": _torch,
    "triton": _triton,
    "safetensors": _safetensors,
    "tokenizers": _tokenizers,
    **{name: _imported(name) for name in ("numpy", "starlette", "uvicorn", "huggingface_hub")},
    "xllamacpp": _xllamacpp,
}
