"""What a figure means, on the smallest example that shows it."""

import pytest

from midfill_server.tools.evaluation.figures import metrics
from midfill_server.trim.fit.python import parses


@pytest.mark.parametrize(
    ("text", "line"),
    [("", ""), ("a b  \nc", "a b"), ("\n\n  a\nb", "\n\n  a"), ("  \n", ""), ("x", "x")],
)
def test_the_first_line_is_the_first_that_says_something(text: str, line: str) -> None:
    assert metrics.first_line(text) == line


@pytest.mark.parametrize(
    ("shown", "right"),
    [("return", True), ("return total\n", True), ("", True), ("return totals", False), ("yield", False)],
)
def test_a_beginning_of_what_was_hidden_is_right_so_far(shown: str, right: bool) -> None:
    assert metrics.right_so_far(shown, "return total") is right


@pytest.mark.parametrize(
    ("shown", "hidden", "similarity"),
    [
        ("", "", 1),
        ("abcd", "abcd ", 1),
        ("abcd", "", 0),
        ("abxd", "abcd", 0.75),
        ("abd", "abcd", 0.75),
        ("abcde", "abcd", 0.8),
        ("kitten", "sitting", 1 - 3 / 7),
    ],
)
def test_similarity(shown: str, hidden: str, similarity: float) -> None:
    assert metrics.similarity(shown, hidden) == pytest.approx(similarity)


def repeats(before: str, shown: str, after: str, hidden: str = "") -> bool:
    return metrics.repeats(shown, hidden, before, after)


def test_a_line_that_stands_below_is_a_repetition() -> None:
    assert repeats("def f():\n    ", "x = 1\n    return x", "\n    y = 2\n    return x\n")
    assert repeats("def f():\n    ", "return x", "\n\n    return x\n")
    assert not repeats("def f():\n    ", "return x", "\n" + "    y = 2\n" * 3 + "    return x\n")
    assert not repeats("def f():\n    ", "return x", "\n        return x\n"), "another indentation"


def test_the_line_above_again_is_a_repetition() -> None:
    assert repeats("x = 1\n", "x = 1", "\n")
    assert repeats("x = 1\nx", " = 1", "\n")
    assert not repeats("x = 1\ny = 2\n", "x = 1", "\n")


def test_what_belongs_there_is_no_repetition() -> None:
    assert not repeats("    pass\n", "    pass", "\n    pass\n", hidden="    pass")


def test_a_lone_bracket_counts_against_the_next_line_only() -> None:
    assert repeats("f(\n", "    a,\n)", "\n)\n")
    assert not repeats("f(\n", "    g(\n    b\n)", "\n    c,\n)\n")


def test_nothing_shown_repeats_nothing() -> None:
    assert not repeats("x\n", "", "\nx\n")


def test_circles() -> None:
    assert metrics.loops("a = 1\nb\na = 1\nb\na = 1", "")
    assert not metrics.loops("a = 1\na = 1", "")
    assert not metrics.loops(")\n)\n)\n", "")
    assert not metrics.loops("0,\n0,\n0,", "0,\n0,\n0,")


def test_halves_of_words_are_no_names() -> None:
    assert metrics.whole_names("al + rate.siz", "tot", "e") == " + rate."
    assert metrics.whole_names("total", "x = ", "\n") == "total"


def test_recall_counts_names_once_and_no_keywords() -> None:
    assert metrics.recall("return total + rate * total", "def f(rate): x") == 0.5
    assert metrics.recall("return 1 + 2", "anything") is None
    assert metrics.identifiers("if größe_2 == a1: x") == {"größe_2", "a1"}


@pytest.mark.parametrize(
    ("text", "does"), [("x = 1\n", True), ("x = (\n", False), ("'\\d'", True), ("\0", False)]
)
def test_parses(text: str, does: bool) -> None:
    assert parses(text) is does
