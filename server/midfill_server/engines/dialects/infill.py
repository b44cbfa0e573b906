"""llama.cpp's /infill: the server puts the model's own signs in, and reads none in a user's text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midfill_server.engines.backend import BackendError, Chunk, Order
from midfill_server.engines.dialects.openai import TEMPERATURE, before, cut, tokens_of
from midfill_server.engines.http.refusals import error_in


@dataclass(frozen=True, slots=True)
class Infill:
    """Never its field `prompt`: signs count in there. `context`: the tokens that it can take."""

    context: int | None = None
    is_ours: bool = False
    in_lines: bool = False
    path: str = "/infill"

    async def body(self, order: Order) -> dict[str, Any]:
        order = cut(order, self.context)
        body: dict[str, Any] = {
            "input_prefix": before(order),
            "input_suffix": order.suffix,
            "n_predict": order.max_tokens,
            "temperature": TEMPERATURE if order.n > 1 else 0,
            "stream": True,
            "return_progress": True,  # a hang-up is then seen while it reads the prompt, too
        }
        if order.stop:
            body["stop"] = list(order.stop)
        if order.logprobs:
            body["n_probs"] = 1
        return body

    def chunks(self, event: Any) -> list[Chunk]:
        if "content" not in event and (sentence := error_in(event)) is not None:
            raise BackendError(f"The engine failed: {sentence}")
        text, stop = event["content"], event["stop"] is True
        if not isinstance(text, str):
            raise TypeError(event)
        finish = "length" if event.get("stop_type") == "limit" else "stop"
        tokens = tokens_of({"content": event.get("completion_probabilities")}, text)
        return [Chunk(text, finish if stop else None, tokens, event.get("timings") or {})]
