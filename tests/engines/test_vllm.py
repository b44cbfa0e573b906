"""Real vLLM on a CPU with the embedded model: `make test-engines VLLM=1`, which fetches 3.4 GB."""

import asyncio
import urllib.request
from contextlib import aclosing
from dataclasses import replace

import pytest

from midfill_model.fim import CONTROL
from midfill_server.engines.backend import Backend, Order
from midfill_server.engines.dialects.ids import Ids

from .holes import MODULES, agreement, behind, places

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_greedy_tokens_are_our_engines(vllm: str, own: Backend) -> None:
    asked = behind(f"{vllm}/v1")
    (await agreement(asked, own)).check(len(MODULES))
    assert asked.told[0].message == "vLLM, model midfill-demo, 2048 tokens, DeepSeek, dialect ids."
    asked.remote.close()


async def test_a_signs_spelling_in_a_file_is_text(vllm: str) -> None:
    asked = behind(vllm)
    dialect = await asked.remote.dialect()
    assert isinstance(dialect, Ids)
    ids = await dialect.prompt(Order("".join(f"sign = '{it}'\n" for it in CONTROL), "\n", 4))
    signs = {dialect.signs.prefix, dialect.signs.suffix, dialect.signs.middle, *dialect.signs.start}
    assert len([it for it in ids if it in signs]) == len(signs) == 4
    asked.remote.close()


async def test_how_sure_the_model_is_comes_with_each_token(vllm: str) -> None:
    asked = behind(vllm)
    chunks = [it async for it in asked.remote.stream(replace(places()[0], logprobs=True))]
    asked.remote.close()
    assert any(it.tokens for it in chunks)
    assert all(sum(n for n, _ in it.tokens) == len(it.text) for it in chunks)


async def test_a_file_longer_than_the_context_is_cut(vllm: str) -> None:
    asked = behind(vllm)
    long = "".join(f"value_{n} = compute({n})\n" for n in range(900))
    assert (await asked.text(Order(long + "value_900 = comp", long, 16))).startswith("ute(")
    asked.remote.close()


def n_running(url: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(it.split()[-1]) for it in lines if it.startswith("vllm:num_requests_running"))


async def test_a_hang_up_ends_the_decoding(vllm: str) -> None:
    asked = behind(vllm)
    async with aclosing(asked.remote.stream(Order("numbers = [1, 2, 3, 4, 5, 6, ", "", 1500))) as chunks:
        async for chunk in chunks:
            if chunk.text:
                break
        assert await asyncio.to_thread(n_running, vllm)
    async with asyncio.timeout(5):
        while await asyncio.to_thread(n_running, vllm):  # noqa: ASYNC110  only asking tells
            await asyncio.sleep(0.01)
    asked.remote.close()
