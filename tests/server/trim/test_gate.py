"""The gate, drawn: `‖` ends what is sure, and the texts are cut into tokens at `·`."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_server.trim.gate import Scored, worth_showing

SURE, UNSURE = math.log(0.99), math.log(0.2)


def scored(drawn: str) -> Scored:
    """Tokens before `‖` are sure, the first one behind it is not."""
    before, _, behind = drawn.partition("‖")
    tokens = [(piece, SURE) for piece in before.split("·") if piece]
    tokens += [(piece, UNSURE) for piece in behind.split("·") if piece]
    text = "".join(piece for piece, _ in tokens)
    return Scored().then(text, tuple((len(piece), logprob) for piece, logprob in tokens))


def gated(text: Scored, start: int = 0, confidence: float = 0.5, before: str = "") -> tuple[str, bool]:
    """(what is shown behind `start`, whether something was cut off)"""
    end = worth_showing(text, start, confidence, before).end
    return text.text[start:end].rstrip(), end < len(text.text)


@pytest.mark.parametrize(
    ("drawn", "shown"),
    [
        ("return· total", "return total"),
        ("return· total‖ +· tax", "return total"),
        ("return· to‖tal", ""),  # half a name, then half a statement
        ("x· =· to‖tal", ""),
        ("items.append·(‖first)", "items.append"),
        ("items.append·(first·)‖\nmore", "items.append(first)"),
        ("a· and‖ b", ""),  # one character is not worth a glance
        ("total· and‖ tax", "total"),
        ("print·(·\"hel‖lo\"·)", "print"),
        ("print·(·\"hello\"‖,· end)", "print"),  # what would close it is not sure
        ("print·(·\"hello\"·)·\n‖x", 'print("hello")'),
        ("print·(·[1, 2]·, {·3: 4}·)‖ or", "print([1, 2], {3: 4})"),
        ('\"\"\"·Count·s‖ up', ""),  # ends within a name, and within a string
        ('\"\"\"·Counts.·\"\"\"‖ up', '\"\"\"Counts.\"\"\"'),
        ("# don't· count‖ down", "# don't count"),
        ("total· +=· 1\n‖    return", "total += 1"),
        ("total· +=· 1\n    return‖ total", "total += 1"),
        ("total· +=· 1\n    return· total\n‖x", "total += 1\n    return total"),
        ("\n    total‖ x", "\n    total"),
        ("‖anything", ""),
    ],
)  # fmt: skip
def test_what_is_worth_showing(drawn: str, shown: str) -> None:
    assert gated(scored(drawn)) == (shown, "‖" in drawn)


@pytest.mark.parametrize(
    ("before", "drawn", "shown"),
    [
        ("print(", "first·, second·)‖ or", "first, second)"),  # closes what is open
        ("print(", "first·, second‖ or", "first, second"),
        ('print("', 'a b·=·c·"·, end·=·f(‖x', 'a b=c", end=f'),
        ("x = f(y)\nprint(", "first·(a‖, b", "first"),
        ("it's\nx = ", "'a'·, b‖, c", "'a', b"),
    ],
)
def test_what_is_open_already_may_stay_open(before: str, drawn: str, shown: str) -> None:
    assert gated(scored(drawn), before=before)[0] == shown


def doubtful(*tokens: tuple[str, float]) -> Scored:
    return Scored().then("".join(t for t, _ in tokens), tuple((len(t), math.log(p)) for t, p in tokens))


def test_many_small_doubts_are_one_large_one() -> None:
    text = doubtful(*((f"a{n} ", 0.8) for n in range(6)))
    assert gated(text, 0, 0.7) == ("a0", True)  # 0.8 ** 2 < 0.7
    assert gated(text, 0, 0.1)[0].startswith("a0 a1")


def test_a_little_that_is_sure_gains_more_than_much_that_is_hardly_so() -> None:
    assert gated(doubtful(("total", 0.95), (" tax", 0.55), (" or", 0.1))) == ("total", True)
    assert gated(doubtful(("total", 0.95), (" tax", 0.85), (" or", 0.1))) == ("total tax", True)


def test_a_whole_line_needs_less() -> None:
    assert gated(doubtful(("total tax", 0.45))) == ("total tax", False)
    assert gated(doubtful(("total tax", 0.45), ("\n", 0.3), ("x", 0.1))) == ("total tax", True)
    assert gated(doubtful(("total tax", 0.45), (" and", 0.1))) == ("", True)


def test_what_was_typed_is_sure() -> None:
    """Typed past the cut, the rest is measured from there."""
    text = scored("return‖ total·.of·(x)")
    assert gated(text, len("return total"), 0.1) == (".of", True)
    assert gated(text, len("return total.of"), 0.1) == ("(x)", False)


def test_half_of_a_token_counts_half() -> None:
    text = doubtful(("abcd", 0.25))
    assert gated(text, 0, 0.6) == ("", True)
    assert gated(text, 2, 0.6) == ("cd", False)


def test_a_token_without_text_counts_too() -> None:
    """The first bytes of a character: what they begin is shown by a later token."""
    assert gated(doubtful(("total = ", 0.99), ("", 0.3), ("é" * 4, 0.99))) == ("total", True)


def test_without_probabilities_nothing_is_gated() -> None:
    assert gated(Scored("return total"), 0, 0.99) == ("return total", False)


def test_probabilities_that_do_not_make_up_the_text_are_none() -> None:
    text = Scored().then("return", ((6, -9.0),)).then(" total").then(" + 1", ((4, -9.0),))
    assert text == Scored("return total + 1")
    assert Scored().then("return", ((5, -9.0),)) == Scored("return")


def test_explicit_requests_show_all() -> None:
    assert gated(scored("return‖ total"), 0, 0.0) == ("return total", False)


words = st.lists(
    st.tuples(st.sampled_from(["foo", "", "(", ")", " ", "\n", '"', ".", "bar1", " = ", "and ", "\n    "]),
              st.floats(0.4, 1)),
    max_size=12,
)  # fmt: skip


@given(words, st.floats(0.05, 0.95))
def test_what_is_worth_showing_grows_with_the_text(
    tokens: list[tuple[str, float]], confidence: float
) -> None:
    parts = [worth_showing(doubtful(*tokens[:n]), 0, confidence, ended=False) for n in range(len(tokens) + 1)]
    parts.append(worth_showing(doubtful(*tokens), 0, confidence))
    for earlier, later in pairwise(parts):
        assert later.end >= earlier.end
        assert not earlier.final or earlier == later


@given(words, st.floats(0.05, 0.95), st.integers(0, 30))
def test_it_does_not_shrink_while_it_is_typed(
    tokens: list[tuple[str, float]], confidence: float, typed: int
) -> None:
    text = doubtful(*tokens)
    ends = [worth_showing(text, it, confidence).end for it in (0, *text.ends)]
    assert ends == sorted(ends)
    assert worth_showing(text, typed, confidence).end >= ends[0]


def test_a_shorter_part_that_gains_more_later_takes_nothing_back() -> None:
    """Within the string, `two` needs no quote behind it any more."""
    text = doubtful((",", 0.99), (' "', 0.99), ("tw", 0.74), ("o", 1.0), ('")', 0.56))
    assert gated(text) == (', "two")', False)
    assert gated(text, len(', "')) == ('two")', False)
