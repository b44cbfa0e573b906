from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_server.context import ANCHOR_LINES, WINDOW_CHARACTERS_PER_TOKEN, Unsuitable, Window, window_at
from midfill_server.editor.documents import split_lines

TOKENS = 400
BUDGET = TOKENS * WINDOW_CHARACTERS_PER_TOKEN


def at(text: str, offset: int) -> Window:
    lines = split_lines(text)
    above = split_lines(text[:offset])
    return window_at(lines, len(above) - 1, len(above[-1]), TOKENS, TOKENS)


def test_a_small_file_is_sent_whole() -> None:
    assert at("ab\ncd\nef", 4) == Window("ab\nc", "d\nef")


def test_line_ends_become_one_kind() -> None:
    assert at("a\r\nb\rc\r\nd", 5) == Window("a\nb\n", "c\nd")


def test_the_start_stays_put_while_the_user_types() -> None:
    text = "".join(f"line number {n}\n" for n in range(500))
    starts = {at(text + "x" * n, len(text) + n).prefix[:20] for n in range(200)}
    assert len(starts) == 1


def test_the_start_is_anchored_to_whole_blocks_of_lines() -> None:
    text = "".join(f"line number {n}\n" for n in range(500))
    first = int(at(text, len(text)).prefix.split("\n")[0].rsplit(" ", 1)[1])
    assert first % ANCHOR_LINES == 0
    assert first > 0


def test_enormous_lines_are_cut_in_steps() -> None:
    prefixes = [at("x" * n, n).prefix for n in range(10 * BUDGET, 10 * BUDGET + 20)]
    assert all(BUDGET <= len(prefix) <= 2 * BUDGET for prefix in prefixes)
    assert [len(b) - len(a) for a, b in pairwise(prefixes)].count(1) >= 18


@given(st.text("ab\r\n😀\ud800", max_size=60), st.data())
def test_both_sides_meet_at_the_cursor_and_can_be_sent(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    if text[max(offset - 1, 0) : offset + 1] == "\r\n":
        return  # not a position
    window = at(text, offset)
    expected = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ud800", "?")
    assert window.prefix + window.suffix == expected
    window.prefix.encode()
    window.suffix.encode()


def test_the_suffix_is_bounded() -> None:
    assert len(at("a\n" + "b\n" * 5000, 1).suffix) == BUDGET


def test_binary_text_is_refused() -> None:
    with pytest.raises(Unsuitable, match="binary"):
        at("PK\0\1\n", 2)


def test_the_line_around_the_cursor() -> None:
    window = at("one\ntwo three\nfour", 8)
    assert (window.line_start, window.line_rest) == ("two ", "three")
