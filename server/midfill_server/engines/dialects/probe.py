"""What answers at a `url`: which engine, model, context and family, by asking it a few small questions.

Never by a port. Nothing here generates.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Protocol
from urllib.parse import urlsplit

from midfill_model import seam
from midfill_model.fim import FAMILIES, Family, by_signs, family_of
from midfill_server.engines.backend import BackendError, Later, Reply, refusal
from midfill_server.engines.dialects.ids import Signs

MIDFILL, LLAMA_CPP, VLLM, SGLANG, OLLAMA, LM_STUDIO = (
    "Midfill",
    "llama.cpp",
    "vLLM",
    "SGLang",
    "Ollama",
    "LM Studio",
)
OWNERS = {
    "midfill": MIDFILL,
    "llamacpp": LLAMA_CPP,
    "vllm": VLLM,
    "sglang": SGLANG,
    "library": OLLAMA,
    "organization_owner": LM_STUDIO,
    "tabbyAPI": "TabbyAPI",
}
UNKNOWN = "an OpenAI-compatible server"
HOSTS = {  # of services: their engine's name, how they are spoken to, and their model where they list none
    "deepseek.com": ("DeepSeek", "suffix", None),
    "codestral.mistral.ai": ("Mistral", "mistral", "codestral-latest"),
    "mistral.ai": ("Mistral", "mistral", "codestral-latest"),
    "siliconflow.cn": ("SiliconFlow", "suffix", None),
    "siliconflow.com": ("SiliconFlow", "suffix", None),
    "baidubce.com": ("Qianfan", "suffix", None),
}
NO_LIST = (404, 405, 501)  # statuses of a server that lists no models
NO_MODELS = (
    "The server lists no models: correct the path of midfill.url, or set midfill.model to one that it has"
)
MOST_NAMED = 6  # models, in a sentence


class Asks(Protocol):
    def __call__(self, method: str, path: str, body: object = None) -> Awaitable[Reply]: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What answers there."""

    engine: str = UNKNOWN
    model: str | None = None
    context: int | None = None
    """Tokens that it can take, the completion's too."""
    family: Family | None = None
    signs: Signs | None = None
    """Of its own tokenizer; None where there is none to ask."""
    dialect: str = ""
    """One of settings' dialects; empty where it cannot fill in the middle as far as is known."""
    budgets: seam.Budgets | None = None
    trained_in: tuple[str, ...] | None = None
    version: str = "/v1"
    trap: str = ""
    """Why it cannot, in one sentence."""

    @property
    def name(self) -> str | None:
        """The model's, for people: llama.cpp calls one without an alias by its file's whole path."""
        return PurePath(self.model).name if self.model and self.model.startswith("/") else self.model

    def sentence(self) -> str:
        parts = [self.engine, f"model {self.name}" if self.model else ""]
        parts += [f"{self.context} tokens" if self.context else "", self.family.name if self.family else ""]
        return ", ".join([*filter(None, parts), f"dialect {self.dialect}"])


def split_address(url: str) -> tuple[str, str]:
    """(the address without a version, the version): a user's URL may end in either, or in a whole route."""
    bare = re.sub(r"/((chat|fim)/)?completions$|/infill$|/models$", "", url.rstrip("/"))
    found = re.search(r"(?<=[^/])/(v\d+(?:beta\d?)?|beta)$", bare)
    if found is None:
        return bare, "/beta" if _service(url) == HOSTS["deepseek.com"] else "/v1"
    return bare[: found.start()], found[0]


async def probe(ask: Asks, url: str, version: str, model: str, dialect: str) -> Found:
    """`model` and `dialect` as the user set them, or auto. Raises BackendError."""
    name, way, usual = _service(url) or ("", "", None)
    listed, owners, headers = await _models(ask, "" if version == "/beta" else version, model)
    wanted = None if model == "auto" else model
    found = Found(name or UNKNOWN, version=version, dialect=way)
    if name:
        chosen = wanted or usual or _only(listed)
        family = family_of(chosen, name)
        return replace(found, model=chosen, family=family, dialect=way if dialect == "auto" else dialect)
    engine = await _engine(ask, owners, headers)
    found = replace(found, engine=engine or found.engine)
    if engine == MIDFILL:
        found = await _midfill(ask, found, listed, wanted)
    else:
        entry = await _entry(ask, engine, listed, wanted)
        found = replace(found, model=wanted or str(entry["id"]))
        found = await _described(ask, found, entry)
    if dialect != "auto":
        found = replace(found, dialect=dialect)
    return found


