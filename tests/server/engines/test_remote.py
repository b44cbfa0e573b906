"""A server behind `url`: what it is, how it is asked, and what its user hears when it misbehaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from midfill_model import seam
from midfill_model.fim import CONTROL
from midfill_server.engines import backend as backend_module
from midfill_server.engines.backend import BackendError, Interrupted, Later, Order
from midfill_server.engines.remote import Remote
from midfill_server.engines.status import State, Status

from .fake import (
    LLAMA,
    MIDFILL,
    OLLAMA,
    QWEN,
    TEXT,
    VLLM,
    Fake,
    infill_event,
    mistral_event,
    models,
    ollama_event,
    tokenizer,
)
from .server import Peer, Server, event, serving

ORDER = Order("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", max_tokens=16)
KNOWN = {"/v1/models": models("qwen2.5-coder", owner="tabbyAPI")}


@dataclass
class Asked:
    """A remote, the fake server behind it, and what was reported."""

    fake: Fake
    server: Server
    remote: Remote
    told: list[Status] = field(default_factory=list)

    async def text(self, order: Order = ORDER) -> str:
        return "".join([chunk.text async for chunk in self.remote.stream(order)])

    async def fault(self, order: Order = ORDER) -> str:
        with pytest.raises(BackendError) as raised:
            await self.text(order)
        return str(raised.value)


@asynccontextmanager
async def asking(
    fake: Fake, dialect: str = "auto", model: str = "auto", path: str = "", no_key: str = ""
) -> AsyncIterator[Asked]:
    told: list[Status] = []
    async with serving(fake.answer) as server:
        remote = Remote(server.address.url + path, model, None, dialect, told.append, no_key)
        yield Asked(fake, server, remote, told)
        remote.close()
        await server.deserted()


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


async def test_our_own_engine_gets_all_that_it_knows() -> None:
    async with asking(Fake(MIDFILL)) as asked:
        order = replace(ORDER, slot="w", head="import os\n", context=("x = 1\n",), prefix_tokens=9)
        assert await asked.text(order) == TEXT
        assert asked.remote.budgets == seam.Budgets(900, 100, 300)
    (body,) = asked.fake.bodies
    assert (body["prompt"], body["suffix"]) == (ORDER.prefix, ORDER.suffix)
    assert body["heal"] and body["beam_width"] > 1
    assert (body["slot"], body["head"], body["context"], body["prefix_tokens"]) == (
        "w",
        "import os\n",
        ["x = 1\n"],
        9,
    )


async def test_our_own_engine_that_loads_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midfill_server.engines.remote.LOADING_SECONDS", 0.01)
    loads = {"status": "loading", "message": "Loading the model.", "model": {"id": "demo"}}
    async with asking(Fake(MIDFILL | {"/health": loads})) as asked:
        assert await asked.fault() == "Loading the model."
        asked.fake.routes["/health"] = {"status": "failed", "message": "No such model."}
        assert await asked.fault() == "No such model."
        asked.fake.routes["/health"] = MIDFILL["/health"]
        assert await asked.text() == TEXT


@pytest.mark.parametrize("routes", [LLAMA, VLLM])
async def test_ids_hold_each_sign_once_whatever_the_text_spells(routes: dict[str, Any]) -> None:
    async with asking(Fake(routes)) as asked:
        assert await asked.text(replace(ORDER, prefix="".join(QWEN), suffix=QWEN[1] + "\n")) == TEXT
    (body,) = asked.fake.bodies
    signs = [it for it in body["prompt"] if it >= 1_000_000]
    assert signs == [1_000_000, 1_000_001, 1_000_002]
    assert body["prompt"][0] == (7 if routes is LLAMA else 1_000_000)
    assert body.get("return_progress", False) is (routes is LLAMA)


SHAPES: dict[str, tuple[str, Any]] = {
    "rendered": ("/v1/completions", event),
    "suffix": ("/v1/completions", event),
    "mistral": ("/v1/fim/completions", mistral_event),
    "ollama": ("/api/generate", ollama_event),
    "infill": ("/infill", infill_event),
}


@pytest.mark.parametrize("dialect", SHAPES)
async def test_each_dialect_is_asked_and_read_without_signs_of_the_user(dialect: str) -> None:
    at, shape = SHAPES[dialect]
    async with asking(Fake(KNOWN, completes_at=at, shape=shape), dialect) as asked:
        order = replace(ORDER, prefix="".join((*QWEN, *CONTROL)) + "return ", suffix=QWEN[1], stop=("\n",))
        assert await asked.text(order) == TEXT
    (body,) = asked.fake.bodies
    if dialect == "infill":  # the server reads none in these two, and the user's text nowhere else
        assert "prompt" not in body and body["return_progress"]
        return
    wanted = [1, 1, 1] if dialect == "rendered" else [0, 0, 0]
    assert [(body["prompt"] + body.get("suffix", "")).count(sign) for sign in QWEN] == wanted
    assert body["stream"] is True and body["model"] == "qwen2.5-coder"
    stops = body["options"] if dialect == "ollama" else body
    assert "\n" in stops["stop"]


async def test_infill_tells_how_sure_it_is() -> None:
    async with asking(Fake(LLAMA, completes_at="/infill", shape=infill_event), "infill") as asked:
        chunks = [it async for it in asked.remote.stream(replace(ORDER, logprobs=True))]
    assert [it.tokens for it in chunks if it.text] == [((1, -0.5),), ((4, -0.5),)]
    assert asked.fake.bodies[0]["n_probs"] == 1


async def test_ollama_gets_a_suffix_always_and_a_window_that_holds_the_prompt() -> None:
    async with asking(Fake(OLLAMA, completes_at="/api/generate", shape=ollama_event)) as asked:
        assert await asked.text(replace(ORDER, suffix="")) == TEXT
    (body,) = asked.fake.bodies
    assert body["suffix"] == "\n" and body["options"]["num_ctx"] >= 4096
    assert (body["options"]["num_predict"], body["options"]["temperature"]) == (16, 0)


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


@pytest.mark.parametrize("dialect", ["rendered", "suffix", "mistral", "ollama"])
async def test_texts_are_without_signs(dialect: str) -> None:
    at = {"mistral": "/v1/fim/completions", "ollama": "/api/generate"}.get(dialect, "/v1/completions")
    async with asking(Fake(KNOWN, completes_at=at), dialect) as asked:
        try:
            await asked.text(replace(ORDER, prefix="".join((*QWEN, *CONTROL)), suffix=QWEN[1]))
        except BackendError:
            assert dialect in ("mistral", "ollama"), "the fake speaks neither"
    (body,) = asked.fake.bodies
    wanted = [1, 1, 1] if dialect == "rendered" else [0, 0, 0]
    assert [(body["prompt"] + body.get("suffix", "")).count(sign) for sign in QWEN] == wanted


@pytest.mark.parametrize(
    "routes", [LLAMA, VLLM, {"/v1/models": models("codestral", owner="tabbyAPI", max_model_len=512)}]
)
async def test_a_prompt_is_cut_to_the_context(routes: dict[str, Any]) -> None:
    long = "".join(f"value_{n} = {n}\n" for n in range(5000))
    async with asking(Fake(routes)) as asked:
        await asked.text(replace(ORDER, prefix=long + "last = ", suffix="\nnext" + long))
    prompt = asked.fake.bodies[0]["prompt"]
    text = prompt if isinstance(prompt, str) else "".join(map(chr, prompt))
    size = len(prompt) if isinstance(prompt, list) else len(prompt) / 3
    assert 200 < size <= 512 - 16
    assert "last = " in text and "\nnext" in text


async def test_a_context_that_is_not_told_is_learnt_from_the_refusal() -> None:
    n = 0

    async def answer(peer: Peer) -> None:
        nonlocal n
        while True:
            first, _, body = await peer.request()
            if first.startswith("GET"):
                await peer.json(KNOWN["/v1/models"] if "/v1/models" in first else {})
                continue
            n += 1
            if len(body) > 2000:
                message = "This model's maximum context length is 512 tokens. However, your prompt has 9000."
                await peer.json({"error": {"message": message}}, "400 Bad Request")
            else:
                await peer.completion(TEXT)

    async with serving(answer) as server:
        remote = Remote(server.address.url, "auto", None, "auto", lambda _: None)
        for _ in range(2):
            chunks = [it.text async for it in remote.stream(replace(ORDER, prefix="value = 1\n" * 900))]
            assert "".join(chunks) == TEXT
        assert n == 3, "the second prompt was cut at once"
        remote.close()


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        ("401", "(401): Incorrect API key provided."),
        ("404 model", "(404): The model `m` does not exist."),
        ("404 path", "(404): wrong address: correct the path of midfill.url"),
        ("404 text", "(404): model 'm' not found, try pulling it first"),
        ("405", "(405): wrong address: correct the path of midfill.url"),
        ("422", "(422): body.prompt: field required"),
        ("429", "(429): Rate limit reached"),
        ("500", "(500): Internal Server Error"),
        ("502", "(502): 502 Bad Gateway"),
        ("503", "Loading model"),
        ("302", "(302): it redirects to /elsewhere: put that into midfill.url"),
        ("page", "answers with a web page: correct the path of midfill.url"),
        ("whole", "does not stream"),
        ("error at 200", "The engine failed: out of memory"),
        ("garbage", "does not answer as an OpenAI-compatible server"),
        ("error in the stream", "The engine failed: CUDA out of memory"),
        ("text error in the stream", "The engine failed: CUDA out of memory"),
        ("event of an error", "The engine failed: CUDA out of memory"),
        ("dies", "it hung up"),
    ],
)
async def test_a_fault_is_one_sentence_and_over_when_it_is(does: str, sentence: str) -> None:
    headers = "Location: /elsewhere\r\n" if does == "302" else ""
    async with asking(Fake(KNOWN, does, headers=headers)) as asked:
        first = await asked.fault()
        assert sentence in first
        assert await asked.fault() == first
        asked.fake.does = "completes"
        assert await asked.text() == TEXT


@pytest.mark.parametrize("does", ["cut", "cut in an event"])
async def test_half_an_answer_is_none(does: str) -> None:
    async with asking(Fake(KNOWN, does)) as asked:
        with pytest.raises(Interrupted):
            await asked.text()


async def test_comments_of_a_stream_are_passed_over() -> None:
    async with asking(Fake(KNOWN, "pings")) as asked:
        assert await asked.text() == TEXT


@pytest.mark.parametrize("does", ["mute", "endless"])
async def test_a_server_that_never_ends_is_left(does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_module, "REMOTE_SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(backend_module, "REMOTE_SECONDS", 0.3)
    async with asking(Fake(KNOWN, does)) as asked, asyncio.timeout(20):
        assert ("silent" if does == "mute" else "does not end") in await asked.fault()


@pytest.mark.parametrize("does", ["prose", "signs"])
async def test_a_model_that_does_not_fill_in_is_told(does: str) -> None:
    async with asking(Fake({"/v1/models": models("qwen2.5-coder")}, does)) as asked:
        assert "does not fill in the middle" in await asked.fault()
        assert asked.told == []


async def test_retry_after_is_waited_for() -> None:
    async with asking(Fake(KNOWN, "429", headers="Retry-After: 1\r\n")) as asked:
        await asked.fault()
        asked.fake.does = "completes"
        assert "(429)" in await asked.fault()
        assert len(asked.fake.bodies) == 1, "it was left alone"
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await asked.text() == TEXT
                    break
                except Later:
                    await asyncio.sleep(0.05)


async def test_ready_is_not_told_again_before_a_completion_comes() -> None:
    async with asking(Fake(KNOWN, "500")) as asked:
        for _ in range(3):
            await asked.fault()
        assert len(asked.told) == 1, "the failure would be told anew each time"
        asked.fake.does = "completes"
        await asked.text()
        assert [it.state for it in asked.told] == [State.READY, State.READY]


async def test_another_model_is_noticed_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midfill_server.engines.remote.LOOK_SECONDS", 0)
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
    monkeypatch.setattr("midfill_server.engines.remote.LOADING_SECONDS", 0.01)
    loading = (503, {"error": {"message": "Loading model"}})
    async with asking(Fake({**LLAMA, "/v1/models": loading})) as asked:
        assert await asked.fault() == "Loading model"
        asked.fake.routes["/v1/models"] = LLAMA["/v1/models"]
        async with asyncio.timeout(20):
            while not asked.told:  # noqa: ASYNC110  a task tells it
                await asyncio.sleep(0.01)
        assert asked.told[0].state is State.READY


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


async def test_a_kept_connection_that_dies_at_the_next_request_is_replaced() -> None:
    n_lost = 0

    async def answer(peer: Peer) -> None:
        nonlocal n_lost
        served = False
        while True:
            first, _, _ = await peer.request()
            if first.startswith("GET"):
                await peer.json(KNOWN["/v1/models"] if "/v1/models" in first else {})
                continue
            if served:  # it has read the request, and hangs up without a word
                n_lost += 1
                return
            await peer.completion(TEXT)
            served = True

    async with serving(answer) as server:
        remote = Remote(server.address.url, "auto", None, "auto", lambda _: None)
        for _ in range(6):
            assert "".join([it.text async for it in remote.stream(ORDER)]) == TEXT
        remote.close()
    assert n_lost == 5


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:9", "nobody listens there: start the server, or correct the port"),
        ("http://no-such-host.invalid:8000/v1", "there is no such host: correct its name"),
    ],
)
async def test_nobody_there_is_told_with_what_to_change(url: str, sentence: str) -> None:
    remote = Remote(url, "auto", None, "auto", lambda _: None)
    with pytest.raises(BackendError) as raised:
        await remote.dialect()
    assert sentence in str(raised.value) and url.removesuffix("/v1") in str(raised.value)
    remote.close()


async def test_tls_to_a_plain_port_is_told() -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as server:
        remote = Remote(server.address.url.replace("http", "https"), "auto", None, "auto", lambda _: None)
        with pytest.raises(BackendError, match="it speaks no TLS: write http:// instead of https://"):
            await remote.dialect()
        remote.close()


async def test_plain_http_to_a_port_of_tls_is_told() -> None:
    async def hangs_up(peer: Peer) -> None:
        await peer.request()

    async def alerts(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"\x15\x03\x03\x00\x02\x02\x46")

    for answer in (hangs_up, alerts):
        async with serving(answer) as server:
            remote = Remote(server.address.url, "auto", None, "auto", lambda _: None)
            with pytest.raises(BackendError, match="https://"):
                await remote.dialect()
            remote.close()
