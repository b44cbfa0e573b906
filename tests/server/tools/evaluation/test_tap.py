"""The tap reads what passes, however the bytes are cut."""

import json

import pytest

from midfill_server.tools.evaluation.tap import Exchange, Listener


def request(body: dict[str, object]) -> bytes:
    content = json.dumps(body).encode()
    return b"POST /v1/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)


def answer(*events: dict[str, object], whole: bool = True) -> bytes:
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events] + [b"data: [DONE]\n\n"] * whole
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(line), line) for line in lines)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_requests_and_timings_are_heard(size: int) -> None:
    exchanges: list[Exchange] = []
    listener = Listener(exchanges)
    health = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
    asked = health + request({"prompt": "aä", "suffix": "b"})
    for at in range(0, len(asked), size):
        listener.sent(asked[at : at + size])
    (exchange,) = exchanges
    assert (exchange.prefix, exchange.suffix, exchange.ended) == ("aä", "b", None)
    told = answer({"choices": [], "timings": {"prefix_tokens": 3}}, {"choices": []})
    for at in range(0, len(told), size):
        listener.received(told[at : at + size])
    assert exchange.timings == {"prefix_tokens": 3}
    assert exchange.first is not None and exchange.ended is not None
    assert exchange.started <= exchange.first <= exchange.ended


def test_a_hang_up_and_a_next_request_end_an_exchange() -> None:
    exchanges: list[Exchange] = []
    listener = Listener(exchanges)
    listener.sent(request({"prompt": "a"}))
    listener.received(answer({"choices": []}, whole=False))
    listener.sent(request({"prompt": "b"}))
    assert [it.ended is None for it in exchanges] == [False, True]
    listener.over()
    assert exchanges[1].ended is not None and exchanges[1].first is None


def test_what_the_model_saw_is_cut_as_the_engine_cut_it() -> None:
    exchange = Exchange({"prompt": "far ä near", "suffix": "next rest"}, 0.0)
    assert exchange.seen() == "far ä near\nnext rest"
    exchange.timings = {"prefix_bytes": 7, "suffix_bytes": 4}
    assert exchange.seen() == "ä near\nnext"


def test_what_was_added_is_apart_from_the_window() -> None:
    body = {"prompt": "near", "suffix": "", "head": "import os\n", "context": ["# a\nx\n", "# b\ny\n"]}
    exchange = Exchange(body, 0.0, timings={"prefix_bytes": 4, "suffix_bytes": 0, "context_bytes": 6})
    assert (exchange.seen(), exchange.added()) == ("near\n", "# a\nx\n")
    exchange.timings["head_bytes"] = 10
    assert exchange.seen() == "import os\nnear\n"
