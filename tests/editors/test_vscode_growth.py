"""Ghost text that grows in VS Code while the embedded model writes it, and keys in the middle of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from playwright.sync_api import Browser

from .conftest import Open
from .vscode import VSCode, Window

NAMES = "host, port, user, password, database, timeout, retries, encoding, charset, schema, prefix, suffix, "
NAMES += "driver, options, logger, verbose"
# The model writes an assignment for each name: a text that grows for a second and more.
GROWING = f"class Box:\n    def __init__(self, {NAMES}):"
INDENT = "\n        "  # what VS Code itself adds after Enter
GROWN = "text.split('\\n').length > 2"  # a part is there, and more is to come
ATTEMPTS = 5  # a fast model may have written all before the key of a slow screen arrives


@pytest.fixture(scope="module")
def whole(vscode: VSCode, browser: Browser) -> str:
    """What the model has to say after GROWING, if nobody touches a key; the same in each new window."""
    project = vscode.new_project()
    (project / "box.py").write_text(GROWING)
    window = Window(vscode, browser, project, project / "box.py")
    window.wait_status("ready")
    window.press("Enter")
    text = window.settled_ghost(quiet=3.0)
    window.close()
    assert text.count("\n") >= 8, f"these tests need a model that has more to say: {text!r}"
    return text


def test_it_grows_at_least_three_times_and_is_never_empty_between(open_file: Open, whole: str) -> None:
    window = open_file("box.py", GROWING)
    window.record()
    window.press("Enter")
    window.wait_whole(whole)
    texts = [change.text for change in window.recorded()]
    assert "" not in texts, texts
    assert texts[-1] == whole
    assert steps(texts) >= 3, texts
    assert window.shown_at("Tab") == whole
    assert window.save() == (GROWING + INDENT + whole).encode()


def test_escape_in_the_middle_ends_it_for_good(open_file: Open, whole: str) -> None:
    window, _ = in_the_middle(open_file, whole, "Escape")
    stays_away(window)
    assert window.save() == (GROWING + INDENT).encode()


def test_the_cursor_going_away_ends_it(open_file: Open, whole: str) -> None:
    window, _ = in_the_middle(open_file, whole, "ArrowUp")
    stays_away(window)
    window.press("ArrowDown")
    stays_away(window)
    assert window.ghost() == ""
    assert window.save() == (GROWING + INDENT).encode()


def test_tab_in_the_middle_accepts_what_is_shown_and_offers_the_rest(open_file: Open, whole: str) -> None:
    window, shown = in_the_middle(open_file, whole, "Tab")
    assert window.save() == (GROWING + INDENT + shown).encode()
    window.wait_whole(whole.removeprefix(shown).removeprefix("\n"))  # the cursor has its line to itself
    window.shown_at("Tab")
    assert window.save() == (GROWING + INDENT + whole).encode()


def test_typing_along_keeps_it(open_file: Open, whole: str) -> None:
    window, _ = in_the_middle(open_file, whole, whole[0])
    window.type(whole[1:9], pause_ms=70)
    window.wait_whole(whole[9:])
    assert "" not in [change.text for change in window.recorded()]
    assert window.shown_at("Tab") == whole[9:]
    assert window.save() == (GROWING + INDENT + whole).encode()


def test_any_other_key_ends_it(open_file: Open, whole: str) -> None:
    window, _ = in_the_middle(open_file, whole, "z")
    window.record()
    window.settle()
    assert not any(whole.startswith(it.text) for it in window.recorded() if it.text)


# What the trigger does with its arguments in the packed workbench, and in one that does not know them.
FORGET = {
    "all arguments": (r"(\w+)=\w+\.validateOrThrow\(\w+\)", r"\1=void 0"),
    "providerId": (r"\w+\?\.providerId\?", "!1?"),
}


@pytest.mark.parametrize("argument", FORGET)
def test_a_vscode_that_does_not_know_the_arguments_shows_the_whole(
    open_file: Open, whole: str, argument: str
) -> None:
    def forget(workbench: str) -> str:
        start = workbench.index('{super({id:"editor.action.inlineSuggest.trigger"')
        command, count = re.subn(*FORGET[argument], workbench[start : start + 2000], count=1)
        assert count == 1
        return workbench[:start] + command + workbench[start + 2000 :]

    window = open_file("box.py", GROWING, patch=forget)
    window.record()
    window.press("Enter")
    window.wait_whole(whole)
    texts = [change.text for change in window.recorded()]
    assert steps(texts) < 3, "this VS Code does know them"
    assert window.shown_at("Tab") == whole
    assert window.save() == (GROWING + INDENT + whole).encode()


def in_the_middle(open_file: Open, whole: str, key: str) -> tuple[Window, str]:
    """A window in which `key` has had its effect while a part was on screen, and that part."""
    for _ in range(ATTEMPTS):
        window: Window = open_file("box.py", GROWING)
        window.press("Enter")
        window.wait_ghost(GROWN)
        if (shown := window.shown_at(key)) != whole:
            assert whole.startswith(shown)
            return window, shown
    pytest.fail(f"{ATTEMPTS} times all was on screen before {key} had its effect: the text is too short")


def steps(texts: Sequence[str]) -> int:
    """How often the text on screen became longer than it had ever been."""
    count, longest = 0, texts[0]
    for text in texts:
        if text != longest and text.startswith(longest):
            count, longest = count + 1, text
    return count


def stays_away(window: Window) -> None:
    """No ghost text comes while the engine writes, nor in the time that the whole would have needed."""
    window.record()
    window.settle()
    window.rest(1.0)
    assert window.recorded() == []
