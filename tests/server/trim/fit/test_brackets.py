"""Brackets are looked for by patterns, not character by character: lines may be long."""

from hypothesis import given
from hypothesis import strategies as st

from midfill_server.trim.fit.brackets import OPENER, balanced, first_unmatched, unmatched, without_strings

texts = st.text("()[]{}\"'a\\ \n", max_size=20)


def plain(text: str, closer: str) -> int:
    depth = 0
    for i, character in enumerate(without_strings(text)):
        depth += (character == OPENER[closer]) - (character == closer)
        if depth < 0:
            return i
    return len(text)


@given(texts)
def test_what_closes_a_bracket_that_was_not_opened(text: str) -> None:
    places = [plain(text, closer) for closer in OPENER]
    assert [unmatched(text, closer) for closer in OPENER] == places
    assert first_unmatched(text) == min(places)
    code = without_strings(text)
    counts = all(code.count(closer) == code.count(opener) for closer, opener in OPENER.items())
    assert balanced(text) == (counts and min(plain(code, closer) for closer in OPENER) == len(code))
