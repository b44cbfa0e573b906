"""What counts as an answer, on both dialects; what is sent; what is said of servers that are none."""

import asyncio
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_model import seam
from midfill_model.process import wire
from midfill_server.engines.backend import MALFORMED, Backend, BackendError, Dialect, Interrupted, Order
from midfill_server.engines.dialects.midfill import MIDFILL
from midfill_server.engines.dialects.openai import TEMPERATURE, chunks_of
from midfill_server.engines.dialects.rendered import Rendered
from midfill_server.engines.dialects.suffix import Suffix
from midfill_server.engines.http.connection import Address
from midfill_server.engines.http.sse import Events

from .server import Peer, event, serving

ORDER = Order("def add(a, b):\n    ", "\n", max_tokens=16)
SEPARATORS = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"


async def read(address: Address, dialect: Dialect = MIDFILL, order: Order = ORDER) -> str:
    with closing(Backend(address)) as backend:
        return "".join([chunk.text async for chunk in backend.stream(order, dialect)])


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"]))), st.data())
def test_events_are_whole_however_the_bytes_are_cut(texts: list[str], data: st.DataObject) -> None:
    body = b"".join(event(text) for text in texts)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)))))
    events, found = Events(), []
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        found += events.feed(body[start:end])
    assert [json.loads(it)["choices"][0]["text"] for it in found + events.end()] == texts


async def test_every_line_separator_of_unicode_arrives(tmp_path: Path) -> None:
    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.completion("x", SEPARATORS, "y")

    async with serving(answer, tmp_path) as server:
        assert await read(server.address) == f"x{SEPARATORS}y"


@pytest.mark.parametrize(
    ("finish", "done", "ours", "theirs"),
    [
        ("stop", True, True, True),
        ("length", False, True, True),
        (None, True, False, True),  # OpenAI's own end of a stream
        (None, False, False, False),
        ("cancelled", True, False, False),
        ("abort", True, False, False),
    ],
)
async def test_what_the_engine_ended_is_no_answer(
    finish: str | None, done: bool, ours: bool, theirs: bool
) -> None:
    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.completion("return ", finish=finish, done=done)

    async with serving(answer) as server:
        for is_answer, dialect in ((ours, MIDFILL), (theirs, Rendered("m"))):
            if is_answer:
                assert await read(server.address, dialect) == "return "
            else:
                with pytest.raises(Interrupted):
                    await read(server.address, dialect)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"data: {\n\n", b'data: {"choices": 5}\n\n', b"data: []\n\n", b"data: \xff\n\n"]
)
async def test_no_server_of_completions_is_one_sentence(body: bytes) -> None:
    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.head()
        if body:
            await peer.part(body)
        await peer.end()

    async with serving(answer) as server:
        with pytest.raises(BackendError, match="does not answer as an OpenAI-compatible server"):
            await read(server.address, Rendered("m"))


@pytest.mark.parametrize(
    "url",
    ["http://localhost:abc", "http://[::1", "localhost:8000", "http://", "http://localhost:0", "ftp://x"],
)
async def test_an_address_that_is_none_is_one_sentence(url: str) -> None:
    with pytest.raises(BackendError):
        await read(Address(url), Rendered("m"))


async def test_a_key_that_no_header_can_hold_is_one_sentence() -> None:
    with pytest.raises(BackendError):
        await read(Address("http://localhost:9", token="a\nb"), Rendered("m"))


