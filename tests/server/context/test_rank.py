"""The order in which pieces are sent, against the plain way to find it."""

from collections import Counter
from math import log

from hypothesis import given
from hypothesis import strategies as st

from midfill_server.context.outline import Definition
from midfill_server.context.ranking.rank import RELATIONS, Piece, ranked, score

NAMES = [f"name{n}" for n in range(12)]
texts = st.lists(st.sampled_from(NAMES), max_size=8).map(" ".join)
owners = st.none() | st.sampled_from(NAMES).map(lambda name: Definition(name, 0, f"class {name}:"))
definitions = st.builds(
    lambda name, text, owner: Definition(name, 1, f"{name} {text}".strip(), owner),
    st.sampled_from(["", *NAMES]),
    texts,
    owners,
)
pieces = st.builds(Piece, st.sampled_from("ab"), definitions, st.sampled_from([*RELATIONS]))


@given(st.lists(pieces, max_size=40), st.dictionaries(st.sampled_from(NAMES), st.floats(0.1, 1.0)))
def test_the_order_is_that_of_the_plain_way(found: list[Piece], around: dict[str, float]) -> None:
    """Every name's rarity counted one by one, every piece scored with all of them; equals stay in order."""
    counts = Counter(name for it in found for name in it.definition.names)
    most = log(1 + max(counts.values(), default=1))
    rare = {name: (1 - 0.9 * log(n) / most) ** 2 for name, n in counts.items()}
    scored = [(-score(it, around, rare), n) for n, it in enumerate(found)]
    assert [id(it) for it in ranked(found, around)] == [id(found[n]) for _, n in sorted(scored)]
