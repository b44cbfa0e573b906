"""A model from the hub into the hub's cache, checked before its large files are fetched.

Only safetensors and JSON are fetched, and no code of a model ever runs.
"""

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download, hf_hub_url
from huggingface_hub.utils import tqdm

from midfill_model import seam
from midfill_model.checkpoint import hub
from midfill_model.checkpoint.config import read_config
from midfill_model.checkpoint.hub import CONFIG, TOKENIZER, HubName

from . import resumable as transfer
from .errors import DownloadError, in_one_sentence

# All that the engine reads, and what other programs want beside it. The weights come on top.
_SETTINGS = (
    CONFIG,
    "generation_config.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.safetensors.index.json",
)
SPARE_BYTES = 256 << 20  # that a download leaves free on the disk
_HUB_SECONDS = 30  # for an answer that holds no file
_SHA256 = re.compile(r"[0-9a-f]{64}")

Arrived = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class File:
    """A file of a model as the hub lists it."""

    name: str
    size: int  # bytes
    sha256: str | None


def download(name: HubName, progress: Callable[[int, int], "Progress"]) -> Path:
    """Fetch what is missing of a model; the folder in the cache. DownloadError, ModelError.

    config.json comes first, then the other settings, then the weights: what the engine could not run is
    refused while little has been fetched. What an interrupted download has fetched is not fetched again.
    """
    if (found := _without_network(name)) is not None:
        return found
    with in_one_sentence(name):
        commit, files = list_files(name)
        folder = name.storage / "snapshots" / commit
        with alone(name):
            _fetch_settings(name, commit, files)
            weights = _weights(name, folder, files)
            missing = [file for file in weights if not (folder / file.name).exists()]
            if missing:
                _check_disk(name, folder, weights, missing)
                _check_tensors(name, commit, folder, weights)
            fetch_files(name, commit, missing, progress)
            if name.revision != commit:  # only now does the branch's name stand for this commit
                hf_hub_download(name.repo, CONFIG, revision=name.revision, cache_dir=hub.cache_folder())
    return folder


def _without_network(name: HubName) -> Path | None:
    """A commit never changes, so one that is all there needs no network; offline nothing else is possible."""
    found = hub.cached(name)
    if found is not None and found.name == name.revision:
        return found
    if not constants.HF_HUB_OFFLINE:
        return None
    if found is None:
        raise DownloadError(
            f"{name} is not completely downloaded in {hub.cache_folder()}, and HF_HUB_OFFLINE is set: unset "
            "it and run it again, or copy the model's folder to this machine and give its path as the model."
        )
    return found


def list_files(name: HubName) -> tuple[str, dict[str, File]]:
    """(commit, files by name) of a revision."""
    info = HfApi().model_info(name.repo, revision=name.revision, files_metadata=True, timeout=_HUB_SECONDS)
    if info.sha is None or not hub.COMMIT.fullmatch(info.sha):
        raise DownloadError(f"The hub names no commit of {name}; try again later.")
    files = {}
    for file in info.siblings or ():
        if Path(file.rfilename).name == file.rfilename:  # files in folders are none of the engine's
            sha256 = file.lfs.sha256 if file.lfs else ""
            files[file.rfilename] = File(
                file.rfilename, file.size or 0, sha256 if _SHA256.fullmatch(sha256) else None
            )
    return info.sha, files


def _fetch_settings(name: HubName, commit: str, files: dict[str, File]) -> None:
    for needed in (CONFIG, TOKENIZER):
        if needed not in files:
            raise DownloadError(f"{name} has no {needed}; it is not a model that Midfill can run.")
    cache = hub.cache_folder()
    config = hf_hub_download(name.repo, CONFIG, revision=commit, cache_dir=cache)
    folder = Path(config).parent
    read_config(folder)
    for file in files:
        if any(fnmatch(file, pattern) for pattern in _SETTINGS):
            hf_hub_download(name.repo, file, revision=commit, cache_dir=cache)
    from midfill_model.process.loading import read_settings

    read_settings(folder)


def _weights(name: HubName, folder: Path, files: dict[str, File]) -> list[File]:
    """The shards that the index names, or the one file; the hub may hold more."""
    wanted = [path.name for path in hub.weight_files(folder)]
    if missing := [file for file in wanted if file not in files or not file.endswith(".safetensors")]:
        raise DownloadError(
            f"{name} has no {missing[0]}, and Midfill reads weights from safetensors files only; "
            "choose a model that comes in these."
        )
    return [files[file] for file in wanted]


