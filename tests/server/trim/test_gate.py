"""The gate, drawn: `‖` ends what is sure, and the texts are cut into tokens at `·`."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_server.trim.gate import Scored, sure_end, whole_end, worth_showing

SURE, UNSURE = math.log(0.99), math.log(0.2)


def scored(drawn: str) -> Scored:
    """Tokens before `‖` are sure, the first one behind it is not."""
    before, _, behind = drawn.partition("‖")
    tokens = [(piece, SURE) for piece in before.split("·") if piece]
    tokens += [(piece, UNSURE) for piece in behind.split("·") if piece]
    text = "".join(piece for piece, _ in tokens)
    return Scored().then(text, tuple((len(piece), logprob) for piece, logprob in tokens))


def gated(text: Scored, start: int, confidence: float) -> tuple[str, bool]:
    """(what is shown behind `start`, whether something was cut off)."""
    end = sure_end(text, start, confidence)
    return (
        (text.text, False) if end is None else (worth_showing(text.text, start, end)[start:].rstrip(), True)
    )


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
    assert gated(scored(drawn), 0, 0.5) == (shown, "‖" in drawn)


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
    text = scored(drawn)
    end = sure_end(text, 0, 0.5)
    assert end is not None
    assert worth_showing(text.text, 0, end, before) == shown


def test_many_small_doubts_are_one_large_one() -> None:
    text = Scored().then("a b c d e f", tuple((n, math.log(0.8)) for n in (1, 2, 2, 2, 2, 2)))
    assert sure_end(text, 0, 0.5) == 5  # 0.8 ** 4 < 0.5
    assert sure_end(text, 0, 0.1) is None


def test_what_was_typed_is_sure() -> None:
    """Typed past the cut, the rest is measured from there."""
    text = scored("return‖ total·.of·(x)")
    assert gated(text, 0, 0.1) == ("return total", True)
    assert gated(text, len("return total"), 0.1) == (".of", True)
    assert gated(text, len("return total.of"), 0.1)[1] is False


def test_half_of_a_token_counts_half() -> None:
    text = Scored().then("abcd", ((4, math.log(0.25)),))
    assert sure_end(text, 0, 0.4) == 0
    assert sure_end(text, 2, 0.4) is None


def test_without_probabilities_nothing_is_gated() -> None:
    assert gated(Scored("return total"), 0, 0.99) == ("return total", False)


def test_explicit_requests_show_all() -> None:
    assert gated(scored("return‖ total"), 0, 0.0) == ("return total", False)


words = st.lists(
    st.tuples(st.sampled_from(["foo", "(", ")", " ", "\n", '"', ".", "bar1", " = ", "and ", "\n    "]),
              st.floats(-3, 0)),
    max_size=12,
)  # fmt: skip


@given(words, st.floats(0.05, 0.95), st.integers(0, 8))
def test_less_confidence_shows_no_less_and_a_longer_text_no_less(
    tokens: list[tuple[str, float]], confidence: float, n: int
) -> None:
    def of(some: list[tuple[str, float]]) -> Scored:
        return Scored().then("".join(t for t, _ in some), tuple((len(t), p) for t, p in some))

    whole = of(tokens)
    ends = [whole_end(whole.text[:m], 0, m) for m in range(len(whole.text) + 1)]
    assert ends == sorted(ends)  # what is shown of it while it grows
    bold, careful = gated(whole, 0, confidence / 2)[0], gated(whole, 0, confidence)[0]
    assert bold.startswith(careful) or not careful
    cut_early = gated(of(tokens[:n]), 0, confidence)
    if cut_early[1]:
        assert gated(whole, 0, confidence)[1]
    assert whole.text.startswith(careful)
