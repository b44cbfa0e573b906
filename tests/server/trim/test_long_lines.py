"""What judging an item costs does not grow with the lines around it: counted in characters that are read."""

import importlib
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from midfill_server.context import Window
from midfill_server.keystroke.written import Written
from midfill_server.trim import near, settled, trim
from midfill_server.trim.lines import LONGEST

READERS = (
    ("fit.python", "parses"),
    ("fit.trees", "_errors"),
    ("fit.trees", "loose"),
    ("fit.region", "loose"),
    ("fit.brackets", "without_strings"),
    ("fit.brackets", "loose"),
    ("fit.mend", "open_quote"),
    ("fit.balance.judge", "_scan"),
    ("gate", "_left_open"),
)
PATTERNS = "f(a, ", "([{", "-", '"a", ', "word", "var a=function(b){return b.c(d)};"
LANGUAGES = "python", "typescriptreact", "lua", ""
ITEM = "call(a, b)\n    other(c[0])\n"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many characters each reader is given, as they are read."""
    seen: list[int] = []

    def noting(original: Any, *args: Any, **named: Any) -> Any:
        seen.append(sum(len(it) for it in args if isinstance(it, str)))
        return original(*args, **named)

    for module, name in READERS:
        there = importlib.import_module(f"midfill_server.trim.{module}")
        monkeypatch.setattr(there, name, partial(noting, getattr(there, name)))
    return seen


def work(read: list[int], window: Window) -> int:
    read.clear()
    tokens = tuple((1, -0.01) for _ in ITEM)
    growing = Written(window).then(ITEM, tokens)
    growing.shown_at(window, confidence=0.5)
    growing.ended(cut=False).shown_at(window, confidence=0.5)
    settled(ITEM, window)
    return sum(read)


def windows(pattern: str, size: int, language: str) -> list[Window]:
    """The cursor in the line's middle, at its end, before it; below and above it, in a line of its own."""
    line = (pattern * (size // len(pattern) + 1))[:size]
    head, foot = "x = 1\ndef f():\n", "\ny = 2\n"
    return [
        Window(head + line[: size // 2], line[size // 2 :] + foot, language=language),
        Window(head + line, foot, language=language),
        Window(head, line + foot, language=language),
        Window(f"{head}{line}\n    x = ", foot, language=language),
        Window(f"{head}    x = ", f"\n{line}{foot}", language=language),
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_an_item_costs_does_not_grow_with_a_line(language: str, pattern: str, read: list[int]) -> None:
    written = [work(read, window) for window in windows(pattern, LONGEST, language)]
    most = max(written) + 10 * LONGEST
    costs = [work(read, window) for window in windows(pattern, 10 * LONGEST, language)]
    assert max(costs) <= most, (costs, written)


def test_lines_that_people_write_are_read_as_they_are() -> None:
    for window in windows("f(a, ", LONGEST - 10, "python"):
        assert near(window) is window


def test_of_a_longer_line_both_ends_are_read_and_of_the_cursors_its_surroundings() -> None:
    long = "a" + "b" * 2 * LONGEST + "c"
    above = near(Window(f"{long}\nx = ", f"\n{long}\n", language="python"))
    assert above.prefix.startswith("abb") and above.prefix.endswith("bc\nx = ")
    assert len(above.prefix) == LONGEST + len("\nx = ") and above.language == "python"
    inside = near(Window(long + "(", ")" + long, language="python"))
    assert inside.prefix.endswith("c(") and inside.suffix.startswith(")a")
    assert len(inside.prefix) + len(inside.suffix) == LONGEST


def test_what_other_files_say_is_not_forgotten_with_the_line() -> None:
    """A window is equal to one that was cut before its context had come."""
    window = Window("x" * 3 * LONGEST, "", language="python")
    near(window)
    assert near(replace(window, elsewhere=("def f(): ...",))).elsewhere == ("def f(): ...",)


def test_there_is_text_in_a_line_of_a_machine_too() -> None:
    window = Window("x = [" + "1, " * LONGEST, "2, 3]\n", language="python")
    assert trim("4, ", window).startswith("4")
