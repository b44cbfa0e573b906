"""A model folder in the hub's format, read tensor by tensor; NF4 tensors are expanded on the way."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from midfill_model import seam

from . import hub, nf4
from .config import ModelError
from .shapes import check_header, missing_tensor

Progress = Callable[[float], None]  # 0.0 … 1.0


def check_memory(folder: Path, n_bytes: int) -> None:
    """Refuse what does not fit into `n_bytes`, before anything is read: 16-bit weights double in fp32."""
    n_needed = 2 * sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if n_needed > n_bytes:
        raise ModelError(
            f"{folder} needs about {n_needed / 1e9:.0f} GB of memory in fp32, and this machine has "
            f"{n_bytes / 1e9:.0f}; set the model to demo."
        )


@dataclass(frozen=True, slots=True)
class Stored:
    """A weight as a file holds it."""

    values: Tensor  # of its own shape and a float type, or uint8 [numel/2, 1]: NF4
    absmax: Tensor | None  # fp32 [numel/64], with NF4


class Checkpoint:
    """The safetensors files of a folder. All are opened, and so their lengths checked, before one is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ExitStack()
        self._holders: dict[str, Any] = {}  # tensor name -> open file
        self.paths = hub.weight_files(folder)
        try:
            for path in self.paths:
                file = self._files.enter_context(_open(path))
                self._holders |= dict.fromkeys(file.keys(), file)
        except BaseException:
            self._files.close()
            raise
        self.n_bytes = sum(path.stat().st_size for path in self.paths)
        n_scales = sum(name.endswith(".absmax") for name in self._holders)
        self.quantised = n_scales > 0  # at least some of it
        self.n_weights = len(self._holders) - n_scales or 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def check(self, name: str, shape: tuple[int, ...]) -> None:
        """Compare what the file's header says of a weight with what config.json promises; no data is read."""
        check_header(self._folder, name, shape, self._header)

    def stored(self, name: str) -> Stored:
        """One weight as it lies in the file. It is mapped: reading happens when its bytes are touched."""
        values = self._tensor(name)
        return Stored(values, self._tensor(f"{name}.absmax") if values.dtype == torch.uint8 else None)

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """One weight in fp32, its shape checked against what config.json promises."""
        self.check(name, shape)
        stored = self.stored(name)
        if stored.absmax is None:
            return stored.values.float()
        return nf4.dequantize(stored.values, stored.absmax, shape, torch.float32)

    def _header(self, name: str) -> tuple[tuple[int, ...], str]:
        entry = self._holder(name).get_slice(name)
        return tuple(entry.get_shape()), entry.get_dtype()

    def _tensor(self, name: str) -> Tensor:
        tensor: Tensor = self._holder(name).get_tensor(name)
        return tensor

    def _holder(self, name: str) -> Any:
        if (file := self._holders.get(name)) is None:
            raise missing_tensor(self._folder, name)
        return file


def _open(path: Path) -> Any:
    try:
        seam.check_plain(path, path.stat())
        return safe_open(path, framework="pt")
    except FileNotFoundError:
        raise ModelError(f"{path} is missing; download the model again.") from None
    except (SafetensorError, OSError) as error:
        why = (isinstance(error, OSError) and error.strerror) or error
        raise ModelError(f"{path} is damaged or truncated ({why}); download the model again.") from None
