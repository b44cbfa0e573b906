"""Token ids, by the server's own /tokenize: llama.cpp, vLLM, SGLang. A user's text never becomes a sign."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from midfill_model.fim import Family, kept_prefix
from midfill_server.engines.backend import Order
from midfill_server.engines.dialects.openai import OpenAI, lacking_head, rooms

Tokenize = Callable[[str], Awaitable[list[int]]]
KNOWN_TEXTS = 32  # whose ids are kept: a suffix and other files stay as they are from key to key
LONGEST_TOKEN = 32  # characters; of a huge text only what may fit is asked for


@dataclass(frozen=True, slots=True)
class Signs:
    """A family's signs as ids of one vocabulary, `start` what begins every text."""

    start: tuple[int, ...]
    prefix: int
    suffix: int
    middle: int | None

    def around(self, prefix: list[int], suffix: list[int], suffix_first: bool) -> list[int]:
        first, second = [self.prefix, *prefix], [self.suffix, *suffix]
        parts = [*second, *first] if suffix_first else [*first, *second]
        return [*self.start, *parts, *([] if self.middle is None else [self.middle])]


@dataclass(frozen=True, slots=True)
class Ids(OpenAI):
    """`tokenize` gives a text's ids, with no sign among them; it raises BackendError."""

    tokenize: Tokenize = field(kw_only=True)
    family: Family = field(kw_only=True)
    signs: Signs = field(kw_only=True)
    context: int | None = None
    lines_apart: bool = False
    """Whether no token reaches across a line's end: then a key costs the ids of its own line."""
    tells_progress: bool = False
    """Whether it is llama.cpp: it then sees a hang-up while it reads the prompt, too."""
    _known: dict[str, list[int]] = field(default_factory=dict)

    async def body(self, order: Order) -> dict[str, Any]:
        body = self.fields(order) | {"prompt": await self.prompt(order)}
        return body | {"return_progress": True} if self.tells_progress else body

    async def prompt(self, order: Order) -> list[int]:
        """Its ids, each part within its budget. Raises BackendError."""
        room = rooms(order, self.context)
        after = await self._of(order.suffix[: LONGEST_TOKEN * room.suffix])
        head = await self._of(lacking_head(order))
        before = await self._growing(order.prefix)
        if len(head) > room.prefix // 4:
            head = []
        others: list[int] = []
        for block in order.context if room.context else ():
            if len(others) + len(ids := await self._of(block)) > room.context:
                break
            others += ids
        kept = [*others, *head, *kept_prefix(before, room.prefix - len(head), lambda _: True)]
        return self.signs.around(kept, after[: room.suffix], self.family.suffix_first)

    async def _growing(self, text: str) -> list[int]:
        """Ids of a text that has changed in its last line since the last time, as a rule."""
        last_line = text.rfind("\n") + 1 if self.lines_apart else 0
        known, line = await self._of(text[:last_line]), text[last_line:]
        return [*known, *(await self.tokenize(line) if line else ())]

    async def _of(self, text: str) -> list[int]:
        if not text:
            return []
        if text not in self._known:
            ids = await self.tokenize(text)
            while len(self._known) >= KNOWN_TEXTS:
                self._known.pop(next(iter(self._known)))
            self._known[text] = ids
        return self._known[text]
