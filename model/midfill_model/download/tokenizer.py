"""A model's tokenizer.json alone, for the ids of a server that has the weights."""

from pathlib import Path

from huggingface_hub import constants

from midfill_model.checkpoint import hub
from midfill_model.checkpoint.hub import TOKENIZER, HubName

from .command import SPARE_BYTES, Progress, alone, check_room, existing, fetch_files, list_files
from .errors import DownloadError, in_one_sentence


def download_tokenizer(name: HubName) -> Path:
    """Fetch the file unless it is there; its path in the cache. DownloadError, ModelError.

    ModelError: its vocabulary is not DeepSeek's, and ids of another one are never sent.
    """
    from midfill_model.generation.tokens import Tokenizer  # first: what it needs may not be installed

    folder = _fetched(name)
    Tokenizer(folder)
    return folder / TOKENIZER


def _fetched(name: HubName) -> Path:
    """The folder that it is in. The branch's name stays for its commit: the model may be here in that one."""
    found = hub.with_tokenizer(name)
    if found is not None and (constants.HF_HUB_OFFLINE or found.name == name.revision):
        return found
    if constants.HF_HUB_OFFLINE:
        raise DownloadError(
            f"The {TOKENIZER} of {name} is not in {hub.cache_folder()}, and HF_HUB_OFFLINE is set: unset it "
            "and run this again."
        )
    with in_one_sentence(name):
        commit, files = list_files(name)
        if TOKENIZER not in files:
            raise DownloadError(f"{name} has no {TOKENIZER}; choose a model that comes with one.")
        folder = name.storage / "snapshots" / commit
        with alone(name):
            if not (folder / TOKENIZER).exists():
                check_room(name, existing(folder), files[TOKENIZER].size + SPARE_BYTES)
                fetch_files(name, commit, [files[TOKENIZER]], lambda *_: Progress(0, 0))  # some megabytes
    return folder
