"""Real VS Code with the packaged extension and the embedded model, driven in a headless browser."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

from playwright.sync_api import Browser

from ...e2e.conftest import Engine
from ..conftest import (
    LINE_KEY,
    NEW_FILE_KEY,
    SCREENSHOTS,
    Open,
)
from .vscode import VSCode, Window, until

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


def test_what_was_shown_is_accepted_and_saved(open_file: Open) -> None:
    window = open_file("book.py", BOOK)
    window.press("Enter")
    assert "self.title" in window.settled_ghost()
    window.press("Control+b")  # the picture is of the text, not of a list of files
    window.screenshot(
        SCREENSHOTS / "vscode-ghost-text.png"
    )  # editors/vscode/media/ghost-text.png is one of these
    shown = window.shown_at("Tab")
    assert window.save() == (BOOK + INDENT + "    " + shown).encode()
    assert "demo" in window.status()


def test_words_and_lines_are_accepted_where_no_folder_is_open(open_file: Open) -> None:
    window = open_file("point.py", SHORT, in_folder=False)
    window.press("Enter")
    assert "\n" in window.settled_ghost(), "this test needs a model that writes two lines"
    shown = window.shown_at("Control+ArrowRight")
    word = re.match(r"\w+", shown)
    assert word, shown
    rest = shown[word.end() :]
    window.wait_ghost(f"text.startsWith({json.dumps(rest)})")
    assert window.save() == (SHORT + INDENT + word[0]).encode()
    window.shown_at(LINE_KEY)
    line, second = shown.split("\n")[:2]
    window.wait_ghost(f"text.trim().startsWith({json.dumps(second.strip())})")
    assert window.save() == (SHORT + INDENT + line + "\n").encode()


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
    until(lambda: shared_engine.pid not in (None, killed), "another engine runs", window.rest)
    assert window.settled_ghost()
    shown = window.shown_at("Tab")
    assert window.save() == (SHORT + INDENT + "# a po" + INDENT + shown).encode()


def test_a_first_text_that_takes_long_is_shown_all_the_same(open_file: Open, shared_engine: Engine) -> None:
    """VS Code itself gives up 750 ms after a key."""
    window = open_file("slow.py", SHORT + INDENT)
    engine = shared_engine.pid
    assert engine is not None
    os.kill(engine, signal.SIGSTOP)
    try:
        window.type("self")
        window.rest(2.0)
        assert window.ghost() == ""
    finally:
        os.kill(engine, signal.SIGCONT)
    window.settled_ghost()
    shown = window.shown_at("Tab")
    assert window.save() == (SHORT + INDENT + "self" + shown).encode()


def test_crlf_and_characters_beyond_16_bits_come_out_right(open_file: Open) -> None:
    text = SHORT.replace("plane", "plane 😀🦀").replace("\n", "\r\n")
    window = open_file("crlf.py", text)
    window.press("Enter")
    window.page.keyboard.insert_text('self.face = "😀🦀"; self.x')
    assert window.settled_ghost().strip()
    one_line = window.shown_at("Tab")
    window.press("Enter")
    window.settled_ghost()
    lines = window.shown_at("Tab")
    shown = f'{INDENT}self.face = "😀🦀"; self.x{one_line}{INDENT}{lines}'
    assert window.save() == (text + shown.replace("\n", "\r\n")).encode()


def test_an_unsaved_new_file_works(vscode: VSCode, browser: Browser) -> None:
    project = vscode.new_project()
    window = Window(vscode, browser, project)
    window.press(NEW_FILE_KEY)
    window.page.wait_for_selector(".monaco-editor.focused")
    window.wait_status("ready")
    window.page.keyboard.insert_text(SHORT)
    window.press("Enter")
    window.type("    ")  # a text without a language: Enter keeps the indentation of the line above
    window.settled_ghost()
    shown = window.shown_at("Tab")
    window.press("Control+s")
    name = window.page.locator(".quick-input-widget input.input").first
    until(name.input_value, "a name is proposed", window.rest)

    def saved() -> list[Path]:
        if name.is_visible():
            name.press("Enter")  # without effect while the dialog still looks at the folder
            window.rest(1)
        return [it for it in project.iterdir() if it.stat().st_size]

    until(saved, "the file is saved", window.rest)
    assert [it.read_bytes() for it in saved()] == [(SHORT + INDENT + shown).encode()]
    window.close()


def test_settings_of_the_wrong_type_are_told_and_do_no_harm(open_file: Open) -> None:
    window = open_file("point.py", SHORT, settings='{"midfill.debounceMs": "soon", "midfill.maxTokens": 16}')
    note = window.page.locator(".notification-list-item", has_text="debounceMs")
    note.filter(has_text="the default is used").wait_for()
    window.focus()
    window.press("Enter")
    assert window.settled_ghost()


def test_a_folder_cannot_say_what_serves_it(open_file: Open) -> None:
    nowhere = {"command": "/bin/false", "url": "http://127.0.0.1:9/v1", "model": "/nowhere"}
    settings = {f"midfill.{key}": value for key, value in nowhere.items()}
    window = open_file("point.py", SHORT, settings=json.dumps(settings))
    window.press("Enter")
    assert window.settled_ghost()
    assert "demo" in window.status()


def test_the_menu_pauses_and_resumes(open_file: Open) -> None:
    window = open_file("pause.py", SHORT)
    window.menu("Pause in this window")
    window.wait_status("paused")
    assert_silent_until_resumed(window)


def test_the_menu_snoozes_for_some_minutes(open_file: Open) -> None:
    window = open_file("snooze.py", SHORT)
    window.menu("Snooze")
    minutes = window.page.locator(".quick-input-widget input.input").first
    minutes.fill("soon")
    window.page.locator(".quick-input-message", has_text="Write a number of minutes").wait_for()
    minutes.fill("20")
    minutes.press("Enter")
    window.wait_status(r"Midfill until \d\d:\d\d")
    assert_silent_until_resumed(window)


def test_a_comment_is_silent_where_it_is_set_off(open_file: Open) -> None:
    window = open_file("comment.py", SHORT + INDENT, settings='{"midfill.inComments": "off"}')
    window.type("self")
    assert window.settled_ghost()
    window.press("Escape", "Enter")
    window.record()
    window.type("# self")
    window.rest(1.5)
    assert window.ghost() == ""
    window.press("Shift+Home", "Delete")
    window.type("self")
    assert window.settled_ghost()


def test_the_menu_restarts_the_engine_switches_the_model_and_shows_the_log(
    open_file: Open, vscode: VSCode, shared_engine: Engine
) -> None:
    window = open_file("menu.py", SHORT)

    def another_engine_after(*entries: str) -> None:
        before = shared_engine.pid
        window.menu(entries[0])
        for entry in entries[1:]:
            window.pick(entry)
        until(lambda: shared_engine.pid not in (None, before), "another engine runs", window.rest)
        window.wait_status("ready")

    another_engine_after("Restart the engine")
    another_engine_after("Switch model", "the small model inside the package")
    assert json.loads(vscode.machine_settings.read_text())["midfill.model"] == "demo"
    vscode.machine_settings.unlink()
    window.menu("Show log")
    chosen = "document.querySelector('.part.panel select')?.selectedOptions[0]?.text"
    window.page.wait_for_function(f"() => {chosen} === 'Midfill'")


def assert_silent_until_resumed(window: Window) -> None:
    window.focus()
    window.press("Enter")
    window.record()
    window.rest(1.5)
    assert window.recorded() == []
    window.menu("Resume")
    window.wait_status("ready")
    window.focus()
    window.type("self")
    assert window.settled_ghost()


def engines(engine: Engine) -> int:
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return listed.count(f"--runtime-dir {engine.folder}")
