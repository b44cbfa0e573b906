"""A .gguf file by the name that users give it: a path, or as `llama-server -hf` takes it. Reads disks.

`owner/repo:Q4_K_M` is a file by its kind, `owner/repo:model.gguf` by its name, `owner/repo` the usual kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from midfill_model.command_line import LITE_GGUF

from .config import ModelError
from .hub import HubName, cached

USUAL = "Q4_K_M"  # llama.cpp's own choice


@dataclass(frozen=True, slots=True)
class GgufName:
    """One file of a model on the hub, or one in parts. `wanted`: a file's name, a kind, or nothing."""

    hub: HubName
    wanted: str = ""

    @staticmethod
    def read(text: str) -> GgufName | None:
        """None for what is no such name. A hub id alone is one, too: its files tell whether it is meant."""
        if text == LITE_GGUF:
            return LITE
        whole, _, wanted = text.partition(":")
        hub = HubName.read(whole)
        if hub is None or (":" in text and not re.fullmatch(r"[\w.-]+", wanted, re.ASCII)):
            return None
        return GgufName(hub, wanted)

    def among(self, files: list[str]) -> list[str]:
        """The names of the file, or of its parts in order; none where it is not there.

        Without a wish llama.cpp's usual kind, or the only file.
        """
        models = sorted(it for it in files if it.endswith(".gguf") and "mmproj" not in it)
        if self.wanted.endswith(".gguf"):
            found = [it for it in models if it == self.wanted]
        else:
            kind = re.escape(self.wanted or USUAL)
            shaped = re.compile(rf"(?<![A-Za-z0-9]){kind}(?![A-Za-z0-9_])", re.IGNORECASE)
            found = [it for it in models if shaped.search(it)]
            if not found and not self.wanted and len({_whole(it) for it in models}) == 1:
                found = models
        first = found[:1]
        return [it for it in models if _whole(it) == _whole(first[0])] if first else []

    def path(self) -> Path | None:
        """Of the file, or of its first part, in the hub's cache; None where not all of it is there."""
        snapshots = self.hub.storage / "snapshots"
        newest = sorted(snapshots.glob("*"), key=lambda it: it.stat().st_mtime, reverse=True)
        if self.hub.revision is not None:
            ref = self.hub.storage / "refs" / self.hub.revision
            commit = ref.read_text("ascii").strip() if ref.is_file() else self.hub.revision
            newest = [it for it in newest if it.name == commit]
        for folder in newest:
            names = self.among([it.name for it in folder.iterdir() if it.exists()])
            if names and n_parts(names[0]) == len(names):
                return folder / names[0]
        return None

    def __str__(self) -> str:
        if self == LITE:
            return LITE_GGUF
        return f"{self.hub}:{self.wanted}" if self.wanted else str(self.hub)


# The name was seen on public pages only: the hub itself could not be reached.
LITE = GgufName(
    HubName("bartowski/DeepSeek-Coder-V2-Lite-Base-GGUF"), "DeepSeek-Coder-V2-Lite-Base-Q4_K_M.gguf"
)
LITE_BYTES = 12e9  # of memory that it wants: 10.4 GB of weights, and what an editor needs beside them

_PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")


def n_parts(name: str) -> int:
    """How many files a model of such a name has."""
    found = _PART.search(name)
    return int(found[1]) if found else 1


def is_gguf(model: str) -> bool:
    """Whether a model's name means a .gguf file, be it here or not."""
    if model == LITE_GGUF or model.endswith(".gguf"):
        return True
    name = GgufName.read(model)
    if name is None or Path(model).expanduser().is_dir():
        return False
    return bool(name.wanted) or (cached(name.hub) is None and name.path() is not None)


def resolve_gguf(model: str) -> Path:
    """The file; of one in parts the first. Raises ModelError."""
    path = Path(model).expanduser()
    if path.is_file():
        if (n := n_parts(path.name)) > 1 and (lost := _lost_part(path, n)) is not None:
            raise ModelError(f"{lost} is missing: {path.name} is one of {n} files, which belong together.")
        return path.absolute()
    if path.is_dir():
        raise ModelError(f"{path} is a folder; give the .gguf file in it.")
    if (name := GgufName.read(model)) is None:
        raise ModelError(f"There is no file {path}; give an existing .gguf file, or owner/repo:{USUAL}.")
    if (found := name.path()) is None:
        raise ModelError(
            f"{name} is not on this machine, or not all of it; fetch it with `midfill download {name}`, or "
            "give the path of a .gguf file."
        )
    return found


def _whole(name: str) -> str:
    """What the parts of one model have in common."""
    return _PART.sub(".gguf", name)


def _lost_part(path: Path, n: int) -> Path | None:
    base = _PART.sub("", path.name)
    parts = (path.with_name(f"{base}-{i:05d}-of-{n:05d}.gguf") for i in range(1, n + 1))
    return next((it for it in parts if not it.is_file()), None)
