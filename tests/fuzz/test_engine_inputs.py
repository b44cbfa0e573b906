"""What the engine is given: bodies over HTTP, model folders, texts. Never a traceback, never a 5xx."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from midfill_model import fim
from midfill_model.checkpoint import hub
from midfill_model.checkpoint.config import ModelError, read_config
from midfill_model.checkpoint.gguf import read_metadata
from midfill_model.generation.completion import Loaded
from midfill_model.generation.engine import Engine
from midfill_model.generation.tokens import Tokenizer
from midfill_model.lab.checkup import files
from midfill_model.process.loading import Told
from midfill_model.process.routes import Api

from ..model.conftest import tiny as tiny
from ..model.conftest import tiny_folder as tiny_folder
from ..model.tiny_gguf import write_tiny
from .odd import as_body, bent, cut, tried

BODY: dict[str, Any] = {
    "prompt": "def add(a, b):\n    return ",
    "suffix": "\n\nprint(add(1, 2))\n",
    "max_tokens": 3,
    "stop": ["\n\n"],
    "slot": "a",
    "heal": True,
    "beam_width": 2,
    "n": 1,
    "logprobs": 1,
    "context": ["# other.py\n"],
    "context_tokens": 64,
    "head": "import os\n",
    "stream": False,
    "background": False,
}
PATHS = ("/v1/completions", "/rendered/v1/completions")


class Asked:
    """The real routes over the real engine with a tiny model, without a socket."""

    def __init__(self, tiny: Loaded) -> None:
        self.engine = Engine(lambda _: tiny, n_slots=2, cache_bytes=1 << 20)
        self.engine.start()
        told = Told()
        api = Api(self.engine, lambda: told(self.engine.state), "tiny", None, lambda _: None)
        transport = httpx.ASGITransport(api.app(), raise_app_exceptions=True)
        self.loop = asyncio.new_event_loop()
        self._http = httpx.AsyncClient(transport=transport, base_url="http://engine")

    def post(self, path: str, body: bytes) -> httpx.Response:
        return self.loop.run_until_complete(self._http.post(path, content=body))

    def close(self) -> None:
        self.loop.run_until_complete(self._http.aclose())
        self.loop.close()
        self.engine.stop(5)


@pytest.fixture(scope="module")
def asked(tiny: Loaded) -> Iterator[Asked]:
    it = Asked(tiny)
    yield it
    it.close()


def test_no_body_is_the_engines_fault(asked: Asked) -> None:
    @tried(400)
    def test(seed: int) -> None:
        body = bent(BODY, seed, tuple(BODY))
        if isinstance(body, dict):  # long texts show nothing more, and take minutes
            for name in ("max_tokens", "n"):
                if isinstance(body.get(name), int) and body[name] > 4:
                    body[name] = 4
            body.setdefault("max_tokens", 3)
        answer = asked.post(PATHS[seed % 2], as_body(body, seed))
        assert answer.status_code in (200, 400), (answer.text, body)
        if answer.status_code == 400:
            assert answer.json()["error"]["message"].endswith(".")
        assert asked.engine.crash == "" and asked.engine.n_unfinished == 0

    test()
    assert asked.post(PATHS[0], json.dumps(BODY).encode()).status_code == 200


def test_no_model_folder_is_a_traceback(tiny_folder: Path, tmp_path: Path) -> None:
    """Whatever its files hold: the doctor finds a fault or none, the engine a sentence."""
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "folder"))
    names = (hub.CONFIG, hub.TOKENIZER, "model.safetensors")
    whole = {name: (tiny_folder / name).read_bytes()[: 1 << 16] for name in names}

    @tried(300)
    def test(seed: int) -> None:
        name = names[seed % 3]
        if name == "model.safetensors" or seed % 2:
            odd = cut(whole[name], seed)
        else:
            odd = json.dumps(bent(json.loads((tiny_folder / name).read_bytes()), seed)).encode(
                "utf-8", "replace"
            )
        (folder / name).write_bytes(odd)
        try:
            assert isinstance(files.examined(str(folder)).fault, str)
            for read in (read_config, Tokenizer):
                try:
                    read(folder)
                except ModelError as error:
                    assert str(error).endswith(".") and "\n" not in str(error)
        finally:
            shutil.copyfile(tiny_folder / name, folder / name)

    test()


def test_no_gguf_file_is_a_traceback(tmp_path: Path) -> None:
    whole = write_tiny(tmp_path / "whole.gguf").read_bytes()
    odd = tmp_path / "odd.gguf"

    @tried(1000)
    def test(seed: int) -> None:
        odd.write_bytes(cut(whole, seed))
        try:
            read_metadata(odd).signs()
        except ModelError as error:
            assert str(error).endswith(".") and "\n" not in str(error)

    test()


def test_no_text_becomes_a_control_token(tiny: Loaded) -> None:
    texts = [*fim.CONTROL, "def f():\n", "\r\n", "\ud800", "😀", "<｜", "｜>", "▁", "fim", "\0", "é", " " * 9]

    @tried(1000)
    def test(seed: int) -> None:
        text = "".join(texts[(seed >> (4 * i)) % len(texts)] for i in range(12))
        ids = tiny.tokenizer.encode(text)
        assert not tiny.tokenizer.control_ids & set(ids)
        told = b"".join(map(tiny.tokenizer.token_bytes, ids))
        assert told == text.encode("utf-8", "replace")

    test()
