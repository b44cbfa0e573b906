"""Prompt and suffix as two fields, for servers that put the signs in: DeepSeek's API, and others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midfill_model.fim import Family
from midfill_server.engines.backend import Order
from midfill_server.engines.dialects.openai import OpenAI, before, cut, neutral


@dataclass(frozen=True, slots=True)
class Suffix(OpenAI):
    """`context`: the tokens that it can take, if that is known."""

    context: int | None = None
    family: Family | None = None
    counts: bool = False
    """Whether to ask how many tokens the prompt had."""

    async def body(self, order: Order) -> dict[str, Any]:
        order = cut(order, self.context)
        texts = {"prompt": before(order), "suffix": order.suffix}
        texts = {key: neutral(text, self.family) for key, text in texts.items()}
        body = self.fields(order) | texts
        return body | {"stream_options": {"include_usage": True}} if self.counts else body
