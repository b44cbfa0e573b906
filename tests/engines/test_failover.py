"""Real servers that die in mid-typing: the next one takes over, and the first is taken again."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from midfill_server.tools.lsp_client import Editor

from ..e2e.conftest import CLI, runtime_folder
from .conftest import SERVER

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECONDS = 120.0  # for what takes one: a busy machine is no failure
TAKES_OVER = 1.0 + 4.0  # seconds; the second figure is a busy machine's
ABOVE = "import json\n\n\ndef load(path):\n    with open(path) as file:\n        "
TYPED = "return json.load(file)"


@contextmanager
def llama_server(gguf: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """One that may be killed."""
    pipe = subprocess.PIPE
    command = [sys.executable, str(SERVER), str(gguf), "exact=1"]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        line = next(it for it in process.stdout if it.startswith("listening at "))
        yield process, line.removeprefix("listening at ").strip()
        process.kill()


@pytest.fixture
def folder() -> Iterator[Path]:
    with runtime_folder() as found:
        yield found
        subprocess.run([*CLI, "stop"], env=os.environ | {"MIDFILL_RUNTIME_DIR": str(found)}, check=False)


async def type_on(editor: Editor, typed: str, key: str) -> tuple[str, float]:
    """One more key; the ghost text behind it, and how long it took."""
    lines = (ABOVE + typed).split("\n")
    editor.insert("file:///a.py", len(lines) - 1, len(lines[-1]), key)
    begun = time.perf_counter()
    async with asyncio.timeout(SECONDS):
        text = await editor.complete("file:///a.py", len(lines) - 1, len(lines[-1]) + len(key)).text()
    return text, time.perf_counter() - begun


@pytest.mark.parametrize("second", ["another server", "the engine of this machine"])
async def test_the_next_takes_over_in_mid_typing(gguf: Path, folder: Path, second: str) -> None:
    environment = {"MIDFILL_RUNTIME_DIR": str(folder), "MIDFILL_STATE_DIR": str(folder / "state")}
    with llama_server(gguf) as (first, url), llama_server(gguf) as (_, other):
        async with Editor(environment=environment) as editor:
            last = other if second == "another server" else "local:demo"
            await editor.initialize({"url": [url, last], "context": False, "confidence": 0})
            editor.open("file:///a.py", ABOVE + "\n")
            texts, slowest = [], 0.0
            for n, key in enumerate(TYPED):
                if n == len(TYPED) // 2:
                    first.kill()
                    first.wait()
                text, seconds = await type_on(editor, TYPED[:n], key)
                texts.append(text)
                if n >= len(TYPED) // 2 and second == "another server":
                    slowest = max(slowest, seconds)
            status = await editor.request("midfill/status")
        assert slowest < TAKES_OVER
        assert any(texts[: len(TYPED) // 2]) and any(texts[len(TYPED) // 2 :])
        assert status["state"] == "ready" and url in status["message"]
        told = [it for it in editor.notifications if "window/show" in it["method"]]
        assert told == []