def _check_disk(name: HubName, folder: Path, weights: list[File], missing: list[File]) -> None:
    """DownloadError unless the files fit, and the packed copy that the first start on a GPU makes."""
    from midfill_model.checkpoint.fused.store import room_for_copy

    place, for_copy = room_for_copy(read_config(folder), sum(file.size for file in weights))
    blobs = name.storage / "blobs"
    for_files = sum(file.size - n_there(blobs, file) for file in missing) + SPARE_BYTES
    if place.exists() and any(place.glob(f"{hub.name_of(folder)}-*/*.safetensors")):
        for_copy = 0  # it takes the place of the one that is there
    here, there = existing(folder), existing(place)
    if here.stat().st_dev == there.stat().st_dev:
        check_room(name, here, for_files + for_copy, copied=True)
    else:
        check_room(name, here, for_files, copied=True)
        check_room(name, there, for_copy, copied=True)


def check_room(name: HubName, folder: Path, needed: int, copied: bool = False) -> None:
    """DownloadError unless so many bytes are free; `copied`: those of the packed copy, too."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DownloadError(
            f"{name} needs {needed / 1e9:.1f} GB more in {folder}"
            f"{' (with the packed copy for quick starts)' * copied}, and {free / 1e9:.1f} are free; "
            "make room, "
            f"or choose {'other disks' if copied else 'another disk'}: HF_HOME has the files"
            f"{', MIDFILL_CACHE_DIR the copy' * copied}."
        )


def _check_tensors(name: HubName, commit: str, folder: Path, weights: list[File]) -> None:
    """ModelError unless every tensor is there, in a shape and a kind that can be read; from the headers."""
    from midfill_model.checkpoint.shapes import check_tensors

    tensors: dict[str, dict[str, Any]] = {}
    try:
        for file in weights:
            tensors |= transfer.fetch_header(hf_hub_url(name.repo, file.name, revision=commit))
    except transfer.Damaged:
        raise DownloadError(f"{name}: {file.name} is no safetensors file; choose another revision.") from None
    check_tensors(folder, tensors)


def fetch_files(
    name: HubName, commit: str, missing: list[File], progress: Callable[[int, int], "Progress"]
) -> None:
    blobs = name.storage / "blobs"
    total = sum(file.size for file in missing)
    with progress(total, sum(n_there(blobs, file) for file in missing)) as shown:
        for file in missing:
            if file.sha256 and not (blobs / file.sha256).exists():
                url = hf_hub_url(name.repo, file.name, revision=commit)
                _fetch_blob(transfer.Source(url, file.size, file.sha256), blobs / file.sha256, file, shown)
            # The library finds the file in place and gives it its name; what is not in LFS it fetches itself.
            hf_hub_download(name.repo, file.name, revision=commit, cache_dir=hub.cache_folder())


def _fetch_blob(source: transfer.Source, path: Path, file: File, shown: "Progress") -> None:
    try:
        transfer.fetch(source, path, shown.arrived)
    except transfer.Damaged:
        raise DownloadError(
            f"{file.name} arrived damaged and was removed; run the same command again."
        ) from None


def n_there(blobs: Path, file: File) -> int:
    """Bytes of a file that an earlier download left."""
    if file.sha256 is None:
        return 0
    whole = blobs / file.sha256
    found = whole if whole.exists() else transfer.unfinished(whole)
    return min(found.stat().st_size, file.size) if found.exists() else 0


def existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


@contextmanager
def alone(name: HubName) -> Iterator[None]:
    """Two downloads of one model would write into the same unfinished files."""
    locks = hub.cache_folder() / ".locks" / name.storage.name  # where the library has its own
    locks.mkdir(parents=True, exist_ok=True)
    try:
        with seam.locked(locks / "midfill.lock"):
            yield
    except seam.Locked:
        raise DownloadError(
            f"Another process downloads {name.repo} already; wait until it is done."
        ) from None


class Progress:
    """How far a download is: a bar on a terminal, elsewhere a line a tenth. A total of 0 shows nothing."""

    def __init__(self, total: int, there: int) -> None:
        self._total, self._n = total, there
        self._told = 10 * there // max(total, 1)
        self._bar = (
            tqdm(total=total, initial=there, unit="B", unit_scale=True, desc="weights", file=sys.stderr)
            if sys.stderr.isatty() and total
            else None
        )
        if self._bar is None and total:
            found = f", {there / 1e9:.1f} of them are here already" if there else ""
            print(f"{total / 1e9:.1f} GB of weights{found}", file=sys.stderr)

    def arrived(self, n: int) -> None:
        self._n += n
        if self._bar is not None:
            self._bar.update(n)
        elif self._total and (tenths := 10 * self._n // self._total) > self._told:
            self._told = tenths
            print(f"{10 * tenths} % of {self._total / 1e9:.1f} GB", file=sys.stderr)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
