"""Fill-in-the-middle prompts as DeepSeek was trained on them (PSM order). No torch: the front imports it too.

The bars are U+FF5C and the blanks U+2581. Published spellings with ASCII bars or underscores are plain text
to the tokenizer: the model then never sees a FIM prompt, and nothing says so.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
FIM_BEGIN, FIM_HOLE, FIM_END = "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"
CONTROL = (BOS, EOS, FIM_BEGIN, FIM_HOLE, FIM_END)


@dataclass(frozen=True, slots=True)
class FimIds:
    """The control ids of one vocabulary."""

    bos: int
    eos: int
    hole: int
    begin: int
    end: int


def assemble(
    prefix: Sequence[int],
    suffix: Sequence[int],
    ids: FimIds,
    prefix_budget: int,
    suffix_budget: int,
    starts_character: Callable[[int], bool] = lambda _: True,
) -> list[int]:
    """The prompt as ids: each side within its budget, cut at its far end, never inside a character.

    `starts_character(id)` tells whether a token's bytes begin a UTF-8 character.
    """
    kept = kept_prefix(prefix, prefix_budget, starts_character)
    stop = min(len(suffix), max(suffix_budget, 0))
    while 0 < stop < len(suffix) and not starts_character(suffix[stop]):
        stop -= 1
    return [ids.bos, ids.begin, *kept, ids.hole, *suffix[:stop], ids.end]


def kept_prefix(prefix: Sequence[int], budget: int, starts_character: Callable[[int], bool]) -> Sequence[int]:
    """The end of `prefix` that the budget allows, from an anchored start."""
    start = anchored_start(len(prefix), budget)
    while 0 < start < len(prefix) and not starts_character(prefix[start]):
        start += 1
    return prefix[start:]


def anchored_start(length: int, budget: int) -> int:
    """How many of `length` tokens to drop from the start so that at most `budget` remain.

    Rounded up to a quarter of the budget: the kept start then moves once in many keystrokes, not at each one,
    and the KV cache of everything behind it stays good.
    """
    excess = length - max(budget, 0)
    if excess <= 0:
        return 0
    stride = max(budget // 4, 1)
    return -(-excess // stride) * stride


def render(prefix: str, suffix: str) -> str:
    """The prompt as text, for servers that parse control tokens in text and add bos themselves.

    Delimiters in the user's text are neutralised (their bars become ASCII), so they stay text there.
    """
    return f"{FIM_BEGIN}{_neutral(prefix)}{FIM_HOLE}{_neutral(suffix)}{FIM_END}"


def _neutral(text: str) -> str:
    return re.sub(r"<｜([^｜\n]{1,64})｜>", r"<|\1|>", text)
