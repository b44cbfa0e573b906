"""Our own engine, on its socket or behind a `url`: prompt, suffix, and all that it knows beyond OpenAI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midfill_model import seam
from midfill_server.engines.backend import Order
from midfill_server.engines.dialects.openai import OpenAI

BEAM_WIDTH = 4  # at most; the engine knows what its network can follow for little


@dataclass(frozen=True, slots=True)
class Midfill(OpenAI):
    """It heals, searches, and puts the prompt together within its budgets."""

    is_ours: bool = True

    async def body(self, order: Order) -> dict[str, Any]:
        body = self.fields(order) | {"temperature": 0, "prompt": order.prefix, "suffix": order.suffix}
        if order.stop:
            body["stop"] = list(order.stop)
        extras: seam.Extras = {
            "slot": order.slot,
            "heal": True,
            "beam_width": BEAM_WIDTH,
            "prefix_tokens": order.prefix_tokens,
            "suffix_tokens": order.suffix_tokens,
            "context_tokens": order.context_tokens,
            "head": order.head,
            "context": list(order.context),
        }
        if order.background:
            extras["background"] = True
        return body | {key: value for key, value in extras.items() if value not in (None, [], "")}


MIDFILL = Midfill()
