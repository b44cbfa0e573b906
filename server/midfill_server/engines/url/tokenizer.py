"""A model's tokenizer: the server's own route, or a file on this machine where it has none.

`midfill download lite --tokenizer-only` fetches such a file. Only here does the front read what belongs to
the engine, and loads `tokenizers`: when a server without such a route serves a model whose file is there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midfill_server.engines.backend import refusal
from midfill_server.engines.dialects.ids import Signs
from midfill_server.engines.url.found import LLAMA_CPP, NO_ROUTE, Asks

if TYPE_CHECKING:
    from midfill_model.generation.tokens import Tokenizer

log = logging.getLogger(__name__)

TokenizeWith = Callable[[str, bool], Awaitable[list[int] | None]]
LINES = ("x = [\n", "    1,\n\n", "\ty]")  # GPT-2 makes one token of a line's end and the next one's blanks
OF_LITE = re.compile(r"deepseek-?coder-?v2-?lite", re.IGNORECASE)


def of_server(ask: Asks, engine: str, model: str | None) -> TokenizeWith:
    """Asks a server for a text's ids; `special`: signs in it count, and what begins every text is put before.

    None where the server has no such route.
    """

    async def tokenize(text: str, special: bool) -> list[int] | None:
        if engine == LLAMA_CPP:
            body: dict[str, Any] = {"content": text, "add_special": special, "parse_special": special}
        else:
            body = {"model": model, "prompt": text, "add_special_tokens": special}
        reply = await ask("POST", "/tokenize", body)
        told = reply.json
        ids = told.get("tokens") if isinstance(told, dict) else None
        if reply.status in NO_ROUTE:
            return None
        if reply.status != 200:
            raise refusal(reply.status, reply.headers, reply.body)
        return ids if isinstance(ids, list) and set(map(type, ids)) <= {int} else None

    return tokenize


async def keeps_lines_apart(tokenize: TokenizeWith) -> bool:
    """Whether lines on their own have the ids that they have together."""
    whole = await tokenize("".join(LINES), False)
    apart = [await tokenize(line, False) or [] for line in LINES]
    return whole is not None and whole == [id_ for ids in apart for id_ in ids]


def of_file(*names: str | None) -> tuple[Path, Signs] | None:
    """The folder of a model's tokenizer file, and DeepSeek's signs in it, by what the server calls the model.

    None where it is not on this machine, or cannot be used. Loading it takes a second.
    """
    from midfill_model.checkpoint.config import ModelError
    from midfill_model.checkpoint.hub import LITE, HubName, with_tokenizer

    for name in dict.fromkeys(filter(None, names)):
        hub_name = HubName(LITE.repo) if OF_LITE.search(name) else HubName.read(name)
        if hub_name is None or (folder := with_tokenizer(hub_name)) is None:
            continue
        try:
            ids = _loaded(folder).fim_ids
        except ModuleNotFoundError as error:
            log.warning('%s is not used: pip install "midfill[tokenizer]" brings %s', folder, error.name)
            return None
        except ModelError as error:
            log.warning("%s", error)
            continue
        if ids is not None:
            return folder, Signs((ids.bos,), ids.begin, ids.hole, ids.end)
    return None


def by_file(folder: Path) -> Callable[[str], Awaitable[list[int]]]:
    """Gives the ids of a user's text, none of which is a sign; for a folder that `of_file` has loaded."""

    async def tokenize(text: str) -> list[int]:
        return _loaded(folder).encode(text)

    return tokenize


@lru_cache(maxsize=2)
def _loaded(folder: Path) -> Tokenizer:
    from midfill_model.generation.tokens import Tokenizer

    return Tokenizer(folder)
