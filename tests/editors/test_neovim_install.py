"""Neovim's plugin by the lines of its page: what a plugin manager fetches is all that is needed."""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..scripted_engine import ScriptedEngine
from .conftest import EDITORS, PROGRAM, environment
from .terminal import Terminal, wait_for
from .test_neovim import NVIM, PLUGIN, TAB, Neovim

PAGE = (EDITORS / "neovim" / "README.md").read_text("utf-8")


def line_for(manager: str) -> str:
    (found,) = re.findall(rf"^\| {re.escape(manager)} \| `(.+)` \|$", PAGE, re.MULTILINE)
    return str(found)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user whose git fetches Midfill's repository from this machine; its branch `neovim` is the plugin."""
    home, repository = tmp_path / "home", tmp_path / "published"
    home.mkdir()
    shutil.copytree(PLUGIN, repository, ignore=shutil.ignore_patterns("tags"))
    (url,) = re.findall(r"src = '([^']+)'", PAGE)
    (home / ".gitconfig").write_text(
        f'[user]\nname = A\nemail = a@example.org\n[url "file://{repository}"]\ninsteadOf = {url}\n'
    )
    for command in ("init --quiet --initial-branch neovim", "add .", "commit --quiet --message plugin"):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(home)}
        subprocess.run(["git", *command.split()], cwd=repository, check=True, env=env)
    return home


@contextlib.contextmanager
def neovim(engine: ScriptedEngine, home: Path, line: str) -> Iterator[Neovim]:
    """With an init.lua of its user's own, in its own place: `line`, and below it what the page says."""
    init = home / "config/nvim/init.lua"
    init.parent.mkdir(parents=True, exist_ok=True)
    init.write_text(f"vim.o.swapfile = false\n{line}\n{(PLUGIN / 'init.lua').read_text('utf-8')}")
    file = home / "accounts.py"
    file.write_text(PROGRAM)
    env, socket = environment(engine, home), home / "nvim.sock"
    with Terminal([NVIM, "--listen", socket, file], env, home) as terminal:
        yield Neovim(terminal, socket, env)


def assert_all_of_it_works(vim: Neovim) -> None:
    vim.attached()
    vim.type(*"Goif ")
    shown, before = vim.ghost(), "\n".join(vim.lines())
    vim.type(TAB)
    wait_for("the text", lambda: "\n".join(vim.lines()) == before + shown)
    assert vim.lua("vim.fn.exists(':Midfill')") == 2
    assert vim.lua("require('midfill').status()") == "midfill: scripted"
    assert vim.lua("#vim.api.nvim_get_runtime_file('doc/midfill.txt', true)") == 1


def test_vim_pack_installs_it(scripted_engine: ScriptedEngine, home: Path) -> None:
    line = line_for("vim.pack")
    with neovim(scripted_engine, home, line) as vim:
        vim.terminal.wait_for("These plugins will be installed")
        vim.type("y")
        assert_all_of_it_works(vim)
        where = str(vim.lua("vim.pack.get({ 'midfill' })[1].path"))
        assert Path(where).is_relative_to(home / "data")


def test_a_checkout_needs_one_line(scripted_engine: ScriptedEngine, home: Path) -> None:
    (home / "midfill").symlink_to(EDITORS.parent)
    with neovim(scripted_engine, home, line_for("nothing")) as vim:
        assert_all_of_it_works(vim)
