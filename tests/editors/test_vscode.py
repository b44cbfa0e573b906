"""Real VS Code with the packaged extension and the embedded model, driven in a headless browser."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from .conftest import ROOT, SCREENSHOTS, Engine, environment
from .vscode import VSCode, Window, until

INSTALLED = ROOT / ".editors"
NAMES = "title, author, year, pages, language, publisher, price, cover, format, genre, rating, shelf"
# The model writes an assignment for each name: a text that grows for about a second.
GROWING = f"class Box:\n    def __init__(self, {NAMES}):"
INDENT = "\n        "  # what VS Code itself adds after Enter
SHORT = '"""Points in a plane."""\n\n\nclass Point:\n    def __init__(self, x, y):'
BOOK = '''class Book:
    """A book in a library."""

    def __init__(self, title, author, year):
        self.title = title
        self.author = author
        self.year = year

    def to_dict(self):
        return {'''
GROWN = "text.split('\\n').length > 2"  # a part is there, and more is to come

Open = Callable[[str, str], Window]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=INSTALLED / "chromium.sh", args=options)
        yield browser
        browser.close()


@contextmanager
def started(folder: Path, engine: Engine) -> Iterator[VSCode]:
    vscode = VSCode(INSTALLED, folder, environment(engine, folder))
    vscode.configure(maxTokens=200)
    vscode.install(ROOT / "editors/vscode/midfill.vsix")
    with vscode.running():
        yield vscode


@pytest.fixture(scope="module")
def vscode(
    browser: Browser, shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VSCode]:
    with started(tmp_path_factory.mktemp("vscode"), shared_engine) as vscode:
        yield vscode


@pytest.fixture
def open_file(vscode: VSCode, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open a new file that holds some text, with the cursor at its end, once the engine is ready."""
    windows: list[Window] = []

    def open_file(name: str, text: str) -> Window:
        path = vscode.project / name
        path.write_bytes(text.encode())
        windows.append(window := Window(vscode, browser, path))
        window.wait_status("ready")
        return window

    yield open_file
    for n, window in enumerate(windows):
        window.screenshot(SCREENSHOTS / f"{request.node.name}-{n}.png")
        window.close()


@pytest.fixture(scope="module")
def whole(vscode: VSCode, browser: Browser) -> str:
    """What the model has to say after GROWING, if nobody touches a key."""
    path = vscode.project / "whole.py"
    path.write_text(GROWING)
    window = Window(vscode, browser, path)
    window.wait_status("ready")
    window.press("Enter")
    text = window.settled_ghost()
    window.close()
    assert text.count("\n") >= 8, f"too short to see it grow: {text}"
    return text


def test_what_was_shown_is_accepted_and_saved(open_file: Open) -> None:
    window = open_file("book.py", BOOK)
    window.press("Enter")
    shown = window.settled_ghost()
    assert "self.title" in shown
    window.press("Control+b")  # the picture is of the text, not of a list of files
    window.screenshot(SCREENSHOTS / "vscode-ghost-text.png")  # editors/vscode/ghost-text.png is one of these
    window.press("Tab")
    assert window.save() == (BOOK + INDENT + "    " + shown).encode()
    assert "demo" in window.status()


def test_it_grows_at_least_three_times_and_is_never_empty_between(open_file: Open, whole: str) -> None:
    window = open_file("grows.py", GROWING)
    window.record()
    window.press("Enter")
    assert window.settled_ghost() == whole
    texts = [change.text for change in window.recorded()]
    assert "" not in texts, texts
    assert texts[-1] == whole
    assert sum(later.startswith(earlier) for earlier, later in pairwise(texts)) >= 3
    window.press("Tab")
    assert window.save() == (GROWING + INDENT + whole).encode()


def test_escape_in_the_middle_ends_it_for_good(open_file: Open, whole: str) -> None:
    window = open_file("escape.py", GROWING)
    window.press("Enter")
    seen = window.wait_ghost(GROWN)
    window.press("Escape")
    assert seen != whole
    window.wait_ghost("text === ''")
    stays_away(window)
    assert window.save() == (GROWING + INDENT).encode()


def test_the_cursor_going_away_ends_it(open_file: Open, whole: str) -> None:
    window = open_file("away.py", GROWING)
    window.press("Enter")
    assert window.wait_ghost(GROWN) != whole
    window.press("ArrowUp")
    window.wait_ghost("text === ''")
    stays_away(window)


def test_tab_in_the_middle_accepts_what_is_shown_and_offers_the_rest(open_file: Open, whole: str) -> None:
    window = open_file("tab.py", GROWING)
    window.press("Enter")
    window.wait_ghost(GROWN)
    window.press("Tab")
    part = window.save().decode().removeprefix(GROWING + INDENT)
    assert part and whole.startswith(part) and part != whole, part
    window.settled_ghost()
    window.press("Tab")
    assert window.save() == (GROWING + INDENT + whole).encode()


