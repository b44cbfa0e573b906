"""The cursor is drawn in the text: ║ is where the completion goes."""

import re

import pytest

from midfill_model.fim import CONTROL, EOS, FIM_HOLE
from midfill_server.trim import FILTERS, is_final, settled, trim, whole_lines, why_empty

from .drawn import window


def check(drawn: str, written: str, shown: str, multiline: bool = True, language: str = "") -> None:
    assert trim(written, window(drawn, language, multiline)) == shown


# one line or a block


def test_only_one_line_where_text_follows_on_the_line() -> None:
    check("x = ║ + z\n", "y\nw = 1\n", "y")


def test_several_lines_where_only_closers_follow() -> None:
    check("call(║)\n", "\n    a,\n    b,\n", "\n    a,\n    b,\n")


def test_a_line_that_has_begun_takes_its_body_along() -> None:
    check(
        "def f(║\n",
        "a, b):\n    c = a + b\n    return c\n\n\ndef g():\n",
        "a, b):\n    c = a + b\n    return c",
    )


def test_a_line_that_has_begun_ends_where_the_indent_returns() -> None:
    check("    if x║\n", " > 1:\n        y()\n    z()\n", " > 1:\n        y()")


def test_the_line_that_closes_a_block_belongs_to_it() -> None:
    check("function f(║\n", "a) {\n  return a\n}\nf(1)\n", "a) {\n  return a\n}")


def test_a_line_that_closes_and_opens_goes_on() -> None:
    check("if (a║\n", ") {\n  b\n} else {\n  c\n}\nd\n", ") {\n  b\n} else {\n  c\n}")


def test_a_block_on_an_empty_line_ends_at_a_blank_line() -> None:
    check("def f():\n    ║\n", "a = 1\n    return a\n\n    never()\n", "a = 1\n    return a")


def test_a_block_on_an_empty_line_ends_where_the_indent_ends() -> None:
    check("def f():\n    ║\n", "return 1\n\ndef g():\n", "return 1")
    check("def f():\n║\n", "    return 1\nclass C:\n", "    return 1")


def test_a_finished_line_may_be_followed_by_new_ones() -> None:
    check("x = 1║\n", "\ny = 2\nz = 3\n\nw = 4\n", "\ny = 2\nz = 3")


def test_one_line_when_the_user_wants_no_more() -> None:
    check("def f(║\n", "a):\n    return a\n", "a):", multiline=False)


# duplicates


@pytest.mark.parametrize(
    ("drawn", "written", "shown"),
    [
        ("print(║)\n", '"hello")', '"hello"'),
        ("print(║)\n", "f(x))", "f(x)"),
        ("print(║)\n", "f(x)", "f(x)"),
        ("a[║]\n", "i[0]] = 1", "i[0]"),
        ("print(║)\n", '":)"', '":)"'),
        ('name = "║"\n', 'Ada"', "Ada"),
        ("x = ║ + z\n", "y + z", "y"),
        ("for ║ in rows:\n", "row in rows:", "row"),
    ],
)
def test_the_rest_of_the_line_is_not_repeated(drawn: str, written: str, shown: str) -> None:
    check(drawn, written, shown)


def test_following_lines_are_not_repeated() -> None:
    check("a = 1\n║\nc = 3\nd = 4\n", "b = 2\nc = 3\nd = 4", "b = 2")
    check("a = 1\n║\n\nc = 3\n", "c = 3", "")


def test_a_closing_line_is_dropped_only_when_it_closes_too_much() -> None:
    check("f(() => {\n  if (a) {\n    ║\n}\n", "b()\n}", "b()")
    check("{\n  ║\n}\n", "{\n  b\n  }", "{\n  b\n  }")
    check("{\n    {\n        ║\n    }\n}\n", "    }\n}", "")


def test_a_line_that_stands_above_or_below_is_not_written_again() -> None:
    check("a = 1\n║\n", "a = 1\nb = 2\n", "")
    check("a = 1\nb = ║\n", "2\na = 1\n", "2")
    check("x = 1\n║\nc = 3\nd = 4\n", "b = 2\nd = 4\ne = 5\n", "b = 2")
    check("if a:\n    ║\nelse:\n    return b\n", "return b", "")
    check('    "1",\n    ║\n    "☔",\n', '"☔",', "")


def test_the_line_above_may_be_the_body_of_another_block() -> None:
    check("if a:\n    return\n║\n", "if b:\n    return\n", "if b:\n    return")
    check("if a:\n    return\n║\n", "b()\n    return\n", "b()")


