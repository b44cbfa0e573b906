"""What a user hears of a server behind `url` that misbehaves, and that it is over when it is."""

import asyncio

import pytest

from midfill_server.engines import backend as backend_module
from midfill_server.engines.backend import BackendError, Interrupted, Later
from midfill_server.engines.status import State
from midfill_server.engines.url.remote import Remote

from ..fake import TEXT, Fake, models
from ..server import Peer, serving
from .asked import KNOWN, ORDER, asking


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        ("401", "(401): Incorrect API key provided."),
        ("404 model", "(404): The model `m` does not exist."),
        ("404 path", "(404): wrong address: correct the path of midfill.url"),
        ("404 text", "(404): model 'm' not found, try pulling it first"),
        ("405", "(405): wrong address: correct the path of midfill.url"),
        ("422", "(422): body.prompt: field required"),
        ("429", "(429): Rate limit reached"),
        ("500", "(500): Internal Server Error"),
        ("502", "(502): 502 Bad Gateway"),
        ("503", "Loading model"),
        ("302", "(302): it redirects to /elsewhere: put that into midfill.url"),
        ("page", "answers with a web page: correct the path of midfill.url"),
        ("whole", "does not stream"),
        ("error at 200", "The engine failed: out of memory"),
        ("garbage", "does not answer as an OpenAI-compatible server"),
        ("error in the stream", "The engine failed: CUDA out of memory"),
        ("text error in the stream", "The engine failed: CUDA out of memory"),
        ("event of an error", "The engine failed: CUDA out of memory"),
        ("dies", "it hung up"),
    ],
)
async def test_a_fault_is_one_sentence_and_over_when_it_is(does: str, sentence: str) -> None:
    headers = "Location: /elsewhere\r\n" if does == "302" else ""
    async with asking(Fake(KNOWN, does, headers=headers)) as asked:
        first = await asked.fault()
        assert sentence in first
        assert await asked.fault() == first
        asked.fake.does = "completes"
        assert await asked.text() == TEXT


@pytest.mark.parametrize("does", ["cut", "cut in an event"])
async def test_half_an_answer_is_none(does: str) -> None:
    async with asking(Fake(KNOWN, does)) as asked:
        with pytest.raises(Interrupted):
            await asked.text()


async def test_comments_of_a_stream_are_passed_over() -> None:
    async with asking(Fake(KNOWN, "pings")) as asked:
        assert await asked.text() == TEXT


@pytest.mark.parametrize("does", ["mute", "endless"])
async def test_a_server_that_never_ends_is_left(does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_module, "REMOTE_SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(backend_module, "REMOTE_SECONDS", 0.3)
    async with asking(Fake(KNOWN, does)) as asked, asyncio.timeout(20):
        assert ("silent" if does == "mute" else "does not end") in await asked.fault()


@pytest.mark.parametrize("does", ["prose", "signs"])
async def test_a_model_that_does_not_fill_in_is_told(does: str) -> None:
    async with asking(Fake({"/v1/models": models("qwen2.5-coder")}, does)) as asked:
        assert "does not fill in the middle" in await asked.fault()
        assert asked.told == []


async def test_retry_after_is_waited_for() -> None:
    async with asking(Fake(KNOWN, "429", headers="Retry-After: 1\r\n")) as asked:
        await asked.fault()
        asked.fake.does = "completes"
        assert "(429)" in await asked.fault()
        assert len(asked.fake.bodies) == 1, "it was left alone"
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await asked.text() == TEXT
                    break
                except Later:
                    await asyncio.sleep(0.05)


async def test_ready_is_not_told_again_before_a_completion_comes() -> None:
    async with asking(Fake(KNOWN, "500")) as asked:
        for _ in range(3):
            await asked.fault()
        assert len(asked.told) == 1, "the failure would be told anew each time"
        asked.fake.does = "completes"
        await asked.text()
        assert [it.state for it in asked.told] == [State.READY, State.READY]


async def test_a_kept_connection_that_dies_at_the_next_request_is_replaced() -> None:
    n_lost = 0

    async def answer(peer: Peer) -> None:
        nonlocal n_lost
        served = False
        while True:
            first, _, _ = await peer.request()
            if first.startswith("GET"):
                await peer.json(KNOWN["/v1/models"] if "/v1/models" in first else {})
                continue
            if served:  # it has read the request, and hangs up without a word
                n_lost += 1
                return
            await peer.completion(TEXT)
            served = True

    async with serving(answer) as server:
        remote = Remote(server.address.url, "auto", None, "auto", lambda _: None)
        for _ in range(6):
            assert "".join([it.text async for it in remote.stream(ORDER)]) == TEXT
        remote.close()
    assert n_lost == 5


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://127.0.0.1:9", "nobody listens there: start the server, or correct the port"),
        ("http://no-such-host.invalid:8000/v1", "there is no such host: correct its name"),
    ],
)
async def test_nobody_there_is_told_with_what_to_change(url: str, sentence: str) -> None:
    remote = Remote(url, "auto", None, "auto", lambda _: None)
    with pytest.raises(BackendError) as raised:
        await remote.dialect()
    assert sentence in str(raised.value) and url.removesuffix("/v1") in str(raised.value)
    remote.close()


async def test_tls_to_a_plain_port_is_told() -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as server:
        remote = Remote(server.address.url.replace("http", "https"), "auto", None, "auto", lambda _: None)
        with pytest.raises(BackendError, match="it speaks no TLS: write http:// instead of https://"):
            await remote.dialect()
        remote.close()


async def test_plain_http_to_a_port_of_tls_is_told() -> None:
    async def hangs_up(peer: Peer) -> None:
        await peer.request()

    async def alerts(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"\x15\x03\x03\x00\x02\x02\x46")

    for answer in (hangs_up, alerts):
        async with serving(answer) as server:
            remote = Remote(server.address.url, "auto", None, "auto", lambda _: None)
            with pytest.raises(BackendError, match="https://"):
                await remote.dialect()
            remote.close()
