"""What a .gguf file says of itself: its metadata, not its weights.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Only what is asked of it is kept; a
vocabulary of 100,000 tokens takes a tenth of a second.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from midfill_model import seam
from midfill_model.fim import Family, by_signs, family_of

from .config import ModelError

MAGIC = b"GGUF"
TOKENS, TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
CONTROL = 3  # a token's type
FILE_TYPES = {  # llama.cpp's llama_ftype, of those that are common
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    25: "IQ4_NL",
    26: "IQ3_S",
    30: "IQ4_XS",
    32: "BF16",
}

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST = 1 << 24  # of anything in a header
_TUNED_FOR_CHAT = re.compile(r"(?<![a-z])(instruct|chat|it)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Signs:
    """A family's signs as ids of one vocabulary."""

    family: Family
    prefix: int
    suffix: int
    middle: int | None


@dataclass(frozen=True, slots=True)
class Metadata:
    """Of one file. `tokens[i]` is how its vocabulary writes token i."""

    name: str
    architecture: str
    values: dict[str, Any]
    tokens: list[str]
    control: frozenset[int]
    """Ids that stand for no text."""

    @property
    def context(self) -> int:
        """Tokens that the model was trained for; 0 where it is not told."""
        told = self.values.get(f"{self.architecture}.context_length")
        return told if isinstance(told, int) else 0

    @property
    def kind(self) -> str:
        """How its weights are stored, such as Q4_K_M."""
        return FILE_TYPES.get(self.values.get("general.file_type", -1), "GGUF")

    @property
    def is_for_chat(self) -> bool:
        """By its name: the vocabulary does not tell."""
        names = (self.name, str(self.values.get("general.name", "")))
        return any(_TUNED_FOR_CHAT.search(name) for name in names)

    def signs(self) -> Signs | None:
        """To fill in the middle with; None where it has none that are known."""
        ids = {token: id_ for id_, token in enumerate(self.tokens)}
        named = family_of(self.name, str(self.values.get("general.name", "")))
        for family in by_signs(named):
            if all(sign in ids for sign in family.signs):
                middle = ids[family.middle] if family.middle else None
                return Signs(family, ids[family.prefix], ids[family.suffix], middle)
        return None


def read_metadata(path: Path) -> Metadata:
    """Raises ModelError in one sentence for what is no such file, or half of one."""
    try:
        with seam.open_plain(path) as file:
            return read_header(file, path.name)
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror or error}); check its rights, or choose another model."
        ) from None
    except NoGguf:
        raise ModelError(f"{path} is no GGUF file; give llama.cpp's kind of model.") from None
    except (EOFError, ValueError, struct.error, MemoryError):
        raise ModelError(f"{path} is damaged, or only half of it is there; download it again.") from None


class NoGguf(Exception):
    """A file of another kind."""


def read_header(file: BinaryIO, name: str) -> Metadata:
    """From its first bytes. Raises NoGguf, and EOFError or ValueError for a header that is not whole."""
    if file.read(4) != MAGIC:
        raise NoGguf
    version, _, n_values = _unpack(file, "IQQ")
    if version not in (2, 3) or n_values > _MOST:
        raise ValueError
    values: dict[str, Any] = {}
    for _ in range(n_values):
        key = _string(file)
        (kind,) = _unpack(file, "I")
        values[key] = _value(file, kind, key in (TOKENS, TYPES))
    tokens, types = values.pop(TOKENS, None) or [], values.pop(TYPES, None) or []
    control = frozenset(id_ for id_, it in enumerate(types) if it == CONTROL)
    return Metadata(name, str(values.get("general.architecture", "")), values, tokens, control)


def _value(file: BinaryIO, kind: int, kept: bool) -> Any:
    """A value; of an array that is not `kept` nothing."""
    if kind in _SCALARS:
        return _unpack(file, _SCALARS[kind])[0]
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        raise ValueError
    inner, n = _unpack(file, "IQ")
    if n > _MOST:
        raise ValueError
    if inner in _SCALARS:
        packed = _read(file, n * struct.calcsize(f"<{_SCALARS[inner]}"))
        return list(struct.unpack(f"<{n}{_SCALARS[inner]}", packed)) if kept else None
    found = [_value(file, inner, kept) for _ in range(n)]
    return found if kept else None


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    if length > _MOST:
        raise ValueError
    return _read(file, length).decode("utf-8", "replace")


def _unpack(file: BinaryIO, layout: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{layout}", _read(file, struct.calcsize(f"<{layout}")))


def _read(file: BinaryIO, length: int) -> bytes:
    found = file.read(length)
    if len(found) < length:
        raise EOFError
    return found