def test_the_word_above_that_closes_a_block_may_close_another() -> None:
    check("if a then\n  b()\nend\n║\n", "if c then\n  d()\nend\n", "if c then\n  d()\nend")
    check("if a; then\n  b\nfi\n║\n", "if c; then\n  d\nfi\n", "if c; then\n  d\nfi")
    check("it(function()║\nend)\n", "\n  b()\nend)\n", "\n  b()")


def test_a_comma_makes_no_other_line() -> None:
    check('f(\n    "a",\n    ║\n)\n', '"a"', "")


def test_the_same_words_at_another_depth_are_another_line() -> None:
    check("if a:\n    ║\nelse:\n    pass\nx = 1\n", "x = 1", "x = 1")


# circles


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a()\nb()\nb()\nb()\n", "a()\nb()"),
        ("a()\nb()\na()\nb()\na()\nb()\n", "a()\nb()\na()\nb()"),
        ("f(1)\nsaid so and said so and said so and said so and", "f(1)"),
        ("said so and said so and said so and said so and", "said so and"),
        ("0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,", "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,"),
        ("# ========================", "# ========================"),
        ("if (a) {\n  if (b) {\n    c\n  }\n}", "if (a) {\n  if (b) {\n    c\n  }\n}"),
        ("a.x = x\na.y = y\na.x = x\na.y = y\n", "a.x = x\na.y = y"),
        ("a: x,\nb: y,\na: x,\nb: y,\n", "a: x,\nb: y,"),
        ("show()\nwalk()\nshow()\n", "show()\nwalk()\nshow()"),
        ("a.x = x\na.y = y\na.z = z\na.x = x\na.y = y\n", "a.x = x\na.y = y\na.z = z"),
        ("a = next(it)\nb = c\nd = e\na = next(it)\n", "a = next(it)\nb = c\nd = e\na = next(it)"),
        ("a = b\nif c:\n    d()\na = b\n", "a = b\nif c:\n    d()\na = b"),
    ],
)
def test_an_item_ends_where_it_goes_round_in_circles(written: str, shown: str) -> None:
    check("def f():\n║\n", written, shown)


def test_a_row_of_assignments_is_not_written_again() -> None:
    above = "def f(self, x, y, z):\n    self.x = x\n    self.y = y\n"
    check(f"{above}    ║\n", "self.z = z\n    self.x = x\n", "self.z = z")
    check(f"{above}    self.x║\n", " = x\n    self.z = z\n", "")
    check(f"{above}    ║\n", "self.x = y\n", "self.x = y")


# in the middle of a line


@pytest.mark.parametrize(
    ("drawn", "written", "shown"),
    [
        ("    rai║se TypeError(a)\n", "se TypeError(b)", ""),
        ("from_h║er(self.headers.get(a))\n", "ead", "ead"),
        ("from_h║er(self.headers.get(a))\n", "eader(self.headers.get(b), c)", "ead"),
        ("f(║, key=1)\n", "a, b, key=2)", "a, b"),
        ("x = ║ if a else b\n", "f(1)", "f(1)"),
        ("x = ║ if a else b\n", "f(1", "f(1)"),
        ("x = ║ if a else b\n", "1) + 2", "1"),
        ("kwarg║ple(args), kwargs\n", "s.append(name)", ""),
    ],
)
def test_an_item_in_the_middle_of_a_line_fits_it_or_is_not_shown(
    drawn: str, written: str, shown: str
) -> None:
    check(drawn, written, shown)


# Python's own parser


@pytest.mark.parametrize(
    ("drawn", "written", "shown"),
    [
        ("def f(a):\n    ║\n    return a\n", "if a:\n        a = 1", "if a:\n        a = 1"),
        ("def f(a):\n    ║\n    return a\n", "b = a +", "b = a"),
        ("def f(a):\n    ║\n    return a\n", "+", ""),
        ("def f(a):\n    ║\n    return a\n", "b = a\n    c = (b,", "b = a"),
        ("def f(a):\n    if ║\n", "a:", "a:"),  # its body comes next
        ("class C:\n    def f(self):\n        x = ║ + 1\n\n    def g(self):\n", "self.a", "self.a"),
        ("class C:\n    def f(self):\n        x = ║ + 1\n\n    def g(self):\n", "self.a b", "self.a"),
        ("def f(a):\n    ║\n        b()\n", "c = 1", ""),
        ("def f(a):\n    ║\n        b()\n", "if a:", "if a:"),
        ("x = [\n    ║\n]\n", "1, 2,", "1, 2,"),
        ("def f(\n    a: ║\n) -> None:\n    pass\n", "int = 1,", "int = 1,"),
        ('def f():\n    """Say ║\n\n    And more.\n    """\n', "what it does.", "what it does."),
    ],
)
def test_an_item_leaves_python_that_parses(drawn: str, written: str, shown: str) -> None:
    check(drawn, written, shown, language="python")


