"""Real vLLM on a CPU with the embedded model: `make test-engines VLLM=1`, which fetches 3.4 GB."""

import asyncio
import os
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from midfill_model.checkpoint.export.hub_folder import write_hub_folder
from midfill_model.checkpoint.hub import resolve
from midfill_model.fim import CONTROL
from midfill_server.engines.backend import Backend, Order
from midfill_server.engines.dialects.ids import Ids

from .holes import MODULES, agreement, behind, places

PYTHON = os.environ.get("MIDFILL_VLLM")
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not PYTHON, reason="VLLM=1 was not given"),
]
SETTINGS = {
    "VLLM_MLA_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "DO_NOT_TRACK": "1",
}
OPTIONS = [
    "--host",
    "127.0.0.1",
    "--max-model-len",
    "2048",
    "--enforce-eager",
    "--dtype",
    "float32",
    "--enable-prefix-caching",
]


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = write_hub_folder(resolve("demo"), tmp_path_factory.mktemp("hf"), "f32", for_vllm=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    module = "vllm.entrypoints.openai.api_server"
    command = [str(PYTHON), "-m", module, "--model", str(folder), "--served-model-name", "midfill-demo"]
    log = Path(folder) / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*command, "--port", str(port), *OPTIONS], env=os.environ | SETTINGS, stdout=out, stderr=out
        ) as process,
    ):
        while b"Application startup complete" not in log.read_bytes():
            assert process.poll() is None, log.read_text()[-2000:]
        yield f"http://127.0.0.1:{port}"
        process.terminate()


async def test_greedy_tokens_are_our_engines(vllm: str, own: Backend) -> None:
    asked = behind(f"{vllm}/v1")
    assert await agreement(asked, own) == (len(MODULES), len(MODULES))
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