def _service(url: str) -> tuple[str, str, str | None] | None:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # it is none; whoever connects says so
        return None
    return next((it for name, it in HOSTS.items() if host == name or host.endswith(f".{name}")), None)


async def _models(
    ask: Asks, version: str, model: str
) -> tuple[list[dict[str, Any]], set[str], dict[str, str]]:
    """(entries of the list, who owns them, headers). A server without a list is one of the model's name."""
    reply = await ask("GET", f"{version}/models")
    told = reply.json
    entries = told.get("data") if isinstance(told, dict) else None
    headers = dict(reply.headers)
    if reply.status == 200 and isinstance(entries, list):
        listed = [it for it in entries if isinstance(it, dict) and isinstance(it.get("id"), str)]
        return listed, {str(it.get("owned_by", "")) for it in listed}, headers
    if reply.status == 200:
        kind = reply.headers.get("content-type", "")
        what = (
            "answers with a web page" if "html" in kind else "does not answer as an OpenAI-compatible server"
        )
        raise BackendError(f"The server {what} at {version}/models: correct midfill.url")
    if reply.status not in NO_LIST:
        raise refusal(reply.status, reply.headers, reply.body)
    return [], set(), headers


async def _engine(ask: Asks, owners: set[str], headers: dict[str, str]) -> str | None:
    if headers.get("server", "").lower() == "llama.cpp":
        return LLAMA_CPP
    for owner in owners:
        if owner in OWNERS:
            return OWNERS[owner]
    if (await _told(ask, "GET", "/model_info")).get("model_path"):
        return SGLANG  # before Ollama, whose routes it has too
    if "version" in await _told(ask, "GET", "/api/version"):
        return OLLAMA
    if "data" in await _told(ask, "GET", "/api/v0/models"):
        return LM_STUDIO
    return VLLM if "version" in await _told(ask, "GET", "/version") else None


async def _told(ask: Asks, method: str, path: str, body: object = None) -> dict[str, Any]:
    """What a route says; nothing where there is none."""
    reply = await ask(method, path, body)
    told = reply.json if reply.status == 200 else None
    return told if isinstance(told, dict) else {}


async def _entry(
    ask: Asks, engine: str | None, listed: list[dict[str, Any]], wanted: str | None
) -> dict[str, Any]:
    """The model that is meant. Raises BackendError where that cannot be told."""
    if wanted is not None:
        return next((it for it in listed if it["id"] == wanted), {"id": wanted})
    if not listed:
        raise BackendError(NO_MODELS)
    if engine == LM_STUDIO:
        known = (await _told(ask, "GET", "/api/v0/models")).get("data") or []
        loaded = {it.get("id") for it in known if isinstance(it, dict) and it.get("state") == "loaded"}
        listed = [it for it in listed if it["id"] in loaded] or listed
    if engine == OLLAMA:
        running = (await _told(ask, "GET", "/api/ps")).get("models") or []
        names = {it.get("name") for it in running if isinstance(it, dict)}
        listed = [it for it in listed if it["id"] in names] or listed
    roots = {it.get("root") for it in listed}
    if len(roots) == 1 and None not in roots:  # one model by several names
        return listed[0]
    fitting = [it for it in listed if family_of(it["id"]) is not None]
    if len(listed) > 1 and len(fitting) == 1:
        return fitting[0]
    return {"id": _only(listed)} | listed[0]


def _only(listed: list[dict[str, Any]]) -> str:
    if not listed:
        raise BackendError(NO_MODELS)
    if len(listed) > 1:
        names = ", ".join(str(it["id"]) for it in listed[:MOST_NAMED])
        more = ", …" if len(listed) > MOST_NAMED else ""
        raise BackendError(f"The server has several models: set midfill.model to one of {names}{more}")
    return str(listed[0]["id"])