@pytest.mark.parametrize(
    ("drawn", "written", "shown"),
    [
        ("x = f(║\n)\n", "g(a, b", "g(a, b)"),
        ("x = f(a, ║\ny = 1\n", "g(b", "g(b))"),
        ("x = ║[0]\n", "f(a", "f(a)"),
        ("f(\n    str(║\n    b,\n)\n", "g(a),", "g(a)),"),
        ("f(\n    ║\n    b,\n)\n", "a", "a,"),
        ("def f(a):\n    ║\n        return a\n", "if a", "if a:"),
        ("def f(a):\n    if (\n        a\n        ║\n        return a\n", "and b", "and b\n    ):"),
        ("def f():\n    ║\n    return a\n", "a = g(\n        1,", "a = g(\n        1,\n    )"),
        ("def f():\n    ║\n    return a\n", "a = 1\n    b = g(", "a = 1"),
        ("x = ║\ny = 1\n", 'f("a, b', 'f("a, b")'),
        ("def f():\n    ║\n    return 1\n", '"""Say.', '"""Say."""'),
        ("def f():\n    ║\n    return 1\n", '"""Say.\n\n    More.', '"""Say.\n\n    More.\n    """'),
        ("x = ║\ny = 1\n", "1  # it's (", "1  # it's ("),
        ('x = "║\ny = 1\n', "a", ""),
        ('def f():\n    """║\n\ndef g():\n    pass\n', "Say.", 'Say."""'),
        ('def f():\n    """\n    ║\n\ndef g():\n    pass\n', "Say.", 'Say.\n    """'),
        ('def f():\n    """\n    ║\n\ndef g():\n    pass\n', 'Say.\n    """\n', 'Say.\n    """'),
    ],
)
def test_what_is_missing_is_added(drawn: str, written: str, shown: str) -> None:
    check(drawn, written, shown, language="python")


@pytest.mark.parametrize(
    ("drawn", "written", "shown"),
    [
        ("x = f(\n    ║\n)\n", "g(a), b))) + 1", "g(a), b"),
        ("f(║, key=1)\n", "a, b=2, c", "a, b=2"),
        ("def f(a):\n    ║\n    return a\n", "b = a if a else", "b = a"),
        ("def f(a):\n    ║\n    return a\n", "return or raise a", ""),
        ("f('║aw', 2)\n", "raw', 1", "r"),
        ("from a imp║ C, D\n", "ort B", "ort"),
        ("if self.a║coding_set:\n    b()\n", "_type is not:", ""),
    ],
)
def test_what_is_too_much_is_taken_away(drawn: str, written: str, shown: str) -> None:
    check(drawn, written, shown, language="python")


@pytest.mark.parametrize(
    ("drawn", "written", "shown"),
    [
        ("class C:\n    a = 1\n    @║\n    def f(self):\n        pass\n", "property", "property"),
        ("@║\ndef f():\n    pass\n", "cache(", "cache()"),
        ("if a:\n    b()\n\n║\n# Or else.\nelif c:\n    d()\n", "e = 1", ""),
        ('def f():\n    """Say.\n\n    x = 1\n    ║\n    """\n', "and so on", "and so on"),
        ("    1: (2, 3),\n" * 9 + "    ║\n" + "    9: (2, 3),\n" * 9, "7: (2, 3", "7: (2, 3),"),
        ("f(a)\n" * 4000 + "g(║\n" + "h(a)\n" * 4000, "a", "a)"),
    ],
)
def test_the_judge_sees_what_it_needs(drawn: str, written: str, shown: str) -> None:
    check(drawn, written, shown, language="python")


def test_code_that_is_broken_elsewhere_does_not_silence_us() -> None:
    broken = "def f(a):\n    b = (((\n    c = ]\n    ║\n    return a\n"
    check(broken, "d = 1", "d = 1", language="python")


def test_a_docstring_may_hold_blank_lines() -> None:
    written = 'def f():\n    """One.\n\n    Two.\n    """\n    return 1\n\n\ndef g():\n'
    check("║\n", written, 'def f():\n    """One.\n\n    Two.\n    """\n    return 1')


# what must never be seen


