"""Before a word an item stands apart, or makes a word with it that is known; within one it joins it."""

import pytest

from midfill_server.keystroke.written import Written
from midfill_server.trim import trim

from .drawn import window


@pytest.mark.parametrize(
    ("drawn", "written", "shown"),
    [
        ("export ║clamp = 1;\n", "let ", "let "),
        ("export ║clamp = 1;\n", "let", ""),
        ("f(║DEFAULT);\n", "Prop", ""),
        ("f(user║Name);\nuserLastName = 1;\n", "Last", "Last"),
        ("f(user║Name);\n", "Last", "Last"),  # within a word all that is word joins it
        ("f(user║Name);\n", "(a).b", ""),
        ("f(║Name);\nuserName = 1;\n", "user", "user"),
        ("f(║Name);\n", "a, ", "a, "),
        ("f(║Name);\n", "a.", "a."),
        ("f(a║)\n", "b ", "b"),
        ("f('║aw', 2)\n", "raw', 1", "r"),
    ],
)
def test_an_item_is_no_part_of_a_strange_word(drawn: str, written: str, shown: str) -> None:
    assert trim(written, window(drawn, "dart")) == shown


def test_what_is_cut_before_a_blank_keeps_it_before_a_word() -> None:
    """Cut where the model is no longer sure: the blank was its next sign."""
    written = (
        Written(window("export ║clamp = 1;\n", "dart")).then("static", ((6, -0.1),)).then(" x", ((2, -3.0),))
    )
    shown = written.shown_at(written.window, 0.5)
    assert shown is not None and shown.text == "static "
    lines = Written(window("a = ║\n", "dart")).then("{\n", ((2, -0.1),)).then("  b", ((3, -3.0),))
    shown = lines.shown_at(lines.window, 0.5)
    assert shown is not None and shown.text == "{\n}"  # whole lines stay such, and are completed
    beside = Written(window("export ║\n", "dart")).then("static", ((6, -0.1),)).then(" x", ((2, -3.0),))
    shown = beside.shown_at(beside.window, 0.5)
    assert shown is not None and not shown.text.endswith(" ")
