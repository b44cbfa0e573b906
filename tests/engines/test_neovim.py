"""Neovim before each engine of others: one setting, and ghost text stands on the screen and is accepted.

`confidence` is 0 here, too, because no test rests on a trained model's words; users leave it as it is.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..e2e.conftest import Engine, runtime_folder
from ..editors.conftest import PROGRAM
from ..editors.terminal import wait_for
from ..editors.test_neovim import TAB, neovim

GGUF_ALONE = Path(sys.prefix) / "llamacpp/bin/midfill"  # with midfill[llamacpp], without torch


@pytest.fixture
def folder() -> Iterator[Path]:
    with runtime_folder() as found:
        yield found


STATUS = "vim.lsp.get_clients()[1]:request_sync('midfill/status', vim.empty_dict(), 9000).result"


def shows_and_accepts(folder: Path, tmp_path: Path, setting: str) -> dict[str, Any]:
    """The status, behind it all."""
    file = tmp_path / "accounts.py"
    file.write_text(PROGRAM)
    options = f"lua vim.lsp.config('midfill', {{ init_options = {{ {setting}, confidence = 0 }} }})"
    with neovim(Engine(folder), tmp_path / "home", file, before=options) as vim:
        vim.attached()
        wait_for("the engine", lambda: (vim.lua(STATUS) or {}).get("state") == "ready")
        vim.type(*"Goif ")
        shown, before = vim.ghost(), "\n".join(vim.lines())
        vim.type(TAB)
        wait_for("the text", lambda: "\n".join(vim.lines()) == before + shown)
        found: dict[str, Any] = vim.lua(STATUS)
    return found


def test_by_the_url_of_llama_cpp(llama: Callable[..., str], folder: Path, tmp_path: Path) -> None:
    status = shows_and_accepts(folder, tmp_path, f"url = '{llama(exact=1)}'")
    assert status["message"].startswith("llama.cpp, model ")


def test_by_the_url_of_vllm(vllm: str, folder: Path, tmp_path: Path) -> None:
    status = shows_and_accepts(folder, tmp_path, f"url = '{vllm}'")
    assert status["message"].startswith("vLLM, model ")


def test_by_the_path_of_a_gguf_file_and_nothing_else_installed(
    gguf: Path, folder: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "home/bin"
    programs.mkdir(parents=True)
    (programs / "midfill").symlink_to(GGUF_ALONE)
    status = shows_and_accepts(folder, tmp_path, f"model = '{gguf}'")
    assert (status["state"], status["model"]) == ("ready", gguf.name)