@pytest.mark.parametrize("mark", CONTROL)
def test_control_tokens_never_reach_the_editor(mark: str) -> None:
    check("x = ║", f"1{mark}garbage", "1")
    for n in range(2, len(mark)):
        check("x = ║", f"1{mark[:n]}", "1")
        check("x = ║", f"1{mark[:2]}{mark[:n]}", "1")


def test_a_less_than_sign_is_not_a_control_token() -> None:
    check("if x ║", "< y", "< y")


@pytest.mark.parametrize("blank", ["", " ", "\n", "\t\n  \n", EOS, FIM_HOLE])
def test_nothing_but_blanks_is_nothing(blank: str) -> None:
    check("x = ║", blank, "")


def test_trailing_blanks_are_dropped() -> None:
    check("x = ║", "1  \t", "1")


def test_line_ends_of_any_kind_are_understood() -> None:
    check("def f():\n    ║\n", "a = 1\r\n    b = 2\r\n\r\n", "a = 1\n    b = 2")


# while it grows


@pytest.mark.parametrize(
    ("drawn", "written", "final"),
    [
        ("x = ║ + z", "y", False),
        ("x = ║ + z", "y\n", True),
        ("def f():\n    ║\n", "a = 1\n    ", False),
        ("def f():\n    ║\n", "a = 1\n    b", False),
        ("def f():\n    ║\n", "a = 1\n\n", True),
        ("def f():\n    ║\n", "a = 1\nd", True),
        ("f(║\n", "a, {\n  b\n}", False),
        ("f(║\n", "a, {\n  b\n})\n", True),
        ("x = ║", f"1{EOS}", True),
        ("def f():\n    ║\n    return a\n", "a = 1\n    return", False),
        ("def f():\n    ║\n    return a\n", "a = 1\n    return a\n", True),
        ("def f():\n    ║\n", "a()\n    b()\n    b()\n", True),
        ("print(║)\n", "f(x), g(y)", False),
        ("print(║)\n", "f(x))", True),
        ("x = ║ if abcdefgh else b\n", "y if abcdefgh", True),
    ],
)
def test_decoding_stops_as_soon_as_the_item_is_final(drawn: str, written: str, final: bool) -> None:
    assert is_final(written, window(drawn)) is final


@pytest.mark.parametrize(
    ("drawn", "written"),
    [
        ("def f(║\n\nf(1)\n", "a, b):\n    c = a + b\n    return c\n\n\ndef g():\n"),
        ("def f():\n    ║\n\nf()\n", "a = 1\n    b = 2\n    return a\n\nf()\n"),
        ("print(║)\n", "f(x), g(y))\n"),
        ("    for║ v in values:\n", " v in values:\n"),
        ("x = ║ + z\n", "y + z\n"),
        ("a\n║\n", f"<<{CONTROL[0]}\n"),
    ],
)
def test_what_was_shown_while_growing_stays(drawn: str, written: str) -> None:
    place, shown = window(drawn), ""
    for n in range(len(written) + 1):
        growing = settled(written[:n], place)
        assert growing.startswith(shown)
        shown = growing
        if is_final(written[:n], place):
            break
    assert trim(written, place).startswith(shown)


def test_a_line_cut_by_the_token_limit_is_not_offered() -> None:
    assert whole_lines("a = 1\nb = 2\nc =") == "a = 1\nb = 2"
    assert whole_lines("a = 1\nb = 2\n") == "a = 1\nb = 2"
    assert whole_lines("a = fo") == "a = fo"
    assert whole_lines("\n    a = fo") == "\n    a = fo"


# why nothing is left


@pytest.mark.parametrize(
    ("drawn", "written", "language", "why"),
    [
        ("x = ║)\n", ")\n", "python", "stands behind the cursor already"),
        ("def f(a):\n    a║\n", ") + 1\n", "python", "code that does not parse"),
        ("import os\n║\n", "import os\n", "python", "stands there|imported already|repeats"),
        ("x = ║\n", "1\n", "python", ""),
    ],
)
def test_why_nothing_is_left_is_said_in_words(drawn: str, written: str, language: str, why: str) -> None:
    told = why_empty(written, window(drawn, language))
    assert re.search(why, told) and bool(told) == (trim(written, window(drawn, language)) == "")


def test_no_word_of_the_code_is_among_them() -> None:
    """They are for people: no filter's name, and each goes on from "it"."""
    for apply, why in FILTERS.items():
        assert why and not re.search(r"[_().]|^it\b|^[A-Z]", why), apply
