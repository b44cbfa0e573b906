"""A .gguf file that says what it is and holds no weights: enough for whoever reads headers."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from midfill_model import fim

TOKENS = (*fim.CONTROL, *"abcdefghijklmnopqrstuvwxyz")

Value = str | int | bool | Sequence[str] | Sequence[int]


def write_tiny(path: Path, tokens: Sequence[str] = TOKENS, **values: Value) -> Path:
    """`values` by GGUF's names, with `__` for a dot."""
    usual: dict[str, Value] = {
        "general.architecture": "deepseek2",
        "general.name": "tiny",
        "general.file_type": 15,
        "deepseek2.context_length": 4096,
        "tokenizer.ggml.tokens": list(tokens),
        "tokenizer.ggml.token_type": [3 if it in fim.CONTROL else 1 for it in tokens],
        "tokenizer.ggml.merges": ["a b", "b c"],
    }
    told = usual | {name.replace("__", "."): value for name, value in values.items()}
    path.write_bytes(header(told))
    return path


def header(values: Mapping[str, Value], version: int = 3) -> bytes:
    pairs = b"".join(_string(name) + _typed(value) for name, value in values.items())
    return b"GGUF" + struct.pack("<IQQ", version, 0, len(values)) + pairs


def _typed(value: Value) -> bytes:
    kind, packed = _value(value)
    return struct.pack("<I", kind) + packed


def _value(value: Value) -> tuple[int, bytes]:
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, str):
        return 8, _string(value)
    inner = [_value(it) for it in value]
    return 9, struct.pack("<IQ", inner[0][0], len(inner)) + b"".join(packed for _, packed in inner)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()
