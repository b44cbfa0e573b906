"""Ollama's /api/generate: prompt and suffix, which the model's own template puts together; JSON a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midfill_model.fim import Family
from midfill_server.engines.backend import BackendError, Chunk, Order
from midfill_server.engines.dialects.openai import TEMPERATURE, before, cut, neutral
from midfill_server.engines.http.refusals import error_in

CONTEXT = 8192  # tokens that are asked for: by default a prompt is cut to some thousand, and nothing says so


@dataclass(frozen=True, slots=True)
class Ollama:
    """It tells no probabilities, and writes one text."""

    model: str
    context: int = CONTEXT
    family: Family | None = None
    is_ours: bool = False
    in_lines: bool = True
    path: str = "/api/generate"

    async def body(self, order: Order) -> dict[str, Any]:
        order = cut(order, self.context)
        options: dict[str, Any] = {
            "num_predict": order.max_tokens,
            "num_ctx": self.context,
            "temperature": TEMPERATURE if order.n > 1 else 0,
        }
        if order.stop:
            options["stop"] = list(order.stop)
        return {
            "model": self.model,
            "prompt": neutral(before(order), self.family),
            "suffix": neutral(order.suffix, self.family)
            or "\n",  # without one it would take the chat's template
            "stream": True,
            "options": options,
        }

    def chunks(self, event: Any) -> list[Chunk]:
        if (sentence := error_in(event)) is not None:
            raise BackendError(f"The engine failed: {sentence}")
        text, done = event["response"], event.get("done") is True
        if not isinstance(text, str):
            raise TypeError(event)
        return [Chunk(text, str(event.get("done_reason") or "stop") if done else None)]
