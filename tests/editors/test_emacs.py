"""Emacs in a terminal, with the files of editors/emacs as they are."""

import contextlib
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..scripted_engine import ScriptedEngine
from .conftest import DEBIAN, EDITORS, FONT, PROGRAM, SCREENSHOTS, environment
from .terminal import Terminal, wait_for

ESCAPE, TAB, ENTER, CTRL_X, CTRL_S, CTRL_C = "\x1b", "\t", "\r", "\x18", "\x13", "\x03"
END_OF_BUFFER, META_TAB = "\x1b>", "\x1b\t"

# Nothing is compiled, for there is no compiler; no questions, no backups, and none of lsp-mode's own servers.
QUIET = """(setq native-comp-enable-subr-trampolines nil native-comp-jit-compilation nil
      lsp-auto-guess-root t lsp-enable-suggest-server-download nil lsp-headerline-breadcrumb-enable nil
      make-backup-files nil create-lockfiles nil)"""


@contextlib.contextmanager
def emacs(engine: ScriptedEngine, home: Path, configuration: str, file: Path) -> Iterator[Terminal]:
    """An Emacs that was unpacked, not installed, has to be told where everything is."""
    share = DEBIAN / "usr/share/emacs"
    (version,) = (it for it in share.iterdir() if it.name[0].isdigit())
    (dump,) = DEBIAN.glob("usr/libexec/emacs/*/*/emacs-*.pdmp")
    libraries = [it for it in (version / "lisp").rglob("*") if it.is_dir()]
    env = environment(engine, home) | {
        "EMACSLOADPATH": ":".join(map(str, [version / "lisp", *libraries])),
        "EMACSDATA": str(version / "etc"),
        "EMACSPATH": str(dump.parent),
        "EMACSDOC": str(version / "etc"),
    }
    packages = [f"--directory={it}" for it in (share / "site-lisp/elpa-src").iterdir()]
    argv: list[str | Path] = [DEBIAN / "usr/bin/emacs-nox", f"--dump-file={dump}", "-nw", "--quick"]
    argv += [*packages, "--eval", QUIET]
    argv += ["--load", "lsp-mode-autoloads"] if configuration == "lsp-mode.el" else []
    with Terminal([*argv, "--load", EDITORS / "emacs" / configuration, file], env, home) as terminal:
        try:
            yield terminal
        except AssertionError as error:
            raise AssertionError(f"{error}\nThe screen:\n{terminal.text()}") from error


def text_of(terminal: Terminal) -> str:
    """The file as it stands in the window, ghost text included."""
    window = terminal.text().split("\n")[1:]  # below the menu
    end = next(n for n, line in enumerate(window) if line.startswith("-UU"))
    return textwrap.dedent("\n".join(window[:end])).rstrip("\n") + "\n"


def shown_behind(terminal: Terminal, typed: str) -> str:
    """The file with the ghost text that comes behind what was typed."""
    wait_for("ghost text", lambda: text_of(terminal).startswith(typed) and text_of(terminal) != typed + "\n")
    terminal.settled()
    return text_of(terminal)


def saved(terminal: Terminal, file: Path) -> str:
    terminal.type(CTRL_X, CTRL_S)
    terminal.wait_for("Wrote ")
    return file.read_text()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.py"
    path.write_text(PROGRAM + "        i")
    return path


def test_lsp_mode_shows_ghost_text(scripted_engine: ScriptedEngine, tmp_path: Path, file: Path) -> None:
    with emacs(scripted_engine, tmp_path / "home", "lsp-mode.el", file) as terminal:
        wait_for("the server", lambda: re.search(r"LSP\[midfill:\d+\]", terminal.text()))
        terminal.type(END_OF_BUFFER, *"f ")
        shown = shown_behind(terminal, PROGRAM + "        if ")
        terminal.screenshot(SCREENSHOTS / "emacs-lsp-mode.png", FONT)
        assert file.read_text() == PROGRAM + "        i"
        terminal.type(TAB)
        assert saved(terminal, file) == shown
        assert "Warning" not in terminal.text()


def test_lsp_mode_drops_what_was_typed_over(
    scripted_engine: ScriptedEngine, tmp_path: Path, file: Path
) -> None:
    with emacs(scripted_engine, tmp_path / "home", "lsp-mode.el", file) as terminal:
        wait_for("the server", lambda: re.search(r"LSP\[midfill:\d+\]", terminal.text()))
        terminal.type(END_OF_BUFFER, *"f ")
        shown_behind(terminal, PROGRAM + "        if ")
        terminal.type(*"zebra")
        shown = shown_behind(terminal, PROGRAM + "        if zebra")
        terminal.type(TAB)
        assert saved(terminal, file) == shown


def test_eglot_shows_the_completion_as_a_preview(
    scripted_engine: ScriptedEngine, tmp_path: Path, file: Path
) -> None:
    with emacs(scripted_engine, tmp_path / "home", "eglot.el", file) as terminal:
        terminal.wait_for("[eglot:")
        terminal.type(END_OF_BUFFER, *"f amo")
        shown = shown_behind(terminal, PROGRAM + "        if amo")
        terminal.screenshot(SCREENSHOTS / "emacs-eglot.png", FONT)
        terminal.type(TAB)
        # Emacs shows an item's first line; what it inserts is the whole.
        assert saved(terminal, file).startswith(shown)


def test_eglot_completes_more_than_one_line(
    scripted_engine: ScriptedEngine, tmp_path: Path, file: Path
) -> None:
    with emacs(scripted_engine, tmp_path / "home", "eglot.el", file) as terminal:
        terminal.wait_for("[eglot:")
        terminal.type(END_OF_BUFFER, *"f ", META_TAB)
        completed = shown_behind(terminal, PROGRAM + "        if ")
        assert completed.count("\n") > PROGRAM.count("\n") + 1
        assert saved(terminal, file) == completed
