"""A model by the name that users or the hub give it, and the files of a model folder. Reads disks; no torch.

The hub's cache (https://huggingface.co/docs/huggingface_hub/guides/manage-cache) has a folder for each model:
`snapshots/<commit>` holds one revision's files, `refs/<branch or tag>` the commit that a name stood for.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import midfill_model
from midfill_model import command_line

from .config import ModelError, read_json


def resolve(model: str) -> Path:
    """The folder of `auto`, `demo`, `lite`, a path, or a hub id whose files are in the hub's cache."""
    if model in (command_line.AUTO, command_line.DEMO):
        return Path(midfill_model.__file__).parent / "demo" / "weights"
    if model == command_line.LITE:
        return _lite_folder()
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if (name := HubName.read(model)) is None:
        raise ModelError(f"There is no model folder {folder}; give {command_line.MODELS}.")
    if (found := cached(name)) is None:
        raise ModelError(
            f"{name} is neither a folder nor a whole model in the hub's cache; fetch it from the hub with: "
            f"midfill download {name}"
        )
    return found


@dataclass(frozen=True, slots=True)
class HubName:
    """`owner/name`, or `owner/name@revision` with a branch, a tag or a whole commit."""

    repo: str
    revision: str | None = None  # None: the newest

    @staticmethod
    def read(text: str) -> "HubName | None":
        """None for what is no such name: a path, say."""
        match = _NAME.fullmatch(text)
        if match is None or ".." in text or "--" in text:  # the hub allows neither
            return None
        return HubName(match["repo"], match["revision"])

    @property
    def storage(self) -> Path:
        """All that the cache holds of this model."""
        return cache_folder() / f"models--{self.repo.replace('/', '--')}"

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}" if self.revision else self.repo


_NAME = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@(?P<revision>\w[\w./-]*))?", re.ASCII)

# The commit was seen on a public mirror of the hub only: the hub itself could not be reached.
LITE = HubName("deepseek-ai/DeepSeek-Coder-V2-Lite-Base", "b409514c6b210622d199a95751c04821a454c64c")

COMMIT = re.compile(r"[0-9a-f]{40}")

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
INDEX = "model.safetensors.index.json"


def cache_folder() -> Path:
    """The hub's cache, where its own library has it."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{cache}/huggingface").expanduser() / "hub"


def cached(name: HubName) -> Path | None:
    """The folder of a model in the cache, if all its files are there.

    Without a revision: what `main` stood for when it was fetched, otherwise the newest snapshot.
    """
    return next((folder for folder in _snapshots(name) if is_complete(folder)), None)


def with_tokenizer(name: HubName) -> Path | None:
    """The folder of a model in the cache that has its tokenizer, whatever else is there."""
    return next((folder for folder in _snapshots(name) if (folder / TOKENIZER).exists()), None)


def is_complete(folder: Path) -> bool:
    """Whether every file that the engine reads is there; an interrupted download has only some."""
    try:
        wanted = [folder / CONFIG, folder / TOKENIZER, *weight_files(folder)]
    except ModelError:
        return False
    return all(path.exists() for path in wanted)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up a model, whether they are there or not."""
    index = folder / INDEX
    if not index.exists():
        return [folder / "model.safetensors"]
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict):
        raise ModelError(f"{index} has no weight_map; download the model again.")
    return [folder / Path(str(name)).name for name in sorted(set(names.values()))]


def name_of(folder: Path) -> str:
    """What the model of a folder is called: in the hub's cache a folder itself is named by a commit."""
    if folder.parent.name == "snapshots":
        return folder.parent.parent.name.rpartition("--")[2]
    return folder.name


def _lite_folder() -> Path:
    """The pinned revision, or whichever was fetched by other means; nothing is fetched here."""
    found = cached(LITE) or cached(HubName(LITE.repo))
    if found is None:
        raise ModelError(
            "The lite model is not on this machine, or not all of it; fetch it with `midfill download lite`, "
            "or set the model to demo."
        )
    return found


def _snapshots(name: HubName) -> Iterator[Path]:
    """Folders of revisions that the name may mean, in this order; they need not exist."""
    folder = name.storage / "snapshots"
    yield from (folder / commit for commit in _commits(name))
    if name.revision is None:
        yield from sorted(folder.glob("*"), key=lambda path: path.stat().st_mtime, reverse=True)


def _commits(name: HubName) -> Iterator[str]:
    revision = name.revision or "main"
    if COMMIT.fullmatch(revision):
        yield revision
    try:
        yield (name.storage / "refs" / revision).read_text("ascii").strip()
    except (OSError, ValueError):
        return
