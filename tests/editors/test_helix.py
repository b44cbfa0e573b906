"""Helix in a terminal, with editors/helix/languages.toml as it is: Midfill's text is an entry of the menu."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..scripted_engine import ScriptedEngine
from .conftest import DEBIAN, EDITORS, FONT, ITEM, PROGRAM, SCREENSHOTS, environment
from .terminal import Terminal, wait_for

ESCAPE, ENTER, CTRL_N, CTRL_X = "\x1b", "\r", "\x0e", "\x18"


@contextlib.contextmanager
def helix(engine: ScriptedEngine, home: Path, file: Path) -> Iterator[Terminal]:
    env = environment(engine, home) | {"HELIX_RUNTIME": str(DEBIAN / "usr/lib/hx/runtime")}
    (home / "config/helix").mkdir(parents=True, exist_ok=True)
    shutil.copy(EDITORS / "helix/languages.toml", home / "config/helix")
    with Terminal([DEBIAN / "usr/lib/hx/hx", "-vv", file.name], env, file.parent) as terminal:
        terminal.wait_for("NOR")
        log = home / "cache/helix/helix.log"
        wait_for("the server", lambda: log.exists() and '"textDocument/didOpen"' in log.read_text())
        try:
            yield terminal
        except AssertionError as error:
            raise AssertionError(f"{error}\nThe screen:\n{terminal.text()}") from error


def entry(terminal: Terminal) -> str:
    """The first line of Midfill's entry, once the menu is open: Helix calls entries of kind Text `text`."""
    found = wait_for("the menu", lambda: [it for it in terminal.text().split("\n") if it.endswith(" text")])
    return found[0].removesuffix("text").lstrip(" ~").rstrip()


def accept_and_quit(terminal: Terminal) -> None:
    """Take the menu's entry, save and quit."""
    terminal.type(CTRL_N, ENTER, ESCAPE)
    terminal.wait_for("NOR")  # a key that is read together with Escape's byte would be one with Alt
    terminal.type(*":wq", ENTER)
    assert terminal.wait_for_end() == 0


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_entry_of_the_menu_is_what_is_saved(
    scripted_engine: ScriptedEngine, tmp_path: Path, newline: str
) -> None:
    file = tmp_path / "accounts.py"
    program = PROGRAM.replace("Bank", "Bank 😀").replace("\n", newline)
    file.write_bytes(program.encode())
    with helix(scripted_engine, tmp_path / "home", file) as terminal:
        terminal.type(*"geo    if ", CTRL_X)
        shown = entry(terminal)
        accept_and_quit(terminal)
    saved = file.read_bytes().decode()
    assert shown == ITEM.partition("\n")[0]
    assert saved == program + "        if " + ITEM.replace("\n", newline)


def test_the_menu_opens_while_one_types(scripted_engine: ScriptedEngine, tmp_path: Path) -> None:
    file = tmp_path / "accounts.py"
    file.write_text(PROGRAM)
    with helix(scripted_engine, tmp_path / "home", file) as terminal:
        terminal.type(*"geo    if amo")
        shown = entry(terminal)
        terminal.screenshot(SCREENSHOTS / "helix.png", FONT)
        accept_and_quit(terminal)
    assert file.read_text().startswith(PROGRAM + "        if " + shown)
