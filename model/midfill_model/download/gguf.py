"""A .gguf file from the hub into the hub's cache; its header is read before gigabytes are fetched."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from huggingface_hub import constants, hf_hub_download, hf_hub_url

from midfill_model.checkpoint import hub
from midfill_model.checkpoint.config import ModelError
from midfill_model.checkpoint.gguf import Metadata, NoGguf, read_header
from midfill_model.checkpoint.gguf_name import GgufName

from . import resumable as transfer
from .command import (
    SPARE_BYTES,
    File,
    Progress,
    alone,
    check_room,
    existing,
    fetch_files,
    list_files,
    n_there,
)
from .errors import DownloadError, in_one_sentence

_HEADERS = (
    1 << 20,
    8 << 20,
    32 << 20,
)  # bytes of a file's beginning that are tried: a vocabulary has megabytes
_MOST_NAMED = 8  # files, in a sentence


def download_gguf(name: GgufName, progress: Callable[[int, int], Progress]) -> Path:
    """Fetch what is missing of a file, or of its parts; the path of the first. DownloadError, ModelError.

    What an interrupted download has fetched is not fetched again.
    """
    found = name.path()
    if found is not None and (constants.HF_HUB_OFFLINE or found.parent.name == name.hub.revision):
        return found
    if constants.HF_HUB_OFFLINE:
        raise DownloadError(
            f"{name} is not in {hub.cache_folder()}, and HF_HUB_OFFLINE is set: unset it and run this again, "
            "or copy the file to this machine and give its path as the model."
        )
    with in_one_sentence(name.hub):
        commit, files = list_files(name.hub)
        wanted = [files[it] for it in name.among(list(files))]
        if not wanted:
            raise DownloadError(_not_there(name, list(files)))
        folder = name.hub.storage / "snapshots" / commit
        with alone(name.hub):
            missing = [file for file in wanted if not (folder / file.name).exists()]
            if missing:
                blobs = name.hub.storage / "blobs"
                needed = sum(file.size - n_there(blobs, file) for file in missing)
                check_room(name.hub, existing(folder), needed + SPARE_BYTES)
                _check_header(name, commit, wanted[0])
            fetch_files(name.hub, commit, missing, progress)
            if name.hub.revision != commit:  # the branch's name stands for this commit now
                first, cache = wanted[0].name, hub.cache_folder()
                hf_hub_download(name.hub.repo, first, revision=name.hub.revision, cache_dir=cache)
    return folder / wanted[0].name


def _check_header(name: GgufName, commit: str, file: File) -> None:
    """DownloadError for what is no such file; ModelError for a model that cannot fill in the middle."""
    metadata = _header(hf_hub_url(name.hub.repo, file.name, revision=commit), file)
    if metadata.tokens and metadata.signs() is None:
        raise ModelError(
            f"{file.name} cannot fill in the middle: its vocabulary has no signs for that. Take a base model "
            "that was trained for it, such as `midfill download lite-gguf`."
        )


def _header(url: str, file: File) -> Metadata:
    for length in _HEADERS:
        excerpt = transfer.excerpt(url, 0, min(length, file.size))
        try:
            return read_header(BytesIO(excerpt), file.name)
        except NoGguf:
            break
        except (EOFError, ValueError):
            if length >= file.size:
                break
    raise DownloadError(f"{file.name} is no whole GGUF file; choose another one, or another revision.")


def _not_there(name: GgufName, files: list[str]) -> str:
    models = sorted(it for it in files if it.endswith(".gguf"))
    if not models:
        return f"{name.hub} has no .gguf file; its name on the hub often ends in -GGUF."
    named = ", ".join(models[:_MOST_NAMED]) + (", …" if len(models) > _MOST_NAMED else "")
    return f"{name.hub} has no {name.wanted or 'file of the usual kind'}; it has {named}."
