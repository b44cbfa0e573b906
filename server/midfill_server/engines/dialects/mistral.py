"""Mistral's /v1/fim/completions: prompt and suffix, answered in the shape of a chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midfill_model.fim import Family
from midfill_server.engines.backend import Chunk, Order
from midfill_server.engines.dialects.openai import OpenAI, before, chunks_of, cut, neutral


@dataclass(frozen=True, slots=True)
class Mistral(OpenAI):
    """It tells no probabilities, and writes one text."""

    context: int | None = None
    family: Family | None = None

    @property
    def path(self) -> str:
        return f"{self.version}/fim/completions"

    async def body(self, order: Order) -> dict[str, Any]:
        order = cut(order, self.context)
        texts = {"prompt": before(order), "suffix": order.suffix}
        texts = {key: neutral(text, self.family) for key, text in texts.items()}
        body = self.fields(order) | texts
        return {key: value for key, value in body.items() if key not in ("logprobs", "n")}

    def chunks(self, event: Any) -> list[Chunk]:
        if "choices" not in event:
            return chunks_of(event)
        choices = [
            {
                "index": it.get("index", 0),
                "text": (it.get("delta") or {}).get("content"),
                "finish_reason": it.get("finish_reason"),
            }
            for it in event["choices"]
        ]
        return chunks_of({"choices": choices})
