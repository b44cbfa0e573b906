import pytest

from midfill_server.context import Window
from midfill_server.keystroke.recent import LONGEST_KEY, Recent, cursors_after, rest_of, typed_since
from midfill_server.trim import settled, trim

URI = "file:///a.py"
ASKED = Window("def f():\n    ", "\n\nf()\n")


def typed(text: str) -> Window:
    return Window(ASKED.prefix + text, ASKED.suffix)


def known(text: str = "return 1") -> Recent:
    recent = Recent()
    recent.add(URI, ASKED, text)
    return recent


def test_the_same_place_is_known() -> None:
    assert known().find(URI, ASKED) == "return 1"


def test_typing_along_leaves_the_rest() -> None:
    assert known().find(URI, typed("ret")) == "urn 1"


def test_typing_something_else_is_not_known() -> None:
    assert known().find(URI, typed("rex")) is None


def test_what_follows_a_whole_answer_is_not_known() -> None:
    assert known().find(URI, typed("return 1")) is None


def test_nothing_to_show_is_an_answer_too() -> None:
    assert known("").find(URI, ASKED) == ""
    assert known("").find(URI, typed("r")) is None


def test_another_document_or_another_suffix_is_not_known() -> None:
    assert known().find("file:///b.py", ASKED) is None
    assert known().find(URI, Window(ASKED.prefix, "\n\ng()\n")) is None


def test_the_newest_answer_wins() -> None:
    recent = known("return 1")
    recent.add(URI, ASKED, "return 2")
    assert recent.find(URI, ASKED) == "return 2"


@pytest.mark.parametrize(
    ("item", "keys", "closers", "rest"),
    [
        ("(a, b)", "(", ")", "a, b"),
        ("(a, b)\n    g()", "(a", ")", ", b"),
        ('("a", b)', '("', '")', "a"),
        ('("a", b)', '("a"', ")", ", b"),
        ("(a, b)", "(a, b", ")", ""),
        ("{\n    a\n}", "{\n    ", "\n}", "a"),
        ("(a, b)", "(", "]", None),
        ("(a, b)", "(", "))", None),
        ("(a, b)", "[", "]", None),
        ("a(b)", "a", ")", None),
    ],
)
def test_what_the_editor_closes_by_itself_leaves_the_rest(
    item: str, keys: str, closers: str, rest: str | None
) -> None:
    recent = Recent()
    asked = Window("f = g", "\n\nf()\n")
    recent.add(URI, asked, item)
    assert recent.find(URI, Window(asked.prefix + keys, closers + asked.suffix)) == rest
    assert recent.find(URI, Window(asked.prefix + keys, (closers + asked.suffix)[:-1])) in (rest, None)


def test_typing_over_what_the_editor_closed_leaves_the_rest() -> None:
    recent = Recent()
    asked = Window("f = g", "\n")
    recent.add(URI, asked, "(a).b")
    assert recent.find(URI, Window("f = g(a", ")\n")) == ""
    assert recent.find(URI, Window("f = g(a)", "\n")) == ".b"


def test_memory_is_bounded() -> None:
    recent = Recent(size=3)
    for n in range(10):
        recent.add(f"file:///{n}.py", ASKED, "x")
    assert [n for n in range(10) if recent.find(f"file:///{n}.py", ASKED)] == [7, 8, 9]


@pytest.mark.parametrize(
    "drawn",
    [
        "(║)",
        "[║]",
        "{║}",
        '"║"',
        "'║'",
        "`║`",
        "f(║)",
        "({║})",
        "{\n    ║\n}",
        "{\n\t\t║\n\t}",
        "{\r\n    ║\r\n}",
        "\n    ║\n",
        "\n        ║\n    ",
    ],
)
def test_the_user_may_be_before_the_closers_that_an_editor_inserts(drawn: str) -> None:
    before, _, closers = drawn.partition("║")
    places = list(cursors_after(before + closers))
    assert places[0] == len(before + closers)
    assert len(before) in places


@pytest.mark.parametrize("inserted", ["", "a", "a)", ")", "\n    ", "a\n", "}", "return", "a\nb\n"])
def test_the_user_is_behind_what_closes_nothing(inserted: str) -> None:
    assert list(cursors_after(inserted)) == [len(inserted)]


def test_a_paste_is_no_key() -> None:
    assert list(cursors_after("(" * LONGEST_KEY + ")" * LONGEST_KEY)) == [2 * LONGEST_KEY]


@pytest.mark.parametrize("inserted", ["()", "[]", "{}", '""', "''", "``", "{\n    \n}"])
def test_a_key_that_inserts_its_closer_agrees_with_what_is_being_written(inserted: str) -> None:
    asked = Window("x = f", "\ny\n")
    item = inserted[: (inserted.rfind("\n") if "\n" in inserted else 1)] + "a"
    windows = (
        Window(asked.prefix + inserted[:n], inserted[n:] + asked.suffix) for n in cursors_after(inserted)
    )
    typed = [
        it for window in windows if (it := typed_since(asked, window)) is not None and item.startswith(it)
    ]
    assert typed == [item[:-1]]


def test_enter_between_two_braces_leaves_the_rest() -> None:
    asked = Window("f() {", "}\ng()\n")
    now = Window("f() {\n    ", "\n}\ng()\n")
    assert rest_of("\n    a()\n", asked, now) == "a()"
    assert rest_of("\n    a()\n", asked, Window("f() {\n    ", "\nb }\ng()\n")) is None


def test_the_rest_of_a_growing_item_is_never_taken_back_behind_what_the_editor_closed() -> None:
    asked, now = Window("x = f", "\ny\n"), Window("x = f(", ")\ny\n")
    written, shown = "(a, g(b), [c]) + 1\n", ""
    for n in range(len(written)):
        growing = rest_of(settled(written[:n], asked), asked, now, settled) or ""
        assert growing.startswith(shown)
        shown = growing
    assert (rest_of(trim(written, asked), asked, now) or "").startswith(shown)
    assert shown == "a, g(b), [c]"
