"""A server behind `url` as a test asks it, and places in real code where our engine and it are compared."""

import random
import sysconfig
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from midfill_model.checkpoint.hub import resolve
from midfill_model.generation.requests.prompt import Budgets, Parts, fim_prompt
from midfill_model.generation.tokens import Tokenizer
from midfill_server.engines.backend import Backend, Order
from midfill_server.engines.dialects.ids import Ids
from midfill_server.engines.dialects.suffix import Suffix
from midfill_server.engines.status import Status
from midfill_server.engines.url.remote import Remote

MODULES = (
    *("argparse", "calendar", "configparser", "csv", "dataclasses", "datetime", "difflib", "fractions"),
    *("functools", "heapq", "json/encoder", "logging/__init__", "queue", "random", "shlex", "statistics"),
    *("string", "tarfile", "textwrap", "zipfile", "ast", "bisect", "cmd", "codeop", "gzip", "inspect"),
    *("copy", "enum", "fileinput", "ftplib", "getopt", "imaplib", "ipaddress", "locale", "mailbox"),
    *("mimetypes", "netrc", "optparse", "pickle", "plistlib", "pprint", "selectors", "shutil", "smtplib"),
    *("socketserver", "subprocess", "tempfile", "threading", "timeit", "traceback"),
)
N_TOKENS = 24
ENOUGH = 0.97  # of tokens: two that are as likely in 16 bits are no difference


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


@dataclass
class Agreement:
    """Places whose prompt has our ids, and how far the texts there are ours: to the first difference."""

    tokenizer: Tokenizer
    n_places: int = 0
    n_tokens: int = 0
    n_equal: int = 0

    def ids_of(self, order: Order) -> list[int]:
        """Of the prompt, as our own engine makes it."""
        return fim_prompt(self.tokenizer, Parts(order.prefix, order.suffix), Budgets(1024, 128)).ids

    def count(self, theirs: str, ours: str) -> None:
        both = self.tokenizer.encode(theirs), self.tokenizer.encode(ours)
        self.n_places += 1
        self.n_tokens += max(map(len, both))
        self.n_equal += len(list(takewhile(lambda pair: pair[0] == pair[1], zip(*both, strict=False))))

    def check(self, fewest_places: int) -> None:
        print(f"{self.n_places} of {len(MODULES)} places, {self.n_equal} of {self.n_tokens} tokens equal")
        assert self.n_places >= fewest_places
        assert self.n_equal >= ENOUGH * self.n_tokens > 0


async def agreement(asked: Asked, own: Backend) -> Agreement:
    """Of a server that is sent ids with our own engine."""
    dialect, found = await asked.remote.dialect(), Agreement(Tokenizer(resolve("demo")))
    assert isinstance(dialect, Ids)
    for order in places():
        if await dialect.prompt(order) == found.ids_of(order):
            found.count(await asked.text(order), await greedy(own, order))
    return found
