import pytest

from midfill_server.context import Window
from midfill_server.keystroke.recent import PLACES, Recent
from midfill_server.keystroke.written import Written
from midfill_server.trim.gate import Scored

URI = "file:///a.py"
ASKED = Window("def f():\n    ", "\n\nf()\n")


def typed(text: str) -> Window:
    return Window(ASKED.prefix + text, ASKED.suffix)


def known(text: str = "return 1") -> Recent:
    recent = Recent()
    recent.add(URI, Written(ASKED, Scored(text), whole=text))
    return recent


def found(recent: Recent, window: Window) -> str | None:
    shown = recent.find(URI, window, 0)
    return None if shown is None else shown.text


def test_the_same_place_is_known() -> None:
    assert found(known(), ASKED) == "return 1"


def test_typing_along_leaves_the_rest() -> None:
    assert found(known(), typed("ret")) == "urn 1"


def test_typing_something_else_is_not_known() -> None:
    assert found(known(), typed("rex")) is None


def test_what_follows_a_whole_answer_is_not_known() -> None:
    assert found(known(), typed("return 1")) is None


def test_nothing_to_show_is_an_answer_too() -> None:
    assert found(known(""), ASKED) == ""
    assert found(known(""), typed("r")) is None


def test_another_document_or_another_suffix_is_not_known() -> None:
    assert known().find("file:///b.py", ASKED, 0) is None
    assert found(known(), Window(ASKED.prefix, "\n\ng()\n")) is None


def test_the_newest_answer_wins() -> None:
    recent = known("return 1")
    recent.add(URI, Written(ASKED, Scored("return 2"), whole="return 2"))
    assert found(recent, ASKED) == "return 2"


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
    recent.add(URI, Written(asked, Scored(item), whole=item))
    assert found(recent, Window(asked.prefix + keys, closers + asked.suffix)) == rest
    assert found(recent, Window(asked.prefix + keys, (closers + asked.suffix)[:-1])) in (rest, None)


def test_typing_over_what_the_editor_closed_leaves_the_rest() -> None:
    recent = Recent()
    asked = Window("f = g", "\n")
    recent.add(URI, Written(asked, Scored("(a).b"), whole="(a).b"))
    assert found(recent, Window("f = g(a", ")\n")) == ""
    assert found(recent, Window("f = g(a)", "\n")) == ".b"


def others(recent: Recent, *texts: str, asked: Window = ASKED) -> Recent:
    recent.add_others(URI, asked, [Written(asked, Scored(text), whole=text) for text in texts])
    return recent


def test_what_else_is_known_comes_behind_what_is_known() -> None:
    recent = others(known("return 1"), "raise", "return 2", "")
    assert found(recent, ASKED) == "return 1"
    assert found(recent, typed("ra")) == "ise"
    assert found(recent, typed("return ")) == "1"
    assert recent.others(URI, ASKED) == ["raise", "return 2"]


def test_it_is_known_of_its_own_place_alone() -> None:
    recent = others(known(), "raise")
    assert recent.others(URI, typed("r")) is None
    assert recent.others("file:///b.py", ASKED) is None
    assert others(recent, asked=typed("r")).others(URI, typed("r")) == [], "there are none"
    recent.clear()
    assert recent.others(URI, ASKED) is None and recent.find(URI, typed("ra"), 0) is None


def test_memory_is_bounded() -> None:
    recent = Recent(size=3)
    for n in range(10):
        recent.add(f"file:///{n}.py", Written(ASKED, Scored("x"), whole="x"))
    assert [n for n in range(10) if recent.find(f"file:///{n}.py", ASKED, 0)] == [7, 8, 9]
    for n in range(100):
        others(recent, "x", asked=typed(f"{n}"))
    assert sum(recent.others(URI, typed(f"{n}")) == ["x"] for n in range(100)) == PLACES
