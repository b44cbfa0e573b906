"""What answers at a `url`, and which model is meant: asked once, and again when that may have changed."""

import asyncio
from typing import Any

import pytest

from midfill_server.engines.status import State
from midfill_server.engines.url.remote import Remote

from ..fake import LLAMA, MIDFILL, OLLAMA, TEXT, VLLM, Fake, mistral_event, models, tokenizer
from ..server import event, serving
from .asked import KNOWN, ORDER, asking


@pytest.mark.parametrize(
    ("routes", "at", "engine", "dialect", "context"),
    [
        (LLAMA, "/v1/completions", "llama.cpp", "ids", 512),
        (VLLM, "/v1/completions", "vLLM", "ids", 512),
        (OLLAMA, "/api/generate", "Ollama", "ollama", None),
        (MIDFILL, "/v1/completions", "Midfill", "midfill", 2048),
        (KNOWN, "/v1/completions", "TabbyAPI", "rendered", None),
        (
            {"/v1/models": models("qwen3-coder"), "/api/v0/models": {"data": []}},
            "",
            "LM Studio",
            "rendered",
            None,
        ),
        (
            {**VLLM, "/v1/models": models("m", owner="sglang"), "/model_info": {"model_path": "q"}},
            "",
            "SGLang",
            "ids",
            None,
        ),
        ({**LLAMA, "/tokenize": (404, {}), "/infill": {}}, "", "llama.cpp", "infill", 512),
        (
            {**LLAMA, "/tokenize": tokenizer((), "content"), "/infill": {"content": ""}},
            "",
            "llama.cpp",
            "infill",
            512,
        ),
    ],
)
async def test_what_answers_is_asked_and_told(
    routes: dict[str, Any], at: str, engine: str, dialect: str, context: int | None
) -> None:
    async with asking(Fake(routes, completes_at=at or "/v1/completions")) as asked:
        await asked.remote.dialect()
        (status,) = asked.told
        assert status.state is State.READY
        assert status.message.startswith(f"{engine}, model ")
        assert status.message.endswith(f"dialect {dialect}.")
        assert context is None or f"{context} tokens" in status.message


async def test_our_own_engine_that_loads_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midfill_server.engines.url.remote.LOADING_SECONDS", 0.01)
    loads = {"status": "loading", "message": "Loading the model.", "model": {"id": "demo"}}
    async with asking(Fake(MIDFILL | {"/health": loads})) as asked:
        assert await asked.fault() == "Loading the model."
        asked.fake.routes["/health"] = {"status": "failed", "message": "No such model."}
        assert await asked.fault() == "No such model."
        asked.fake.routes["/health"] = MIDFILL["/health"]
        assert await asked.text() == TEXT


