"""What answers at a `url`: which engine, and which model is meant, by asking it a few small questions.

Never by a port. Nothing here generates.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from midfill_model import seam
from midfill_model.fim import FAMILIES, family_of
from midfill_server.engines.backend import BackendError, Later, refusal
from midfill_server.engines.url.found import (
    LLAMA_CPP,
    LM_STUDIO,
    MIDFILL,
    NO_ROUTE,
    OLLAMA,
    SGLANG,
    UNKNOWN,
    VLLM,
    Asks,
    Found,
    told,
)
from midfill_server.engines.url.model import described

OWNERS = {
    "midfill": MIDFILL,
    "llamacpp": LLAMA_CPP,
    "vllm": VLLM,
    "sglang": SGLANG,
    "library": OLLAMA,
    "organization_owner": LM_STUDIO,
    "tabbyAPI": "TabbyAPI",
}
HOSTS = {  # of services: their engine's name, how they are spoken to, and their model where they list none
    "deepseek.com": ("DeepSeek", "suffix", None),
    "codestral.mistral.ai": ("Mistral", "mistral", "codestral-latest"),
    "mistral.ai": ("Mistral", "mistral", "codestral-latest"),
    "siliconflow.cn": ("SiliconFlow", "suffix", None),
    "siliconflow.com": ("SiliconFlow", "suffix", None),
    "baidubce.com": ("Qianfan", "suffix", None),
}
NO_MODELS = (
    "The server lists no models: correct the path of midfill.url, or set midfill.model to one that it has"
)
MOST_NAMED = 6  # models, in a sentence


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
        found = await described(ask, found, entry, takes_ids=dialect == "ids")
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
    said = reply.json
    entries = said.get("data") if isinstance(said, dict) else None
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
    if reply.status not in NO_ROUTE:
        raise refusal(reply.status, reply.headers, reply.body)
    return [], set(), headers


async def _engine(ask: Asks, owners: set[str], headers: dict[str, str]) -> str | None:
    if headers.get("server", "").lower() == "llama.cpp":
        return LLAMA_CPP
    for owner in owners:
        if owner in OWNERS:
            return OWNERS[owner]
    if (await told(ask, "GET", "/model_info")).get("model_path"):
        return SGLANG  # before Ollama, whose routes it has too
    if "version" in await told(ask, "GET", "/api/version"):
        return OLLAMA
    if "data" in await told(ask, "GET", "/api/v0/models"):
        return LM_STUDIO
    return VLLM if "version" in await told(ask, "GET", "/version") else None


async def _entry(
    ask: Asks, engine: str | None, listed: list[dict[str, Any]], wanted: str | None
) -> dict[str, Any]:
    """The model that is meant. Raises BackendError where that cannot be told."""
    if wanted is not None:
        return next((it for it in listed if it["id"] == wanted), {"id": wanted})
    if not listed:
        raise BackendError(NO_MODELS)
    if engine == LM_STUDIO:
        known = (await told(ask, "GET", "/api/v0/models")).get("data") or []
        loaded = {it.get("id") for it in known if isinstance(it, dict) and it.get("state") == "loaded"}
        listed = [it for it in listed if it["id"] in loaded] or listed
    if engine == OLLAMA:
        running = (await told(ask, "GET", "/api/ps")).get("models") or []
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
    health = seam.read_health(await told(ask, "GET", "/health"))
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
