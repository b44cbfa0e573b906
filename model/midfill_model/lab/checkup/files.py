"""Whether a model's files are there and whole, and which bytes and ids its delimiters have. Needs no library.

A file's length is always compared with what it says of itself. Its checksum is, too, where one is known: of
the embedded model in a list beside it, of the hub's files in the name under which the cache holds them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midfill_model import fim
from midfill_model.checkpoint import hub
from midfill_model.checkpoint.config import ModelError, added_tokens, read_config, read_json
from midfill_model.checkpoint.gguf import read_metadata
from midfill_model.checkpoint.gguf_name import LITE as LITE_FILE
from midfill_model.checkpoint.gguf_name import is_gguf, resolve_gguf
from midfill_model.checkpoint.shapes import check_tensors
from midfill_model.command_line import DEMO, LITE_GGUF

SUMS = "SHA256SUMS"
_SMALL = 1_000_000_000  # bytes that are read unasked, in a second or two
_LONGEST_HEADER = 100_000_000  # bytes, by safetensors' definition
_CONTROL = (fim.BOS, fim.EOS, fim.FIM_BEGIN, fim.FIM_HOLE, fim.FIM_END)


@dataclass(frozen=True, slots=True)
class Delimiter:
    """A sign that the prompt is made of."""

    text: str
    utf8: str
    """Its bytes, in hexadecimal digits."""
    id: int


@dataclass(frozen=True, slots=True)
class Model:
    """What was found of one model; `fault` is a sentence, empty where all of it is there and whole."""

    name: str
    path: str = ""
    n_bytes: int = 0
    compared: int = 0
    """Bytes whose checksum was compared."""
    fault: str = ""
    missing: bool = False
    """Whether the fault is only that it was never fetched."""
    delimiters: tuple[Delimiter, ...] = ()


def models_of(wanted: str) -> list[str]:
    """Which to look at: for `auto` those of its choices of which there is anything here."""
    if wanted != "auto":
        return [wanted]
    lite = ["lite"] if hub.LITE.storage.exists() else []
    return [DEMO, *lite, *([LITE_GGUF] if LITE_FILE.hub.storage.exists() else [])]


def examined(model: str, thorough: bool = False) -> Model:
    """`thorough`: compare the checksums of large files, too."""
    try:
        path = resolve_gguf(model) if is_gguf(model) else hub.resolve(model)
    except ModelError as error:
        return Model(model, fault=str(error), missing=True)
    try:
        if path.is_file():
            paths, delimiters = [path], _gguf_delimiters(path)
        else:
            read_config(path)
            paths, delimiters = hub.weight_files(path), tuple(_delimiters(path))
            tensors: dict[str, Any] = {}
            for it in paths:
                tensors |= _header(it)
            check_tensors(path, tensors)
        n_bytes = sum(it.stat().st_size for it in paths)
        known = [it for it in (*paths, path / hub.CONFIG, path / hub.TOKENIZER) if it.is_file()]
        n_compared = sum(_compared(it) for it in known) if thorough or n_bytes <= _SMALL else 0
    except ModelError as error:
        return Model(model, str(path), fault=str(error))
    except OSError as error:
        return Model(model, str(path), fault=f"{error.filename} cannot be read ({error.strerror}).")
    return Model(model, str(path), n_bytes, n_compared, delimiters=delimiters)


def _delimiters(folder: Path) -> Iterator[Delimiter]:
    """Those of a vocabulary for filling in the middle. ModelError."""
    path = folder / hub.TOKENIZER
    added = added_tokens(path, read_json(path))
    try:
        has_all = fim.checked_ids(added) is not None
    except ValueError as error:
        raise ModelError(f"{path} {error}; it is not a DeepSeek vocabulary.") from None
    for text in _CONTROL if has_all else ():
        yield Delimiter(text, text.encode().hex(" ").upper(), added[text])


def _gguf_delimiters(path: Path) -> tuple[Delimiter, ...]:
    signs = read_metadata(path).signs()
    if signs is None:
        raise ModelError(f"{path} cannot fill in the middle: its vocabulary has no signs for that.")
    family = signs.family
    pairs = ((family.prefix, signs.prefix), (family.suffix, signs.suffix), (family.middle, signs.middle))
    return tuple(
        Delimiter(text, text.encode().hex(" ").upper(), id_)
        for text, id_ in pairs
        if text and id_ is not None
    )


def _header(path: Path) -> dict[str, Any]:
    """What a safetensors file says of its tensors; ModelError unless it is as long as that."""
    try:
        with path.open("rb") as file:
            n_header = int.from_bytes(file.read(8), "little")
            header: dict[str, Any] = json.loads(file.read(min(n_header, _LONGEST_HEADER)))
        header.pop("__metadata__", None)
        wanted = 8 + n_header + max((it["data_offsets"][1] for it in header.values()), default=0)
    except FileNotFoundError:
        raise ModelError(f"{path} is missing; download the model again.") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        raise ModelError(f"{path} is no safetensors file; download the model again.") from None
    if (found := path.stat().st_size) != wanted:
        raise ModelError(f"{path} has {found} bytes instead of {wanted}; download the model again.")
    return header


def _compared(path: Path) -> int:
    """How many bytes were compared with a known checksum; ModelError if it is another one."""
    if (known := _known_sum(path)) is None:
        return 0
    with path.open("rb") as file:
        if len(known) == 64:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        else:  # as git names a small file
            text = file.read()
            found = hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest()
    if found != known:
        raise ModelError(f"{path} is damaged (its checksum differs); download the model again.")
    return path.stat().st_size


def _known_sum(path: Path) -> str | None:
    blob = path.resolve()
    if blob.parent.name == "blobs" and len(blob.name) in (40, 64):
        return blob.name
    try:
        lines = (path.parent.parent / SUMS).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    name = f"{path.parent.name}/{path.name}"
    return next((line.split()[0] for line in lines if line.endswith(f"  {name}")), None)