async def test_the_engine_reads_what_is_sent(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    async def answer(peer: Peer) -> None:
        bodies.append((await peer.request())[2])
        await peer.completion("a")

    order = Order("p", "s", 7, ("x",), "slot", 11, 12, True, "file:///a", "head", ("one", "two"), 13)
    async with serving(answer, tmp_path) as server:
        await read(server.address, order=order)
    assert set(json.loads(bodies[0])) >= set(seam.Extras.__annotations__)
    request = wire.read_order(bodies[0]).request
    assert (request.prompt, request.suffix, request.max_tokens, request.stop) == ("p", "s", 7, ("x",))
    assert (request.prefix_tokens, request.suffix_tokens, request.context_tokens) == (11, 12, 13)
    assert (request.slot, request.head, request.context) == ("slot", "head", ("one", "two"))
    assert request.heal and request.background and request.beam_width > 1


async def test_choices_are_told_apart_in_one_event_or_in_many() -> None:
    event = {
        "choices": [
            {"index": 1, "text": "b"},
            {"text": "a", "finish_reason": "stop"},
            {"index": 2, "text": None},
        ]
    }
    assert [(it.choice, it.text, it.finish) for it in chunks_of(event)] == [
        (1, "b", None),
        (0, "a", "stop"),
        (2, "", None),
    ]
    assert chunks_of({"choices": [], "usage": {}}) == []
    for wrong in ({"index": "1", "text": "a"}, {"index": 1, "text": 2}, None):
        with pytest.raises(MALFORMED):
            chunks_of({"choices": [wrong]})


@pytest.mark.parametrize(("n", "temperature"), [(1, 0), (3, TEMPERATURE)])
async def test_several_are_asked_for_in_the_way_that_each_engine_knows(
    tmp_path: Path, n: int, temperature: float
) -> None:
    bodies: list[dict[str, object]] = []

    async def answer(peer: Peer) -> None:
        bodies.append(json.loads((await peer.request())[2]))
        await peer.completion("a")

    async with serving(answer, tmp_path) as own, serving(answer) as theirs:
        await read(own.address, order=replace(ORDER, n=n))
        await read(theirs.address, Rendered("m"), replace(ORDER, n=n))
    assert [body.get("n", 1) for body in bodies] == [n, n]
    assert [body["temperature"] for body in bodies] == [0, temperature]
    assert wire.read_order(json.dumps(bodies[0]).encode()).request.n == n


async def test_others_run_between_two_chunks_of_one_packet(tmp_path: Path) -> None:
    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.head()
        await peer.part(event("a") + event("b") + event("c", "stop"))
        await peer.end()

    async with serving(answer, tmp_path) as server:
        news, seen, text = asyncio.Event(), list[str](), ""

        async def watch() -> None:
            while True:
                await news.wait()
                news.clear()
                seen.append(text)

        watcher = asyncio.create_task(watch())
        with closing(Backend(server.address)) as backend:
            async for chunk in backend.stream(ORDER, MIDFILL):
                text += chunk.text
                news.set()
        watcher.cancel()
    assert seen == ["a", "ab", "abc"]


@pytest.mark.parametrize(
    ("told", "tokens"),
    [
        ({"tokens": ["re", "turn"], "token_logprobs": [-0.5, 0]}, ((2, -0.5), (4, 0.0))),
        (
            {"content": [{"token": "re", "logprob": -0.5}, {"token": "turn", "logprob": -1}]},
            ((2, -0.5), (4, -1.0)),
        ),
        ({"tokens": ["re"], "token_logprobs": [-0.5]}, ()),  # they are not the text
        ({"tokens": ["re", "turn"], "token_logprobs": [-0.5]}, ()),
        ({"tokens": ["re", "turn\n"], "token_logprobs": [-0.5, -1]}, ((2, -0.5), (4, -1.0))),  # a stop string
        ({"tokens": ["return", "\n"], "token_logprobs": [-0.5, -1]}, ((6, -0.5), (0, -1.0))),
        ({"tokens": ["return", "\n", "x"], "token_logprobs": [-0.5, -1, -1]}, ()),
        ({"tokens": ["return"], "token_logprobs": [None]}, ()),
        ({"tokens": ["return"], "token_logprobs": [3.0]}, ()),
        ({"tokens": "return"}, ()),
        ({"content": ["return"]}, ()),
        ([], ()),
        (None, ()),
    ],
)
def test_how_sure_the_model_was_is_read_or_nothing_is_known_of_it(told: object, tokens: object) -> None:
    (chunk,) = chunks_of({"choices": [{"text": "return", "logprobs": told}]})
    assert chunk.tokens == tokens


SCORED = replace(ORDER, logprobs=True)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [it.message for it in caplog.records if it.name == "midfill_server.engines.backend"]


@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Content"])
@pytest.mark.parametrize("dialect", [Suffix("m"), Rendered("m")])
async def test_a_server_that_does_not_know_logprobs_is_asked_without_for_ever(
    status: str, dialect: Dialect, caplog: pytest.LogCaptureFixture
) -> None:
    asked_with: list[bool] = []

    async def answer(peer: Peer) -> None:
        asked_with.append("logprobs" in json.loads((await peer.request())[2]))
        if asked_with[-1]:
            await peer.json({"error": {"message": "unknown field: logprobs"}}, status)
        else:
            await peer.completion("a")

    async with serving(answer) as server:
        with closing(Backend(server.address)) as backend:
            for _ in range(3):
                assert [chunk.text async for chunk in backend.stream(SCORED, dialect)] == ["a", ""]
    assert asked_with == [True, False, False, False]
    (line,) = told(caplog)
    assert "refuses `logprobs`" in line and server.address.url in line


async def test_what_is_refused_without_logprobs_too_has_another_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Such as a prompt that is too long: the next one is gated again."""
    asked_with: list[bool] = []

    async def answer(peer: Peer) -> None:
        asked_with.append("logprobs" in json.loads((await peer.request())[2]))
        if len(asked_with) < 3:
            await peer.json({"error": {"message": "too long"}}, "400 Bad Request")
        else:
            await peer.completion("a")

    async with serving(answer) as server:
        with closing(Backend(server.address)) as backend:
            with pytest.raises(BackendError, match="too long"):
                [chunk async for chunk in backend.stream(SCORED, Rendered("m"))]
            assert [chunk.text async for chunk in backend.stream(SCORED, Rendered("m"))] == ["a", ""]
    assert asked_with == [True, False, True]
    assert not any("refuses" in line for line in told(caplog))


async def test_probabilities_of_another_shape_are_said_once_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def answer(peer: Peer) -> None:
        await peer.request()
        await peer.head()
        await peer.part(event("a") + event("b") + event("", "stop"))
        await peer.end()

    async with serving(answer) as server:
        with closing(Backend(server.address)) as backend:
            assert [chunk.text async for chunk in backend.stream(ORDER, Rendered("m"))] == ["a", "b", ""]
            assert told(caplog) == [], "nobody asked for them"
            for _ in range(2):
                assert [chunk.text async for chunk in backend.stream(SCORED, Rendered("m"))] == ["a", "b", ""]
    (line,) = told(caplog)
    assert "does not tell the probability of each token" in line
