"""What is not loaded when an editor starts the server (invariant 1)."""

import sys
from pathlib import Path

from midfill_server.tools.lsp_client import Editor

from ..conftest import environment

HEAVY = {"torch", "transformers", "numpy", "httpx", "tokenizers", "safetensors", "starlette", "uvicorn"}


async def test_initialize_is_answered_without_anything_heavy(own_folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "imports"
    serve = f"exec {sys.executable} -X importtime -I -m midfill_server serve 2>{log}"
    async with Editor(command=["/bin/sh", "-c", serve], environment=environment(own_folder)) as editor:
        await editor.initialize()
        await editor.notified("midfill/statusChanged")  # all of the handshake is over
        loaded = {line.rsplit("|", 1)[-1].strip() for line in log.read_text().splitlines()}
    assert "pygls.lsp.server" in loaded
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
