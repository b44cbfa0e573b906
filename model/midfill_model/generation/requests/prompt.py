"""The fill-in-the-middle prompt: other files, the file's head, the window, each within its budget in tokens.

What changes least comes first, so that the KV cache of it stays good. No torch.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from midfill_model import fim

from .ticket import Request

_LONGEST_TOKEN = 32  # characters; code has about 4 on average


@dataclass(frozen=True, slots=True)
class Parts:
    """A prompt's texts. `head` are lines from the file's top that are worth keeping, such as imports."""

    prefix: str
    suffix: str
    head: str = ""
    context: tuple[str, ...] = ()
    """Other files' text in blocks of whole lines, in the order of the prompt; the last ones are cut first."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """In tokens. The head is paid from the prefix's."""

    prefix: int
    suffix: int
    context: int = 0


@dataclass(frozen=True, slots=True)
class Prompt:
    """`ids[n_control : n_control + n_context]` are other files', the next `n_head` the file's head."""

    ids: list[int]
    n_control: int = 0
    n_context: int = 0
    n_head: int = 0


class Encoder(Protocol):
    """Ordinary ids only, whatever the text says."""

    def encode(self, text: str) -> list[int]: ...

    def encode_with_starts(self, text: str) -> tuple[list[int], list[int]]:
        """The ids, and where each token begins in `text`, in characters."""

    def starts_character(self, id_: int) -> bool:
        """Whether the token's first byte begins a UTF-8 character."""


class Vocabulary(Encoder, Protocol):
    """DeepSeek's."""

    fim_ids: fim.FimIds | None
    bos: int


@dataclass(frozen=True, slots=True)
class Kept:
    """The ids of each part that its budget allows."""

    context: list[int]
    head: list[int]
    prefix: list[int]
    suffix: list[int]

    @property
    def before(self) -> list[int]:
        """All that stands before the hole."""
        return [*self.context, *self.head, *self.prefix]


def kept(encoder: Encoder, parts: Parts, budgets: Budgets) -> Kept:
    """A prompt's parts, each within its budget."""
    context = _context(encoder, parts.context, budgets.context)
    head, prefix = _file(encoder, parts, budgets.prefix)
    # Of a huge text only what may fit is encoded.
    suffix = encoder.encode(parts.suffix[: _LONGEST_TOKEN * budgets.suffix])
    stop = min(len(suffix), max(budgets.suffix, 0))
    while 0 < stop < len(suffix) and not encoder.starts_character(suffix[stop]):
        stop -= 1
    return Kept(context, head, prefix, suffix[:stop])


def within(request: Request, usual: Budgets, context: int) -> Budgets:
    """The budgets of a request, lowered to what the context holds; half of it stays for the prompt."""
    n_control = 4
    room = max(context - request.max_tokens, context // 2) - n_control
    wanted = (request.prefix_tokens, request.suffix_tokens, request.context_tokens)
    of_model = (usual.prefix, usual.suffix, usual.context)
    prefix, suffix, others = (m if w is None else w for w, m in zip(wanted, of_model, strict=True))
    suffix = min(suffix, room // 2)
    prefix = min(prefix, room - suffix)
    return Budgets(prefix, suffix, min(others, room - suffix - prefix))


def fim_prompt(tokenizer: Vocabulary, parts: Parts, budgets: Budgets) -> Prompt:
    """DeepSeek's prompt as ids; without FIM tokens all that stands before the hole, alone."""
    it = kept(tokenizer, parts, budgets)
    before = it.before
    if tokenizer.fim_ids is None:
        return Prompt([tokenizer.bos, *before], 1, len(it.context), len(it.head))
    whole = fim.assemble(before, it.suffix, tokenizer.fim_ids, len(before), len(it.suffix))
    return Prompt(whole, 2, len(it.context), len(it.head))


def _context(tokenizer: Encoder, blocks: Sequence[str], budget: int) -> list[int]:
    """The first blocks, the last of them cut behind a line; `budget` 0 wants none."""
    kept: list[int] = []
    for block in blocks if budget > 0 else ():
        ids, starts = tokenizer.encode_with_starts(block[: _LONGEST_TOKEN * budget])
        room = budget - len(kept)
        if len(ids) <= room:
            kept += ids
            continue
        end = block.rfind("\n", 0, starts[room]) + 1
        kept += ids[: bisect_left(starts, end)]
        break
    return kept


def _file(tokenizer: Encoder, parts: Parts, budget: int) -> tuple[list[int], list[int]]:
    """(ids of the head's lines that the window lacks, ids of the window before the hole)."""
    # Cut where it does not move with every keystroke either.
    text = parts.prefix[fim.anchored_start(len(parts.prefix), _LONGEST_TOKEN * budget) :]
    ids, starts = tokenizer.encode_with_starts(text)
    if len(ids) <= budget and not _lacking(parts.head, text):
        return [], ids
    n_head = len(tokenizer.encode(parts.head))
    if n_head > budget // 2:
        n_head, head = 0, ""
    else:
        head = parts.head
    at = kept_from(text, starts, budget - n_head)
    lacking = _lacking(head, text[starts[at] :] if at < len(starts) else "")
    kept = ids[at:]
    while kept and len(kept) < len(ids) and not tokenizer.starts_character(kept[0]):
        kept = kept[1:]
    return tokenizer.encode(lacking), kept


def _lacking(head: str, window: str) -> str:
    """`head`, unless `window` has all of its lines: a statement may have many, it stays whole."""
    return "" if not head or set(head.splitlines()) <= set(window.splitlines()) else head


def kept_from(text: str, starts: Sequence[int], budget: int) -> int:
    """The first token of `text` to keep, so that at most `budget` of them are.

    `starts[i]` is where token i begins in `text`. From the anchored start (fim.anchored_start) on, the next
    good place within an eighth of the budget: a definition, a paragraph, a line, or just a token.
    """
    at = fim.anchored_start(len(starts), budget)
    if at == 0 or at >= len(starts):
        return at
    last = starts[min(at + max(budget // 8, 1), len(starts) - 1)]
    for place in _GOOD_PLACES:
        if (found := place.search(text, starts[at], last)) is not None:
            return bisect_left(starts, found.end())
    return at


_GOOD_PLACES = (
    re.compile(r"\n\n(?=[^\s)\]}])"),  # a line that is not indented, behind a blank one
    re.compile(r"\n\n(?=[ \t]*[^\s)\]}])"),
    re.compile(r"\n"),
)
