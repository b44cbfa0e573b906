"""The embedded model as GGUF, llama.cpp's server over it, and our own engine beside it."""

import gc
import os
import socket
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from midfill_model.checkpoint.export.gguf_file import write_gguf
from midfill_model.checkpoint.export.hub_folder import write_hub_folder
from midfill_model.checkpoint.hub import resolve
from midfill_server.engines.backend import Backend
from midfill_server.tools.private_engine import private_engine

SERVER = Path(__file__).parent / "llama_server.py"
VLLM_PYTHON = os.environ.get("MIDFILL_VLLM")
VLLM_SETTINGS = {
    "VLLM_MLA_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "DO_NOT_TRACK": "1",
}
VLLM_OPTIONS = (
    *("--served-model-name", "midfill-demo", "--host", "127.0.0.1", "--max-model-len", "2048"),
    *("--enforce-eager", "--dtype", "float32", "--enable-prefix-caching"),
)


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


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real one on the CPU, if `make test-engines VLLM=1` asks for it."""
    if not VLLM_PYTHON:
        pytest.skip("VLLM=1 was not given")
    folder = write_hub_folder(resolve("demo"), tmp_path_factory.mktemp("hf"), "f32", for_vllm=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [VLLM_PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder)]
    log = Path(folder) / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*command, "--port", port, *VLLM_OPTIONS], env=os.environ | VLLM_SETTINGS, stdout=out, stderr=out
        ) as process,
    ):
        while b"Application startup complete" not in log.read_bytes():
            assert process.poll() is None, log.read_text()[-2000:]
        yield f"http://127.0.0.1:{port}"
        process.terminate()


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
