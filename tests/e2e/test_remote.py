"""A server of the user's choice behind `url`: here our own engine on TCP, which wants a key."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_server.tools.lsp_client import Editor

from .conftest import CLI, MODEL, PATIENCE, PROGRAM, end_of, environment


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seam.Card]:
    folder = tmp_path_factory.mktemp("remote")
    command = [*CLI, "engine", "--model", MODEL, "--port", "0", "--runtime-dir", str(folder)]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + PATIENCE
        while (card := seam.read_card(folder)) is None:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        yield card
        process.terminate()
    assert process.returncode == 0


async def completed(served: seam.Card, folder: Path, key: str, **options: object) -> tuple[str, list[str]]:
    async with Editor(environment=environment(folder) | {"MIDFILL_TEST_KEY": key}) as editor:
        where = {"url": served.url + "/v1", "apiKeyEnv": "MIDFILL_TEST_KEY", "dialect": "suffix"}
        await editor.initialize(where | options)
        editor.open("file:///a.py", PROGRAM)
        text = await editor.complete("file:///a.py", *end_of(PROGRAM)).text()
        messages = [it["params"].get("message", "") for it in editor.notifications]
    return text, [message for message in messages if message]


async def test_it_completes_without_an_engine_of_its_own(served: seam.Card, own_folder: Path) -> None:
    text, _ = await completed(served, own_folder, served.token)
    assert text.strip()
    assert seam.read_card(own_folder) is None


async def test_a_wrong_key_is_one_message(served: seam.Card, own_folder: Path) -> None:
    text, messages = await completed(served, own_folder, "wrong", model="demo")
    assert text == ""
    assert any("401" in message for message in messages)
