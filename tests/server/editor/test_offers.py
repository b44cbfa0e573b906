import asyncio
from collections.abc import Iterator

import pytest

from midfill_server.editor.record import offers
from midfill_server.editor.record.offers import Offers

URI = "file:///a.py"


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    before, offers.KEPT_SECONDS = offers.KEPT_SECONDS, 0.0
    yield
    offers.KEPT_SECONDS = before


@pytest.mark.parametrize(
    ("later", "outcome"),
    [
        ("def f():\n    return x + 1\n", ["kept"]),
        ("def f():\n    return y\n", ["changed"]),
        ("x\n    if x\n", ["changed"]),  # it stands elsewhere, behind other words
        (None, []),
    ],
)
async def test_whether_an_accepted_item_is_kept(later: str | None, outcome: list[str]) -> None:
    told: list[str] = []
    it = Offers(told.append, lambda uri: later)
    offer = it.new(URI, "    return ")
    it.grow(offer, "    return x")
    for _ in range(2):
        it.accept(offer)
    await asyncio.sleep(0.01)
    assert told == ["offered", "accepted", *outcome]


async def test_what_only_was_shown_is_not_judged() -> None:
    told: list[str] = []
    it = Offers(told.append, lambda uri: "")
    offer = it.new(URI, "x")
    it.show(offer)
    it.accept_part(offer)
    it.accept("7")
    await asyncio.sleep(0.01)
    assert told == ["offered", "shown", "partlyAccepted"]
    assert it.as_json() == {"shown": 1, "accepted": 0, "partlyAccepted": 1}
