"""VS Code where the program is missing: it is said, brought, found; and all of that where the files are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ...e2e.conftest import Engine
from ..conftest import SCREENSHOTS, Open, environment, installed_vscode
from .vscode import VSCode, Window, until

SHORT = '"""Points in a plane."""\n\n\nclass Point:\n    def __init__(self, x, y):'
MIDFILL = Path(sys.executable).parent / "midfill"


@contextmanager
def window_without_program(browser: Browser, engine: Engine, folder: Path) -> Iterator[Window]:
    # A shell that redraws its line at Ctrl-L, whatever the user has.
    own = environment(engine, folder) | {"PATH": os.defpath, "SHELL": "/bin/bash"}
    with installed_vscode(folder, own) as vscode:
        project = vscode.new_project()
        (project / "a.py").write_text(SHORT)
        window = Window(vscode, browser, project, project / "a.py")
        window.wait_status('"midfill" was not found on the remote machine')
        yield window
        window.close()


def test_a_missing_program_is_found_once_it_is_there_and_the_first_text_comes_once_it_can(
    browser: Browser, own_engine: Engine, tmp_path: Path
) -> None:
    with window_without_program(browser, own_engine, tmp_path) as window:
        assert window.path
        scripts = window.path.parent / ".venv/bin"
        scripts.mkdir(parents=True)
        (scripts / "midfill").symlink_to(MIDFILL)
        window.page.get_by_role("button", name="Try Again").click()
        window.wait_status("Midfill: (loading|ready)")
        window.focus()
        window.press("Enter")
        assert window.settled_ghost()
        window.wait_status("ready")


@pytest.fixture
def home() -> Iterator[Path]:
    """With a short name: a terminal's few rows hold a command that names it three times."""
    with tempfile.TemporaryDirectory(prefix="midfill-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def test_the_button_puts_a_command_into_a_terminal_that_installs_where_the_extension_looks(
    browser: Browser, own_engine: Engine, home: Path
) -> None:
    checkout = home / "it's my checkout"
    checkout.mkdir()
    with window_without_program(browser, own_engine, home) as window:
        window.page.get_by_role("button", name="Install in Terminal").click()
        window.screenshot(SCREENSHOTS / "vscode-install.png")
        window.pick("From a checkout…")
        name = window.page.locator(".quick-input-box input")
        until(lambda: name.input_value().endswith("/"), "VS Code asks for a folder", window.rest)
        typed = window.page.locator(".xterm-rows")

        def chosen() -> int:
            """VS Code may yet write its own folder over ours; the first Enter may only go into the folder."""
            if name.is_visible() and not name.input_value().startswith(str(checkout)):
                name.fill(str(checkout))
            elif name.is_visible():
                name.press("Enter")
            window.rest(1)
            return typed.count()

        until(chosen, "VS Code takes the folder", window.rest)
        line = f"-m venv '{home}/.midfill' && '{home}/.midfill/bin/pip' install '{home}/it'\\''s my"

        def shown() -> bool:
            """A shell that was not ready yet tears what it was sent; Ctrl-L, typed into it, draws it anew."""
            window.page.locator(".xterm-screen").click()
            window.press("Control+l")
            window.rest(1)
            return solid(line) in solid(typed.inner_text())

        until(shown, f"{line} stands in the terminal", window.rest)
        assert not (home / ".midfill").exists(), "the user looks at it first"

        programs = home / ".midfill/bin"  # what that command makes
        programs.mkdir(parents=True)
        (programs / "midfill").symlink_to(MIDFILL)
        window.menu("Look for the program again")
        window.wait_status("Midfill: (loading|ready)")


def test_what_is_offered_while_the_program_is_missing_leads_to_it(
    browser: Browser, own_engine: Engine, tmp_path: Path
) -> None:
    with window_without_program(browser, own_engine, tmp_path) as window:
        window.page.locator("[id='midfill.midfill.midfill']").click()
        entries = window.page.locator(".quick-input-list .monaco-list-row .label-name")
        entries.first.wait_for()
        assert not any("engine" in it or "model" in it for it in entries.all_inner_texts())
        window.pick("Get started")
        window.page.get_by_text("Get Started with Midfill").first.wait_for()
        window.page.get_by_role("button", name="Install the Program", exact=False).first.wait_for()
        until(lambda: "NVIDIA" in media(window), "the page about the program", window.rest)
        window.screenshot(SCREENSHOTS / "vscode-walkthrough.png")


def solid(text: str) -> str:
    """Without blanks: a terminal's rows end anywhere, and say nothing of blanks at their end."""
    return re.sub(r"\s", "", text)


def media(window: Window) -> str:
    """What a walkthrough shows beside its steps: VS Code draws it in frames of its own."""
    return " ".join(frame.locator("body").inner_text() for frame in window.page.frames[1:])


def test_the_program_runs_where_the_files_are(open_file: Open, vscode: VSCode, shared_engine: Engine) -> None:
    """This VS Code is a server with a window elsewhere, as one behind SSH, in WSL or in a container is."""
    open_file("where.py", SHORT)
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    parents = {int(pid): int(parent) for pid, parent, *_ in rows}
    servers = [int(row[0]) for row in rows if len(row) > 2 and re.search(r"midfill\w* serve$", row[2])]

    def above(pid: int) -> Iterator[int]:
        while pid := parents.get(pid, 0):
            yield pid

    assert [pid for pid in servers if vscode.pid in above(pid)], (servers, vscode.pid)
