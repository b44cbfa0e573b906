"""How a person types: keys, and the pauses before them."""

from __future__ import annotations

import random
import re

WITHIN_WORD, NEW_WORD, NEW_LINE, THOUGHT = 0.16, 0.22, 0.8, 1.5  # seconds, medians
SPREAD, WIDE_SPREAD = 0.35, 0.6  # of the logarithm
THOUGHTFUL = 0.03  # the share of words that one stops to think before


def keys(text: str) -> list[str]:
    """What each key inserts: one character, or a line end with the indentation that the editor adds."""
    return re.findall(r"\n[ \t]*|[^\n]", text)


def pause(before: str, key: str, chance: random.Random) -> float:
    """Seconds between two keys: bursts within words, a little more between them, most at line ends."""
    if before.startswith("\n"):
        median, spread = NEW_LINE, WIDE_SPREAD
    elif before.isalnum() or not key.isalnum():
        median, spread = WITHIN_WORD, SPREAD
    elif chance.random() < THOUGHTFUL:
        median, spread = THOUGHT, WIDE_SPREAD
    else:
        median, spread = NEW_WORD, SPREAD
    return median * chance.lognormvariate(0, spread)