@pytest.mark.parametrize(
    ("url", "at", "shape", "model", "routes"),
    [
        (
            "http://api.deepseek.com/beta",
            "/beta/completions",
            event,
            "deepseek-v4-pro",
            {"/models": models("deepseek-v4-pro")},
        ),
        ("http://api.deepseek.com", "/beta/completions", event, "deepseek-v4-pro", {}),
        ("http://codestral.mistral.ai/v1", "/v1/fim/completions", mistral_event, "codestral-latest", {}),
    ],
)
async def test_services_are_known_by_their_hosts(
    url: str, at: str, shape: Any, model: str, routes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(routes, completes_at=at, shape=shape)
    async with serving(fake.answer) as server:
        monkeypatch.setenv("http_proxy", server.address.url)
        monkeypatch.delenv("no_proxy", raising=False)
        named = "auto" if routes or "mistral" in url else model
        remote = Remote(url, named, "key", "auto", lambda _: None)
        assert "".join([it.text async for it in remote.stream(ORDER)]) == TEXT
        remote.close()
    (body,) = fake.bodies
    assert (body["prompt"], body["suffix"], body["model"]) == (ORDER.prefix, ORDER.suffix, model)
    assert body["authorization"] == "Bearer key"


@pytest.mark.parametrize(
    ("routes", "sentence"),
    [
        (
            {"/v1/models": models("llama", "mistral")},
            "several models: set midfill.model to one of llama, mistral",
        ),
        ({"/v1/models": models()}, "lists no models: correct the path of midfill.url, or set midfill.model"),
        ({}, "lists no models: correct the path of midfill.url, or set midfill.model"),
        ({"/v1/models": (200, "<html>")}, "does not answer as an OpenAI-compatible server at /v1/models"),
        ({"/v1/models": (401, {"error": {"message": "no key"}})}, "(401): no key; set midfill.apiKeyEnv"),
        ({**OLLAMA, "/api/show": {"capabilities": ["completion"]}}, "cannot fill in the middle"),
        ({**OLLAMA, "/api/show": (404, {"error": "model 'x' not found"})}, "(404): model 'x' not found"),
        ({**VLLM, "/tokenize": tokenizer(())}, "cannot fill in the middle"),
        ({**LLAMA, "/tokenize": tokenizer((), "content"), "/infill": (501, {})}, "cannot fill in the middle"),
    ],
)
async def test_what_cannot_be_asked_is_told_before(routes: dict[str, Any], sentence: str) -> None:
    hint = "set midfill.apiKeyEnv to the name of the environment variable that holds its key"
    async with asking(Fake(routes), no_key=hint) as asked:
        assert sentence in await asked.fault()
        assert (asked.told, asked.fake.bodies) == ([], [])


@pytest.mark.parametrize(
    ("listed", "chosen"),
    [
        (
            models("llama", "qwen2.5-coder", owner="tabbyAPI"),
            "qwen2.5-coder",
        ),  # the only one that is known to fill in
        (models("a", "b", owner="vllm", root="r"), "a"),  # one model by two names
        (models("only", owner="tabbyAPI"), "only"),
    ],
)
async def test_the_model_that_is_meant(listed: dict[str, Any], chosen: str) -> None:
    async with asking(Fake({**VLLM, "/v1/models": listed}), "suffix") as asked:
        await asked.text()
    assert asked.fake.bodies[-1]["model"] == chosen


async def test_a_server_without_a_list_takes_the_name_that_is_set() -> None:
    async with asking(Fake({}), model="starcoder2-3b") as asked:
        assert await asked.text() == TEXT
    assert asked.fake.bodies[-1]["model"] == "starcoder2-3b"
    assert asked.fake.bodies[-1]["prompt"].startswith("<fim_prefix>def add")


async def test_an_unknown_model_is_never_sent_another_ones_signs() -> None:
    async with asking(Fake({"/v1/models": models("mystery")})) as asked:
        await asked.text()
        assert all("suffix" in it and "fim" not in it["prompt"] for it in asked.fake.bodies)
    async with asking(Fake({"/v1/models": models("mystery")}), "rendered") as asked:
        assert "does not know how the model mystery marks the place" in await asked.fault()
        assert asked.fake.bodies == []


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/completions", "/v1/models"])
async def test_a_url_may_end_anywhere_in_a_route(path: str) -> None:
    async with asking(Fake(KNOWN), path=path) as asked:
        assert await asked.text() == TEXT


async def test_another_model_is_noticed_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midfill_server.engines.url.remote.LOOK_SECONDS", 0)
    async with asking(Fake(dict(VLLM))) as asked:
        await asked.text()
        asked.fake.routes |= {"/v1/models": models("starcoder2", owner="tabbyAPI")}
        await asked.text()
        async with asyncio.timeout(20):
            while len(asked.told) < 2:  # noqa: ASYNC110  a task tells it
                await asyncio.sleep(0.01)
        await asked.text()
    assert asked.fake.bodies[-1]["prompt"].startswith("<fim_prefix>")


async def test_a_model_that_is_gone_is_looked_for_at_the_next_key() -> None:
    async with asking(Fake(dict(KNOWN))) as asked:
        await asked.text()
        asked.fake.does = "404 model"
        asked.fake.routes["/v1/models"] = models("codegemma", owner="tabbyAPI")
        await asked.fault()
        asked.fake.does = "completes"
        await asked.text()
    assert asked.fake.bodies[-1]["model"] == "codegemma"


async def test_a_server_that_loads_is_ready_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midfill_server.engines.url.remote.LOADING_SECONDS", 0.01)
    loading = (503, {"error": {"message": "Loading model"}})
    async with asking(Fake({**LLAMA, "/v1/models": loading})) as asked:
        assert await asked.fault() == "Loading model"
        asked.fake.routes["/v1/models"] = LLAMA["/v1/models"]
        async with asyncio.timeout(20):
            while not asked.told:  # noqa: ASYNC110  a task tells it
                await asyncio.sleep(0.01)
        assert asked.told[0].state is State.READY
