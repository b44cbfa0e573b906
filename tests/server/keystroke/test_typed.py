"""Where the user may be after a change, and what an item leaves there."""

import pytest

from midfill_server.context import Window
from midfill_server.keystroke.typed import LONGEST_KEY, cursors_after, rest_of, typed_since
from midfill_server.trim import settled, trim


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
