"""How each engine behind `url` is asked, and how its answer is read."""

from dataclasses import replace
from typing import Any

import pytest

from midfill_model import seam
from midfill_model.fim import CONTROL
from midfill_server.engines.backend import BackendError
from midfill_server.engines.url.remote import Remote

from ..fake import (
    LLAMA,
    MIDFILL,
    OLLAMA,
    QWEN,
    TEXT,
    VLLM,
    Fake,
    Json,
    infill_event,
    mistral_event,
    models,
    ollama_event,
    tokenizer,
)
from ..server import Peer, event, serving
from .asked import KNOWN, ORDER, asking

SHAPES: dict[str, tuple[str, Any]] = {
    "rendered": ("/v1/completions", event),
    "suffix": ("/v1/completions", event),
    "mistral": ("/v1/fim/completions", mistral_event),
    "ollama": ("/api/generate", ollama_event),
    "infill": ("/infill", infill_event),
}


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


@pytest.mark.parametrize("routes", [LLAMA, VLLM])
async def test_ids_hold_each_sign_once_whatever_the_text_spells(routes: dict[str, Any]) -> None:
    async with asking(Fake(routes)) as asked:
        assert await asked.text(replace(ORDER, prefix="".join(QWEN), suffix=QWEN[1] + "\n")) == TEXT
    (body,) = asked.fake.bodies
    signs = [it for it in body["prompt"] if it >= 1_000_000]
    assert signs == [1_000_000, 1_000_001, 1_000_002]
    assert body["prompt"][0] == (7 if routes is LLAMA else 1_000_000)
    assert body.get("return_progress", False) is (routes is LLAMA)


@pytest.mark.parametrize("apart", [True, False])
async def test_a_key_costs_the_ids_of_its_own_line_where_no_token_reaches_across_a_lines_end(
    apart: bool,
) -> None:
    """GPT-2's pattern makes one token of a line's end and the next line's blanks."""
    texts: list[str] = []
    by_characters = tokenizer(QWEN)

    def tokenize(body: Json) -> Json:
        texts.append(body["prompt"])
        return by_characters(body if apart else body | {"prompt": body["prompt"].replace("\n ", "\0")})

    async with asking(Fake({**VLLM, "/tokenize": tokenize})) as asked:
        await asked.text()
        texts.clear()
        typed = replace(ORDER, prefix=ORDER.prefix + "a")
        await asked.text(typed)
        prompt = asked.fake.bodies[-1]["prompt"]
    line = typed.prefix.split("\n")[-1]
    assert texts == [line if apart else typed.prefix]
    wanted = typed.prefix if apart else typed.prefix.replace("\n ", "\0")
    assert prompt[1 : 1 + len(wanted)] == [ord(it) for it in wanted]


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