def test_typing_along_keeps_it(open_file: Open, whole: str) -> None:
    window = open_file("along.py", GROWING)
    window.press("Enter")
    assert window.wait_ghost(GROWN) != whole
    window.record()
    window.type(whole[:9], pause_ms=70)
    assert window.settled_ghost() == whole[9:]
    assert "" not in [change.text for change in window.recorded()]
    window.press("Tab")
    assert window.save() == (GROWING + INDENT + whole).encode()


def test_any_other_key_ends_it(open_file: Open, whole: str) -> None:
    window = open_file("other.py", GROWING)
    window.press("Enter")
    assert window.wait_ghost(GROWN) != whole
    window.type("z")
    window.wait_ghost("!text.startsWith('self')")
    window.record()
    window.rest(1.5)
    assert not any(whole.startswith(it.text) for it in window.recorded() if it.text)


def stays_away(window: Window) -> None:
    """No ghost text comes in the time that the whole would have needed."""
    window.record()
    window.rest(1.5)
    assert window.recorded() == []


def test_two_windows_share_one_engine(open_file: Open, shared_engine: Engine) -> None:
    one, two = open_file("one.py", SHORT), open_file("two.py", SHORT)
    for window in (one, two):
        window.press("Enter")
        assert window.settled_ghost()
    assert engines(shared_engine) == 1


def test_an_engine_killed_while_typing_comes_back(open_file: Open, shared_engine: Engine) -> None:
    window = open_file("killed.py", SHORT)
    window.press("Enter")
    assert window.settled_ghost()
    killed = shared_engine.pid
    assert killed is not None
    window.type("# a")
    os.kill(killed, signal.SIGKILL)
    window.type(" po")
    window.press("Enter")
    shown = window.settled_ghost()
    assert shown and shared_engine.pid != killed
    window.press("Tab")
    assert window.save() == (SHORT + INDENT + "# a po" + INDENT + shown).encode()


def test_crlf_and_characters_beyond_16_bits_come_out_right(open_file: Open) -> None:
    text = SHORT.replace("plane", "plane 😀🦀").replace("\n", "\r\n")
    window = open_file("crlf.py", text)
    window.press("Enter")
    window.page.keyboard.insert_text('self.face = "😀🦀"; self.x')
    one_line = window.settled_ghost()
    assert one_line.strip()
    window.press("Tab", "Enter")
    lines = window.settled_ghost()
    window.press("Tab")
    shown = f'{INDENT}self.face = "😀🦀"; self.x{one_line}{INDENT}{lines}'
    assert window.save() == (text + shown.replace("\n", "\r\n")).encode()


def test_an_unsaved_new_file_works(vscode: VSCode, browser: Browser) -> None:
    before = set(vscode.project.iterdir())
    window = Window(vscode, browser, None)
    window.command("New Untitled Text File")
    window.page.wait_for_selector(".monaco-editor.focused")
    window.wait_status("ready")
    window.page.keyboard.insert_text(SHORT)
    window.press("Enter")
    window.type("    ")  # a text without a language: Enter keeps the indentation of the line above
    shown = window.settled_ghost()
    window.press("Tab", "Control+s")
    name = window.page.locator(".quick-input-widget input.input").first
    until(name.input_value, "a name is proposed", window.rest)

    def saved() -> list[Path]:
        if name.is_visible():
            name.press("Enter")  # without effect while the dialog still looks at the folder
            window.rest(1)
        return [it for it in set(vscode.project.iterdir()) - before if it.stat().st_size]

    until(saved, "the file is saved", window.rest)
    assert [it.read_bytes() for it in saved()] == [(SHORT + INDENT + shown).encode()]
    window.close()


def test_pause_and_resume(open_file: Open) -> None:
    window = open_file("pause.py", SHORT)
    window.command("Midfill: Pause in This Window")
    window.wait_status("paused")
    window.press("Enter")
    stays_away(window)
    window.page.locator("[id='midfill.midfill.midfill']").click()
    window.page.locator(".quick-input-list .monaco-list-row", has_text="Resume").click()
    window.wait_status("ready")
    window.focus()
    window.type("self")
    assert window.settled_ghost()


def test_a_missing_program_is_said_and_found_when_it_is_there(
    browser: Browser, own_engine: Engine, tmp_path: Path
) -> None:
    vscode = VSCode(INSTALLED, tmp_path, environment(own_engine, tmp_path) | {"PATH": os.defpath})
    vscode.configure()
    vscode.install(ROOT / "editors/vscode/midfill.vsix")
    path = vscode.project / "a.py"
    path.write_text(SHORT)
    with vscode.running():
        window = Window(vscode, browser, path)
        window.wait_status("pip install 'midfill\\[local\\]'")
        scripts = vscode.project / ".venv/bin"
        scripts.mkdir(parents=True)
        (scripts / "midfill").symlink_to(Path(sys.executable).parent / "midfill")
        window.page.get_by_role("button", name="Try Again").click()
        window.wait_status("ready")
        window.close()


def engines(engine: Engine) -> int:
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return listed.count(f"--runtime-dir {engine.folder}")
