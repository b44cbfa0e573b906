"""A model folder as fused weights on a device: from its packed copy, or from its shards; then a copy is kept.

It lies in the user's cache folder or $MIDFILL_CACHE_DIR: `packed/<model>-<folder>/<fingerprint>.safetensors`.
"""

import contextlib
import hashlib
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from midfill_model import seam
from midfill_model.checkpoint.config import Config, ModelError
from midfill_model.checkpoint.weights import Checkpoint, Progress

from . import packed_copy as packed
from .fuse import check_shapes, fill
from .layout import FusedWeights, allocate, assert_quantised, named_tensors

log = logging.getLogger(__name__)

_COPY_PAYS_FROM = 1_000_000_000  # bytes of shards; less is quantised in a moment
_CACHED_TOKENS = 8192  # what the memory must hold beside the weights to be of use
_WORKING_BYTES = 600 << 20  # activations, dequantised tiles, CUDA graphs
_SPARE_DISK = 1 << 30  # bytes that a copy leaves free


def load_fused(
    folder: Path,
    config: Config,
    device: torch.device,
    progress: Progress,
    copy_pays_from: int = _COPY_PAYS_FROM,
    double: bool = False,
) -> FusedWeights:
    """The weights of a model folder on `device`: NF4 and bf16 (on a CPU fp32); `progress` goes by bytes.

    With `double`, or where a GPU's memory holds them in no other way, the absmax are quantised, too.
    ModelError before anything is moved: a missing or truncated shard, a wrong shape, too little memory.
    Checkpoints of at least `copy_pays_from` bytes are kept as a packed copy, if the disk allows.
    """
    real = torch.float32 if device.type == "cpu" else torch.bfloat16
    with Checkpoint(folder) as checkpoint:
        check_shapes(config, checkpoint)
        if device.type == "cuda":
            double = fits_only_double(folder, config, free_memory(device)) or double
        weights = _allocate(folder, config, device, real, double)
        copy = _Copy.of(folder, checkpoint, f"{real} double" if double else f"{real}")
        if checkpoint.n_bytes < copy_pays_from or checkpoint.quantised:
            fill(weights, config, checkpoint, progress)
            return weights
        if copy.restore(weights, progress):
            return weights
        share = checkpoint.n_bytes / (checkpoint.n_bytes + _n_bytes(weights))
        fill(weights, config, checkpoint, lambda done: progress(done * share))
    copy.keep(weights, lambda done: progress(share + done * (1 - share)))
    progress(1.0)
    return weights


def fits_only_double(folder: Path, config: Config, n_free: int) -> bool:
    """Whether the absmax have to be quantised for the weights, a small cache and what a step needs to fit.

    ModelError if even then they do not fit into `n_free` bytes.
    """
    cache = _CACHED_TOKENS * config.num_hidden_layers * config.latent_dim * torch.bfloat16.itemsize
    sizes = [_packed_bytes(config)]
    if sizes[0] + cache + _WORKING_BYTES <= n_free:
        return False
    with contextlib.suppress(ModelError):  # of a shape that has no whole groups
        sizes.append(_packed_bytes(config, double=True))
    needed = sizes[-1] + cache + _WORKING_BYTES
    if needed > n_free:
        raise ModelError(
            f"{folder} needs {needed / 2**30:.1f} GiB of GPU memory "
            f"({sizes[-1] / 2**30:.1f} of them weights), "
            f"and {n_free / 2**30:.1f} are free; end what else uses the GPU, or set the model to demo."
        )
    return True


def room_for_copy(config: Config, n_shard_bytes: int) -> tuple[Path, int]:
    """Where a packed copy of such a model will lie, and the free bytes that it wants; 0 if none is kept."""
    place = seam.cache_folder() / "packed"
    try:
        needed = _packed_bytes(config) + _SPARE_DISK if n_shard_bytes >= _COPY_PAYS_FROM else 0
    except ModelError:  # of a shape that only the CPU's network runs
        needed = 0
    return place, needed


def free_memory(device: torch.device) -> int:
    """Bytes that this process may still allocate on a CUDA device."""
    free, total = torch.cuda.mem_get_info(device)
    allocated, reserved = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
    number = torch.cuda.current_device() if device.index is None else device.index
    limit = int(total * torch.cuda.get_per_process_memory_fraction(number))
    return max(0, min(free + reserved, limit) - allocated)


@dataclass(frozen=True, slots=True)
class _Copy:
    """The packed copy of one model folder in one state."""

    path: Path
    fingerprint: str

    @staticmethod
    def of(folder: Path, checkpoint: Checkpoint, layout: str) -> "_Copy":
        digest = hashlib.sha256(f"{layout}\n".encode() + (folder / "config.json").read_bytes())
        for path in checkpoint.paths:
            stat = path.stat()
            digest.update(f"\n{path.name} {stat.st_size} {stat.st_mtime_ns}".encode())
        fingerprint = digest.hexdigest()
        # In the hub's cache a folder is one revision; a newer one takes the place of the copy, too.
        home = folder.parent.parent if folder.parent.name == "snapshots" else folder
        place = hashlib.sha256(str(home.absolute()).encode()).hexdigest()[:8]
        name = f"{home.name.rpartition('--')[2]}-{place}"
        return _Copy(seam.cache_folder() / "packed" / name / f"{fingerprint[:16]}.safetensors", fingerprint)

    def restore(self, weights: FusedWeights, progress: Progress) -> bool:
        """Fill `weights` from the copy; whether it was there and good. A bad one is removed."""
        try:
            if not self.path.exists():
                return False
            packed.read(self.path, _tensors(weights), self.fingerprint, progress)
            assert_quantised(weights)
        except packed.Unusable as reason:
            log.warning("The packed copy %s is %s; it is built again from the shards.", self.path, reason)
            _remove(self.path)
            return False
        except OSError:  # a folder that we may not look into; `keep` says so
            return False
        return True

    def keep(self, weights: FusedWeights, progress: Progress) -> None:
        """Write the copy and remove older ones; where that is not possible, the log says why."""
        n_bytes = _n_bytes(weights)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for old in self.path.parent.iterdir():
                _remove(old)
            free = shutil.disk_usage(self.path.parent).free
            if free < n_bytes + _SPARE_DISK:
                reason = f"it takes {n_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} are free"
            else:
                packed.write(self.path, _tensors(weights), self.fingerprint, progress)
                return
        except OSError as error:
            reason = seam.what_stands_there(self.path.parent) or error.strerror or str(error)
        log.warning(
            "No packed copy is kept in %s, so each start reads all shards: %s.", self.path.parent, reason
        )


def _allocate(
    folder: Path, config: Config, device: torch.device, real: torch.dtype, double: bool
) -> FusedWeights:
    try:
        return allocate(config, device, real, double)
    except torch.OutOfMemoryError:  # another process was faster
        raise ModelError(
            f"{folder} does not fit into the GPU's memory; end what else uses it, or set the model to demo."
        ) from None


def _tensors(weights: FusedWeights) -> dict[str, Tensor]:
    return dict(named_tensors(weights))


def _packed_bytes(config: Config, double: bool = False) -> int:
    return _n_bytes(allocate(config, torch.device("meta"), torch.bfloat16, double))


def _n_bytes(weights: FusedWeights) -> int:
    return sum(tensor.nbytes for _, tensor in named_tensors(weights))


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s could not be removed (%s).", path, error.strerror)
