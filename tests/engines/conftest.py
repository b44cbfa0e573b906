"""The embedded model as GGUF, llama.cpp's server over it, and our own engine beside it."""

import gc
import os
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from midfill_model.checkpoint.export.gguf_file import write_gguf
from midfill_model.checkpoint.hub import resolve
from midfill_server.engines.backend import Backend
from midfill_server.tools.private_engine import private_engine

SERVER = Path(__file__).parent / "llama_server.py"


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(resolve("demo"), tmp_path_factory.mktemp("gguf"), "f32")


@pytest.fixture(scope="session")
def llama(gguf: Path) -> Iterator[Callable[..., str]]:
    """Start a server with options of llama_server.py; its URL. One for each set of options."""
    running: dict[tuple[str, ...], str] = {}
    with ExitStack() as stack:

        def start(**options: object) -> str:
            given = tuple(f"{name}={value}" for name, value in sorted(options.items()))
            if given not in running:
                command = [sys.executable, str(SERVER), str(gguf), *given]
                pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
                process = stack.enter_context(
                    subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet, text=True)
                )
                assert process.stdout is not None and process.stdin is not None
                stack.callback(process.stdin.close)
                line = next(it for it in process.stdout if it.startswith("listening at "))
                running[given] = line.removeprefix("listening at ").strip()
            return running[given]

        yield start


@asynccontextmanager
async def engine_of(model: str) -> AsyncIterator[Backend]:
    """An engine of ours with that model, in a runtime folder of its own."""
    before = os.environ.get("MIDFILL_RUNTIME_DIR")
    async with private_engine(model) as backend:
        yield backend
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()  # of a Popen object whose process outlives it, as an engine does
    if before is None:
        del os.environ["MIDFILL_RUNTIME_DIR"]
    else:
        os.environ["MIDFILL_RUNTIME_DIR"] = before


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def own() -> AsyncIterator[Backend]:
    """Our engine with the embedded model."""
    async with engine_of("demo") as backend:
        yield backend
