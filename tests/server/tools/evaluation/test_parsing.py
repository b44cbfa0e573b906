"""Which items are judged by whether the file still parses, and which cannot be."""

from pathlib import Path

import pytest

from midfill_server.tools.evaluation.figures.parsing import one_line_can_parse, still_parses
from midfill_server.tools.evaluation.holes import File, Hole


def hole(drawn: str, name: str = "a.py") -> Hole:
    """The hole is what stands between two ║."""
    before, hidden, after = drawn.split("║")
    return Hole("span", File(Path(name), before + hidden + after), len(before), len(before + hidden))


def test_the_file_is_judged_with_the_item_in_its_hole() -> None:
    assert still_parses(hole("f(║a║)\n"), "b, c") is True
    assert still_parses(hole("f(║a║)\n"), "b, c)") is False


def test_what_cannot_be_judged() -> None:
    assert still_parses(hole("f(║a║)\n"), "") is None, "nothing shown"
    assert still_parses(hole("f(║a║\n"), "b") is None, "it did not parse before"
    assert still_parses(hole("f(║a║)\n", "a.unknown"), "b") is None, "no grammar"


@pytest.mark.parametrize(
    ("drawn", "can"),
    [
        ("f(║a║)\n", True),
        ("f(║a,\n  b║)\n", True),
        ("def f():\n    ║a = 1\n    return a║\n", True),
        ("f(║a)\ng(b║)\n", True),
        ("for a in b:\n    f(║a)\n\n\ndef g(║b):\n    pass\n", False),
        ("def f():\n    ║if a:\n        if b:\n            c()║\n        else:\n            d()\n", False),
    ],
)
def test_some_line_must_be_able_to_leave_a_file_that_parses(drawn: str, can: bool) -> None:
    assert one_line_can_parse(hole(drawn)) is can