async def _midfill(ask: Asks, found: Found, listed: list[dict[str, Any]], wanted: str | None) -> Found:
    health = seam.read_health(await _told(ask, "GET", "/health"))
    if health.status == "loading":  # what it can take is known when it is not
        raise Later(health.message or "Loading the model", seconds=0.0, loads=True)
    if health.status == "failed":
        raise BackendError(health.message)
    model = wanted or health.model.id or (str(listed[0]["id"]) if listed else None)
    return replace(
        found,
        model=model,
        context=health.model.context,
        family=FAMILIES[0],
        dialect="midfill",
        budgets=health.model.budgets,
        trained_in=health.model.trained_in,
    )


async def _described(ask: Asks, found: Found, entry: dict[str, Any]) -> Found:
    """Context, family and dialect of a model."""
    meta = entry.get("meta") or {}
    root = entry.get("root") if isinstance(entry.get("root"), str) else None
    context = (
        _whole(entry.get("max_model_len"))
        or _whole(meta.get("n_ctx") if isinstance(meta, dict) else None)
        or _whole(entry.get("context_length"))
    )
    path = None
    if found.engine == LLAMA_CPP:
        props = await _told(ask, "GET", "/props")
        usual = props.get("default_generation_settings")
        context = (_whole(usual.get("n_ctx")) if isinstance(usual, dict) else None) or context
        path = props.get("model_path") if isinstance(props.get("model_path"), str) else None
    if found.engine == SGLANG:
        info = await _told(ask, "GET", "/model_info")
        context = context or _whole(info.get("max_model_len"))
        path = info.get("model_path") if isinstance(info.get("model_path"), str) else None
    found = replace(found, context=context)
    if found.engine == OLLAMA:
        return await _of_ollama(ask, found)
    named = family_of(found.model, root, path)
    if found.engine in (LLAMA_CPP, VLLM, SGLANG):
        tokenize = tokenizer(ask, found.engine, found.model)
        if (start := await tokenize("", True)) is not None:
            return await _by_tokenizer(ask, found, named, tokenize, start)
    if found.engine == LLAMA_CPP:
        return replace(found, family=named, dialect="infill")
    return replace(found, family=named, dialect="rendered" if named else "suffix")


TokenizeWith = Callable[[str, bool], Awaitable[list[int] | None]]


def tokenizer(ask: Asks, engine: str, model: str | None) -> TokenizeWith:
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
        if reply.status in NO_LIST:
            return None
        if reply.status != 200:
            raise refusal(reply.status, reply.headers, reply.body)
        return ids if isinstance(ids, list) and all(type(it) is int for it in ids) else None

    return tokenize


async def _by_tokenizer(
    ask: Asks, found: Found, named: Family | None, tokenize: TokenizeWith, start: list[int]
) -> Found:
    """The family whose signs are one id each; one that the name tells comes first."""
    for family in by_signs(named):
        ids = []
        for sign in family.signs:
            told = await tokenize(sign, True)
            if told is None or len(told) != len(start) + 1:
                break
            ids.append(told[-1])
        if len(ids) == len(family.signs) and len(set(ids)) == len(ids):
            signs = Signs(tuple(start), ids[0], ids[1], ids[2] if len(ids) > 2 else None)
            return replace(found, family=family, signs=signs, dialect="ids")
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
    told = shown.json if isinstance(shown.json, dict) else {}
    able = told.get("capabilities")
    found = replace(found, dialect="ollama", family=family_of(found.model))
    if (isinstance(able, list) and "insert" in able) or ".Suffix" in str(told.get("template", "")):
        return found
    return replace(found, trap=_no_signs(found.model))


def _no_signs(model: str | None) -> str:
    return (
        f"The model {model} cannot fill in the middle: serve one that was trained for it, such as "
        "DeepSeek-Coder-V2-Lite-Base or Qwen2.5-Coder"
    )


def _whole(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None
