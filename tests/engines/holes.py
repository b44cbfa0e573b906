"""A server behind `url` as a test asks it, and places in real code where our engine and it are compared."""

import random
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from midfill_model.checkpoint.hub import resolve
from midfill_model.generation.requests.prompt import Budgets, Parts, fim_prompt
from midfill_model.generation.tokens import Tokenizer
from midfill_server.engines.backend import Backend, Order
from midfill_server.engines.dialects.ids import Ids
from midfill_server.engines.dialects.suffix import Suffix
from midfill_server.engines.remote import Remote
from midfill_server.engines.status import Status

MODULES = (
    *("argparse", "calendar", "configparser", "csv", "dataclasses", "datetime", "difflib", "fractions"),
    *("functools", "heapq", "json/encoder", "logging/__init__", "queue", "random", "shlex", "statistics"),
    *("string", "tarfile", "textwrap", "zipfile", "ast", "bisect", "cmd", "codeop", "gzip", "inspect"),
)
N_TOKENS = 24


@dataclass
class Asked:
    """A server behind `url`, and what its user is told."""

    remote: Remote
    told: list[Status]

    async def text(self, order: Order) -> str:
        return "".join([chunk.text async for chunk in self.remote.stream(order)])


def behind(url: str, dialect: str = "auto", key: str | None = None) -> Asked:
    told: list[Status] = []
    return Asked(Remote(url, "auto", key, dialect, told.append), told)


def places() -> list[Order]:
    """Holes in the standard library, some of them inside a word; the seed is fixed."""
    chance = random.Random(7)
    orders: list[Order] = []
    for name in MODULES:
        lines = (Path(sysconfig.get_paths()["stdlib"]) / f"{name}.py").read_text("utf-8").splitlines(True)
        full = [n for n in range(40, len(lines) - 12) if len(lines[n].strip()) > 12]
        line = chance.choice(full)
        cut = chance.randrange(len(lines[line]) - 4) if len(orders) % 2 else 0
        indent = len(lines[line]) - len(lines[line].lstrip())
        prefix = "".join(lines[line - 30 : line]) + lines[line][: max(cut, indent)]
        orders.append(Order(prefix, "".join(lines[line + 1 : line + 6]), N_TOKENS))
    return orders


async def greedy(backend: Backend, order: Order) -> str:
    """Our engine's text without healing and search, which only it can do."""
    return "".join([chunk.text async for chunk in backend.stream(order, Suffix())])


async def agreement(asked: Asked, own: Backend) -> tuple[int, int]:
    """(places with our ids, how many of these have our text)."""
    dialect, tokenizer = await asked.remote.dialect(), Tokenizer(resolve("demo"))
    assert isinstance(dialect, Ids)
    same_ids = same = 0
    for order in places():
        ours = fim_prompt(tokenizer, Parts(order.prefix, order.suffix), Budgets(1024, 128)).ids
        if await dialect.prompt(order) == ours:
            same_ids += 1
            same += await asked.text(order) == await greedy(own, order)
    return same_ids, same
