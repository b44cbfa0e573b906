"""One prompt with a family's signs in it, for servers that tokenize text and have no tokenizer to ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midfill_model.fim import DEEPSEEK, Family
from midfill_server.engines.backend import Order
from midfill_server.engines.dialects.openai import OpenAI, before, cut


@dataclass(frozen=True, slots=True)
class Rendered(OpenAI):
    """Signs in the user's text are neutralised. `context`: the tokens that it can take, if that is known."""

    family: Family = DEEPSEEK
    context: int | None = None

    async def body(self, order: Order) -> dict[str, Any]:
        order = cut(order, self.context)
        prompt = self.family.render(before(order), order.suffix)
        return self.fields(order, self.family.stops) | {"prompt": prompt}
