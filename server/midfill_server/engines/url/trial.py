"""A server that nothing is known of fills in one easy place first: not every model can."""

from __future__ import annotations

import re
from dataclasses import replace

from midfill_model.fim import FAMILIES
from midfill_server.engines.backend import Backend, BackendError, Dialect, Order
from midfill_server.engines.dialects.suffix import Suffix

EASY = Order("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", max_tokens=8)
PROSE = re.compile(
    r"```|^\s*(sure|certainly|of course|here('s| is| are)|the (code|function|missing))\b", re.IGNORECASE
)


async def check(backend: Backend, dialect: Dialect, model: str | None) -> None:
    """Raises BackendError for prose, for signs in the text, and for a suffix that does not count."""
    if not isinstance(dialect, Suffix):
        await _fill_in(backend, dialect, EASY, model)
        return
    counting, longer = replace(dialect, counts=True), replace(EASY, suffix=EASY.suffix * 9)
    counts = [await _fill_in(backend, counting, order, model) for order in (EASY, longer)]
    if counts[0] is not None and counts[0] == counts[1]:
        raise BackendError(
            "The server ignores the text behind the cursor, and Midfill does not know how the model "
            f"{model} marks the place to fill in: serve a model that it knows, such as "
            "DeepSeek-Coder or Qwen2.5-Coder"
        )


async def _fill_in(backend: Backend, dialect: Dialect, order: Order, model: str | None) -> float | None:
    """How many tokens the prompt had, where the server tells that."""
    chunks = [chunk async for chunk in backend.stream(order, dialect)]
    text = "".join(chunk.text for chunk in chunks)
    if PROSE.search(text) or any(sign in text for family in FAMILIES for sign in family.signs):
        raise BackendError(
            f"The model {model} answers in prose or in signs, and does not fill in the middle: "
            "serve a base model that was trained for it, or set midfill.dialect"
        )
    counts = [it.timings["prompt_tokens"] for it in chunks if "prompt_tokens" in it.timings]
    return counts[-1] if counts else None
