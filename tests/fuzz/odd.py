"""Odd inputs: what is right, bent in a way that a seed decides; and how many are tried.

`make test` tries a few thousand in seconds, always the same; `make fuzz` a million, or `make fuzz N=…`, each
time others. A failure names its seed.
"""

import json
import os
import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

N_TESTS = 8
"""Among which `make fuzz` divides its inputs."""
_WANTED = int(os.environ.get("MIDFILL_FUZZ", "0")) // N_TESTS

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e308, float("inf")),
    *(
        float("nan"),
        "",
        "x",
        "\0",
        "\ud800",
        "😀",
        "｜",
        "<｜fim▁hole｜>",
        "data: [DONE]",
        "\u2028",
        "a" * 5000,
    ),
    *([], [[]], [None], ["x", 1], [2**40], {}, {"": ""}, {"text": None}, {"id": {"id": []}}),
)


def tried(usual: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A test of one `seed`, called so often; the seed makes the input."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        many = settings(max_examples=_WANTED or usual, deadline=None, derandomize=not _WANTED, database=None)
        return many(given(seed=st.integers(0, 2**63))(test))

    return decorate


def bent(value: Any, seed: int, keys: tuple[str, ...] = ()) -> Any:
    """JSON like `value` with one to three changes: values of other kinds, keys that come, go or move."""
    dice = random.Random(seed)
    for _ in range(dice.randint(1, 3)):
        value = _bent(value, dice, keys)
    return value


def _bent(value: Any, dice: random.Random, keys: tuple[str, ...]) -> Any:
    if isinstance(value, dict) and value and dice.random() < 0.85:
        value = dict(value)
        key = dice.choice([*value])
        kind = dice.random()
        if kind < 0.15:
            del value[key]
        elif kind < 0.3:
            value[dice.choice([*keys, *value, "x"])] = dice.choice(ODD)
        else:
            value[key] = _bent(value[key], dice, keys)
        return value
    if isinstance(value, list) and value and dice.random() < 0.7:
        at = dice.randrange(len(value))
        return [*value[:at], _bent(value[at], dice, keys), *value[at + 1 :]]
    return dice.choice(ODD)


def cut(raw: bytes, seed: int) -> bytes:
    """Like `raw` with some bytes changed, left out, doubled or cut off."""
    dice = random.Random(seed)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(raw) + 1)
        size = dice.choice((1, 1, 2, 8, 64))
        kind = dice.randrange(5)
        if kind == 0:
            raw = raw[:at]
        elif kind == 1:
            raw = raw[:at] + raw[at + size :]
        elif kind == 2:
            raw = raw[:at] + raw[at : at + size] * 2 + raw[at + size :]
        else:
            new = dice.randbytes(size) if kind == 3 else dice.choice(_SIGNS)
            raw = raw[:at] + new + raw[at + len(new) :]
    return raw


_SIGNS = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\\",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"null",
    b"-",
    b"9" * 30,
)


def as_body(value: Any, seed: int) -> bytes:
    """As JSON; of some the bytes are bent, too."""
    raw = json.dumps(value).encode("utf-8", "surrogatepass")
    return cut(raw, seed) if seed % 4 == 0 else raw
