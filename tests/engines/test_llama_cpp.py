"""llama.cpp's own server with the embedded model, behind `url`: it writes what our engine writes."""

import asyncio
import json
import math
import urllib.request
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from midfill_model.fim import CONTROL
from midfill_server.engines.backend import Backend, BackendError, Order
from midfill_server.engines.dialects.ids import Ids
from midfill_server.tools.lsp_client import Editor

from .holes import MODULES, agreement, behind, places

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_it_says_what_it_is_and_needs_no_setting(llama: Callable[..., str]) -> None:
    asked = behind(llama(exact=1) + "/v1")
    dialect = await asked.remote.dialect()
    assert isinstance(dialect, Ids) and dialect.tells_progress
    assert (dialect.context, dialect.family.name) == (2048, "DeepSeek")
    (status,) = asked.told
    assert status.message.startswith("llama.cpp, model ") and status.message.endswith("dialect ids.")
    asked.remote.close()


async def test_greedy_tokens_are_our_engines(llama: Callable[..., str], own: Backend) -> None:
    asked = behind(llama(exact=1))
    found = await agreement(asked, own)
    asked.remote.close()
    found.check(len(MODULES) - 3)  # its tokenizer has no pattern of ours, but one that is near


@pytest.mark.parametrize("dialect", ["infill", "rendered"])
async def test_the_other_dialects_write_the_same(llama: Callable[..., str], dialect: str) -> None:
    url = llama(exact=1, batch=1024)  # /infill cuts a prefix to three quarters of it
    by_ids, other = behind(url), behind(url, dialect)
    for order in places()[:4]:
        assert await other.text(order) == await by_ids.text(order)
    by_ids.remote.close()
    other.remote.close()


@pytest.mark.parametrize("dialect", ["ids", "infill"])
async def test_a_signs_spelling_in_a_file_is_text(llama: Callable[..., str], dialect: str) -> None:
    asked = behind(llama(exact=1), dialect)
    marked = Order("".join(f"sign_{n} = '{it}'\n" for n, it in enumerate(CONTROL)) + "x = ", "\n", 4)
    made = await asked.remote.dialect()
    body = await made.body(marked)
    if isinstance(made, Ids):
        signs = {made.signs.prefix, made.signs.suffix, made.signs.middle, *made.signs.start}
        assert len([it for it in body["prompt"] if it in signs]) == len(signs) == 4
    else:
        told = await asked.remote._backend.ask("POST", "/infill", body | {"stream": False})
        plain = await asked.remote._backend.ask("POST", "/tokenize", {"content": marked.prefix})
        assert told.json["tokens_evaluated"] >= len(plain.json["tokens"]) + 4
    await asked.text(marked)
    asked.remote.close()


@pytest.mark.parametrize("dialect", ["ids", "infill", "rendered"])
async def test_how_sure_the_model_is_comes_with_each_token(llama: Callable[..., str], dialect: str) -> None:
    asked = behind(llama(exact=1), dialect)
    order = Order("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", 8, logprobs=True)
    chunks = [chunk async for chunk in asked.remote.stream(order)]
    asked.remote.close()
    assert "".join(it.text for it in chunks)
    for chunk in chunks:
        assert sum(n for n, _ in chunk.tokens) == len(chunk.text)
    likely = math.exp(next(it.tokens[0][1] for it in chunks if it.tokens))
    assert 0.05 < likely <= 1


@pytest.mark.parametrize("dialect", ["ids", "infill", "rendered"])
async def test_a_file_longer_than_the_context_is_cut(llama: Callable[..., str], dialect: str) -> None:
    asked = behind(llama(context=1024, batch=256), dialect)
    before = "".join(f"value_{n} = compute({n})\n" for n in range(700))
    after = "".join(f"value_{n} = compute({n})\n" for n in range(701, 900))
    text = await asked.text(Order(before + "value_700 = comp", after, 16))
    asked.remote.close()
    assert text.startswith("ute(")


def is_processing(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/slots") as answer:
        return any(slot["is_processing"] for slot in json.load(answer))


@pytest.mark.parametrize("dialect", ["ids", "infill", "rendered"])
async def test_a_hang_up_ends_the_decoding(llama: Callable[..., str], dialect: str) -> None:
    url = llama(exact=1)
    asked = behind(url, dialect)
    order = Order("numbers = [1, 2, 3, 4, 5, 6, 7, 8, ", "", 1500)
    async with aclosing(asked.remote.stream(order)) as chunks:
        async for chunk in chunks:
            if chunk.text:
                break
        assert await asyncio.to_thread(is_processing, url)
    async with asyncio.timeout(5):
        while await asyncio.to_thread(is_processing, url):  # noqa: ASYNC110  only asking tells
            await asyncio.sleep(0.01)
    asked.remote.close()


async def test_many_requests_in_a_row_lose_none(llama: Callable[..., str]) -> None:
    """It closes kept connections now and then, without saying so."""
    asked = behind(llama(exact=1))
    for n in range(60):
        assert isinstance(await asked.text(Order(f"a = {n}\nb = ", "\n", 2)), str)
    asked.remote.close()


async def test_a_wrong_key_is_told_with_what_to_change(llama: Callable[..., str]) -> None:
    asked = behind(llama(key="secret"), key="wrong")
    with pytest.raises(BackendError, match=r"\(401\): Invalid API Key"):
        await asked.text(Order("a = ", "\n", 2))
    asked.remote.close()
    right = behind(llama(key="secret"), key="secret")
    await right.text(Order("a = ", "\n", 2))
    right.remote.close()


@pytest.mark.parametrize(("confidence", "expected"), [(0.0, True), (0.999, False)])
async def test_an_editor_gets_ghost_text_by_the_url_alone_and_it_is_gated(
    llama: Callable[..., str], tmp_path: Path, confidence: float, expected: bool
) -> None:
    folders = {"MIDFILL_RUNTIME_DIR": str(tmp_path / "r"), "MIDFILL_STATE_DIR": str(tmp_path / "s")}
    program = "import json\n\nvalue = "
    async with Editor(environment=folders) as editor:
        options = {"url": llama(exact=1), "context": False, "confidence": confidence}
        await editor.initialize(options)
        editor.open("file:///a.py", program + "\n")
        text = await editor.complete("file:///a.py", 2, len("value = "), explicit=False).text()
        status = await editor.request("midfill/status")
    assert bool(text) is expected
    assert status["state"] == "ready" and status["message"].startswith("llama.cpp, ")
