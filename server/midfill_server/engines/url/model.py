"""What the model behind a `url` can take: its context, its family's signs, and so the dialect."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from midfill_model.fim import DEEPSEEK, Family, by_signs, family_of
from midfill_server.engines.backend import refusal
from midfill_server.engines.dialects.ids import Signs
from midfill_server.engines.url.found import LLAMA_CPP, OLLAMA, SGLANG, VLLM, Asks, Found, told
from midfill_server.engines.url.tokenizer import TokenizeWith, keeps_lines_apart, of_file, of_server

TAKES_IDS = (LLAMA_CPP, VLLM, SGLANG)


async def described(ask: Asks, found: Found, entry: dict[str, Any], takes_ids: bool) -> Found:
    """Context, family and dialect of the model that `entry` lists. `takes_ids`: the user says so.

    Raises BackendError.
    """
    if found.engine == OLLAMA:
        return await _of_ollama(ask, found)
    context, path = await _told_of(ask, found.engine, entry)
    found, names = replace(found, context=context), (found.model, _text(entry.get("root")), path)
    named = family_of(*names)
    if found.engine in TAKES_IDS:
        tokenize = of_server(ask, found.engine, found.model)
        if (start := await tokenize("", True)) is not None:
            return await _by_tokenizer(ask, found, named, tokenize, start)
    may_take_ids = named is DEEPSEEK and (found.engine in TAKES_IDS or takes_ids)
    if may_take_ids and (on_disk := await asyncio.to_thread(of_file, *names)) is not None:
        folder, signs = on_disk
        return replace(found, family=named, signs=signs, tokenizer=folder, dialect="ids")
    if found.engine == LLAMA_CPP:
        return replace(found, family=named, dialect="infill")
    return replace(found, family=named, dialect="rendered" if named else "suffix")


async def _told_of(ask: Asks, engine: str, entry: dict[str, Any]) -> tuple[int | None, str | None]:
    """(tokens that the model can take, the path of its files), as far as the server tells them."""
    meta, path = entry.get("meta"), None
    context = (
        _whole(entry.get("max_model_len"))
        or _whole(meta.get("n_ctx") if isinstance(meta, dict) else None)
        or _whole(entry.get("context_length"))
    )
    if engine == LLAMA_CPP:
        props = await told(ask, "GET", "/props")
        usual = props.get("default_generation_settings")
        context = (_whole(usual.get("n_ctx")) if isinstance(usual, dict) else None) or context
        path = _text(props.get("model_path"))
    if engine == SGLANG:
        info = await told(ask, "GET", "/model_info")
        context, path = context or _whole(info.get("max_model_len")), _text(info.get("model_path"))
    return context, path


async def _by_tokenizer(
    ask: Asks, found: Found, named: Family | None, tokenize: TokenizeWith, start: list[int]
) -> Found:
    """The family whose signs are one id each; one that the name tells comes first."""
    for family in by_signs(named):
        ids = []
        for sign in family.signs:
            its_ids = await tokenize(sign, True)
            if its_ids is None or len(its_ids) != len(start) + 1:
                break
            ids.append(its_ids[-1])
        if len(ids) == len(family.signs) and len(set(ids)) == len(ids):
            signs = Signs(tuple(start), ids[0], ids[1], ids[2] if len(ids) > 2 else None)
            apart = await keeps_lines_apart(tokenize)
            return replace(found, family=family, signs=signs, lines_apart=apart, dialect="ids")
    if found.engine == LLAMA_CPP:
        body = {"input_prefix": "a = ", "input_suffix": "\n", "n_predict": 0, "stream": False}
        if (await ask("POST", "/infill", body)).status == 200:
            return replace(found, family=named, dialect="infill")
    if named is not None and not named.by_ids:
        return replace(found, family=named, dialect="rendered")
    return replace(found, trap=_no_signs(found.model))


async def _of_ollama(ask: Asks, found: Found) -> Found:
    shown = await ask("POST", "/api/show", {"model": found.model})
    if shown.status != 200:
        raise refusal(shown.status, shown.headers, shown.body)
    said = shown.json if isinstance(shown.json, dict) else {}
    able = said.get("capabilities")
    found = replace(found, dialect="ollama", family=family_of(found.model))
    if (isinstance(able, list) and "insert" in able) or ".Suffix" in str(said.get("template", "")):
        return found
    return replace(found, trap=_no_signs(found.model))


def _no_signs(model: str | None) -> str:
    return (
        f"The model {model} cannot fill in the middle: serve one that was trained for it, such as "
        "DeepSeek-Coder-V2-Lite-Base or Qwen2.5-Coder"
    )


def _whole(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
