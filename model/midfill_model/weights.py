"""A model folder in the hub's format, read tensor by tensor; NF4 tensors are expanded on the way."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from . import nf4
from .config import Config, ModelError, read_json
from .deepseek import DeepseekV2

Progress = Callable[[float], None]  # 0.0 … 1.0

_LITE = "models--deepseek-ai--DeepSeek-Coder-V2-Lite-Base"


def resolve(model: str) -> Path:
    """The folder of `auto`, `demo`, `lite` or a path."""
    if model in ("auto", "demo"):
        return Path(__file__).parent / "demo" / "weights"
    if model == "lite":
        return _lite_folder()
    folder = Path(model).expanduser()
    if not folder.is_dir():
        raise ModelError(f"There is no model folder {folder}; give auto, demo, lite or an existing folder.")
    return folder.resolve()


def load(folder: Path, config: Config, context: int, progress: Progress) -> DeepseekV2:
    """The network with fp32 weights, for at most `context` positions."""
    with Checkpoint(folder) as checkpoint:
        n_read = 0

        def fetch(name: str, *shape: int) -> Tensor:
            nonlocal n_read
            n_read += 1
            progress(n_read / checkpoint.n_weights)
            return checkpoint.read(name, shape)

        return DeepseekV2(config, fetch, context)


def check_memory(folder: Path, n_bytes: int) -> None:
    """Refuse what does not fit into `n_bytes`, before anything is read: 16-bit weights double in fp32."""
    n_needed = 2 * sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if n_needed > n_bytes:
        raise ModelError(
            f"{folder} needs about {n_needed / 1e9:.0f} GB of memory in fp32, and this machine has "
            f"{n_bytes / 1e9:.0f}; use --model demo."
        )


def physical_memory() -> int:
    """Bytes; no limit where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize


class Checkpoint:
    """The safetensors files of a folder. All are opened, and so their lengths checked, before one is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ExitStack()
        self._holders: dict[str, Any] = {}  # tensor name -> open file
        try:
            for path in _weight_files(folder):
                file = self._files.enter_context(_open(path))
                self._holders |= dict.fromkeys(file.keys(), file)
        except BaseException:
            self._files.close()
            raise
        self.n_weights = sum(not name.endswith(".absmax") for name in self._holders) or 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """One weight in fp32, its shape checked against what config.json promises."""
        stored = self._tensor(name)
        if stored.dtype == torch.uint8:
            return self._read_nf4(name, stored, shape)
        if stored.shape != shape:
            raise self._mismatch(name, tuple(stored.shape), shape)
        return stored.float()

    def _read_nf4(self, name: str, packed: Tensor, shape: tuple[int, ...]) -> Tensor:
        absmax = self._tensor(f"{name}.absmax")
        size = torch.Size(shape).numel()
        if packed.numel() * 2 != size or absmax.numel() * nf4.BLOCK != size:
            raise self._mismatch(name, (packed.numel() * 2,), shape)
        if absmax.dtype != torch.float32:
            raise ModelError(
                f"{self._folder}: {name} is quantised twice; store it without double quantisation."
            )
        return nf4.dequantize(packed, absmax, shape, torch.float32)

    def _tensor(self, name: str) -> Tensor:
        if (file := self._holders.get(name)) is None:
            raise ModelError(f"{self._folder} lacks the tensor {name}; download the model again.")
        tensor: Tensor = file.get_tensor(name)
        return tensor

    def _mismatch(self, name: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> ModelError:
        return ModelError(
            f"{self._folder}: {name} has the shape {list(found)}, but config.json asks for {list(wanted)}; "
            "the files belong to different models."
        )


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return [folder / "model.safetensors"]
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict):
        raise ModelError(f"{index} has no weight_map; download the model again.")
    return [folder / Path(str(name)).name for name in sorted(set(names.values()))]


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError:
        raise ModelError(f"{path} is missing; download the model again.") from None
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged or truncated ({error}); download the model again.") from None


def _lite_folder() -> Path:
    """The snapshot in the hub's cache. Only looked at: nothing is fetched here."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    snapshots = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / _LITE / "snapshots"
    complete = [path.parent for path in snapshots.glob("*/config.json")]
    if not complete:
        raise ModelError(
            "The lite model is not on this machine; use --model demo, or give the folder that holds it."
        )
    return max(complete, key=lambda path: path.stat().st_mtime)
