"""Requests in the background, as an engine takes them that has not begun to run: nothing depends on time."""

import json

from midfill_model.generation.engine import Engine
from midfill_model.generation.requests.ticket import Request
from midfill_model.process.wire import read_order

WINDOW, OTHER = Request("a", "b", slot="window"), Request("a", "b", slot="other")
AHEAD = Request("ab", "b", slot="window", background=True)


def never(_: object) -> None:
    raise AssertionError


def engine() -> Engine:
    return Engine(never, n_slots=2, cache_bytes=1 << 20)  # type: ignore[arg-type]


def test_the_background_gives_way_to_anything_else() -> None:
    for request in (WINDOW, OTHER, AHEAD):
        it = engine()
        ahead = it.submit(AHEAD, never)
        assert not ahead.cancelled
        newer = it.submit(request, never)
        assert (ahead.cancelled, newer.cancelled) == (True, False)


def test_the_background_does_not_begin_beside_anything_else() -> None:
    it = engine()
    first = it.submit(OTHER, never)
    assert it.submit(AHEAD, never).cancelled
    assert not first.cancelled
    first.cancel()  # it ends with its next step
    assert not it.submit(AHEAD, never).cancelled


def test_the_body_says_what_is_in_the_background() -> None:
    for body, wanted in (({}, False), ({"background": True}, True)):
        order = read_order(json.dumps({"prompt": "a"} | body).encode())
        assert order.request.background is wanted
