"""Several servers in an order: who answers, when the next takes over, and when the first is back."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from midfill_server.engines.backend import BackendError, Interrupted, Order
from midfill_server.engines.choice import Choice
from midfill_server.engines.http.keys import from_environment, key_for
from midfill_server.engines.http.route import Way, find_route
from midfill_server.engines.status import State, Status
from midfill_server.engines.url import several as several_module
from midfill_server.settings import Settings

from ..fake import Fake, models
from ..server import Peer, Server, engine_at, event, serving

ORDER = Order("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", max_tokens=16)
TAKES_OVER = 1.0  # seconds
SLACK = 4.0  # of a machine that does other things


def fake(*words: str, does: str = "completes") -> Fake:
    return Fake({"/v1/models": models("qwen2.5-coder", owner="tabbyAPI")}, does, words=words)


class Window:
    """A choice of several servers, and what its user is told."""

    def __init__(self, *urls: str, **settings: object) -> None:
        self.told: list[Status] = []
        self.choice = Choice(self.told.append)
        self.choice.use(Settings(url=urls, **settings))  # type: ignore[arg-type]

    async def ask(self, order: Order = ORDER) -> str:
        return "".join([chunk.text async for chunk in self.choice.stream(order)])


@asynccontextmanager
async def before(*fakes: Fake, **settings: object) -> AsyncIterator[tuple[Window, list[Server]]]:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serving(it.answer)) for it in fakes]
        window = Window(*(it.address.url for it in servers), **settings)
        yield window, servers
        window.choice.close()
        await asyncio.sleep(0)


async def test_the_first_answers_and_the_others_are_not_asked() -> None:
    first, second = fake("one"), fake("two")
    async with before(first, second) as (window, _):
        assert await window.ask() == "one"
        assert second.asked == []


@pytest.mark.parametrize("does", ["dies", "500", "502", "503", "429", "401", "404 model", "page", "mute"])
async def test_the_next_answers_the_same_request(does: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if does == "mute":
        monkeypatch.setattr("midfill_server.engines.backend.REMOTE_SILENCE_SECONDS", 2.0)
    first, second = fake("one", does=does), fake("two")
    first.headers = "Retry-After: 9\r\n"
    async with before(first, second) as (window, servers):
        begun = time.monotonic()
        assert await window.ask() == "two"
        if does != "mute":  # that one answers small questions: it may just be slow
            assert time.monotonic() - begun < TAKES_OVER + SLACK
        assert window.choice.status.state is State.READY
        assert servers[0].address.url in window.choice.status.message


async def test_one_that_nobody_hears_is_left_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and says nothing, as a machine that hangs."""

    async def mute(peer: Peer) -> None:
        await peer.reader.read()

    second = fake("two")
    async with serving(mute) as hung, serving(second.answer) as server:
        window = Window(hung.address.url, server.address.url)
        begun = time.monotonic()
        assert await window.ask() == "two"
        assert time.monotonic() - begun < TAKES_OVER + SLACK
        begun = time.monotonic()
        assert await window.ask() == "two"
        assert time.monotonic() - begun < TAKES_OVER, "one that was left is not asked first"
        window.choice.close()
        await asyncio.sleep(0)


async def test_one_that_is_slow_but_lives_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several_module, "SILENT_SECONDS", 0.02)
    monkeypatch.setattr(several_module, "ANSWER_SECONDS", 30.0)
    first, second = fake("one"), fake("two")
    may_go = asyncio.Event()
    complete = first.complete

    async def slowly(peer: Peer) -> None:
        await may_go.wait()
        await complete(peer)

    first.complete = slowly  # type: ignore[method-assign]
    async with before(first, second) as (window, _):
        asked = asyncio.create_task(window.ask())
        async with asyncio.timeout(60):
            while first.asked.count("GET /v1/models") < 4:  # noqa: ASYNC110 - it is looked after
                await asyncio.sleep(0.01)
        may_go.set()
        assert await asked == "one"
        assert second.bodies == []


async def test_what_breaks_off_is_no_answer_and_the_next_key_asks_the_next() -> None:
    async def cut(peer: Peer) -> None:
        while True:
            first, _, _ = await peer.request()
            if first.startswith("GET"):
                await peer.json(models("qwen2.5-coder", owner="tabbyAPI"))
                continue
            await peer.head()
            await peer.part(event("one"))
            raise ConnectionError

    second = fake("two")
    async with serving(cut) as first, serving(second.answer) as server:
        window = Window(first.address.url, server.address.url)
        with pytest.raises(Interrupted):
            await window.ask()
        assert window.choice.status.state is not State.FAILED
        assert await window.ask() == "two"
        window.choice.close()
        await asyncio.sleep(0)


async def test_the_first_is_taken_again_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(several_module, "RETRY_SECONDS", 0.02)
    first, second = fake("one", does="500"), fake("two")
    first.routes["/v1/models"] = (500, "broken")
    async with before(first, second) as (window, servers):
        assert await window.ask() == "two"
        first.routes["/v1/models"] = models("qwen2.5-coder", owner="tabbyAPI")
        first.does = "completes"
        async with asyncio.timeout(60):
            while servers[0].address.url in window.choice.status.message:  # noqa: ASYNC110 - it is told by a task
                await asyncio.sleep(0.01)
        assert await window.ask() == "one"


async def test_a_request_that_every_server_refuses_is_asked_once() -> None:
    first, second = fake("one", does="422"), fake("two")
    async with before(first, second) as (window, _):
        with pytest.raises(BackendError, match="422"):
            await window.ask()
        assert second.bodies == []


async def test_when_none_answers_the_last_says_why_once() -> None:
    async with before(fake(does="500"), fake(does="401")) as (window, _):
        for _ in range(3):
            with pytest.raises(BackendError):
                await window.ask()
        failed = [it for it in window.told if it.state is State.FAILED]
        assert len(failed) == 1


async def test_what_is_fetched_ahead_goes_to_no_other() -> None:
    first, second = fake("one", does="500"), fake("two")
    async with before(first, second) as (window, _):
        with pytest.raises(Interrupted):
            await window.ask(Order("a = ", "\n", 8, background=True))
        assert second.bodies == []


async def test_the_engine_of_this_machine_may_be_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_RUNTIME_DIR", str(tmp_path))

    async def says(peer: Peer) -> None:
        await peer.completion("mine")

    first = fake("one", does="500")
    async with engine_at(tmp_path, says) as engine, serving(first.answer) as server:
        window = Window(server.address.url, "local")
        assert await window.ask() == "mine"
        first.does = "completes"
        assert engine.asked == 1
        assert window.choice.status.state is State.READY
        window.choice.close()
        await asyncio.sleep(0)


async def test_the_engine_of_this_machine_may_be_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_RUNTIME_DIR", str(tmp_path))

    async def says(peer: Peer) -> None:
        await peer.completion("mine")

    async with engine_at(tmp_path, says):
        window = Window("local:demo")
        assert await window.ask() == "mine"
        window.choice.close()
        await asyncio.sleep(0)


async def test_keys_and_headers_go_to_their_own_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST_KEY", "one-secret")
    monkeypatch.setenv("SECOND_KEY", "two-secret")
    first, second = fake("one", does="500"), fake("two")
    async with before(first, second, api_key_env=("FIRST_KEY", "SECOND_KEY")) as (window, _):
        assert await window.ask() == "two"
    assert [it["authorization"] for it in first.bodies] == ["Bearer one-secret"]
    assert [it["authorization"] for it in second.bodies] == ["Bearer two-secret"]
    told = repr(window.told) + repr(window.choice.__dict__)
    assert "one-secret" not in told and "two-secret" not in told


async def test_headers_are_sent_with_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_TOKEN", "hush")
    seen: list[dict[str, str]] = []

    async def notes(peer: Peer) -> None:
        while True:
            first, headers, _ = await peer.request()
            seen.append(headers)
            if first.startswith("GET"):
                await peer.json(models("qwen2.5-coder", owner="tabbyAPI"))
            else:
                await peer.completion("one")

    async with serving(notes) as server:
        headers = (("X-Team", "editors"), ("X-Token", "$TEAM_TOKEN"))
        window = Window(server.address.url, headers=headers)
        assert await window.ask() == "one"
        window.choice.close()
        await asyncio.sleep(0)
    assert seen and all((it["x-team"], it["x-token"]) == ("editors", "hush") for it in seen)


async def test_a_router_that_keeps_caches_finds_a_window_again() -> None:
    """SGLang's, by its header; nobody's name is in it."""
    seen: list[str | None] = []

    async def notes(peer: Peer) -> None:
        while True:
            first, headers, _ = await peer.request()
            if first.startswith("GET /v1/models"):
                await peer.json(models("qwen2.5-coder", owner="sglang"))
            elif first.startswith("GET"):
                await peer.json({})
            elif "/tokenize" in first:
                await peer.json({"detail": "Not Found"}, "404 Not Found")
            else:
                seen.append(headers.get("x-smg-routing-key"))
                await peer.completion("one")

    async with serving(notes) as server:
        window = Window(server.address.url)
        assert [await window.ask() for _ in range(3)] == ["one"] * 3
        window.choice.close()
        await asyncio.sleep(0)
    assert len(seen) == 3 and len(set(seen)) == 1 and seen[0]


async def test_a_proxy_of_the_users_is_asked_for_every_host() -> None:
    first = fake("one")
    async with serving(first.answer) as proxy:
        window = Window("http://gpu.invalid:8000", proxy=proxy.address.url)
        assert await window.ask() == "one"
        window.choice.close()
        await asyncio.sleep(0)


def key_file(path: Path, content: str, mode: int = 0o600) -> Settings:
    path.write_text(content)
    path.chmod(mode)
    return Settings(api_key_file=str(path))


def test_a_key_comes_from_a_private_file_alone(tmp_path: Path) -> None:
    assert key_for(key_file(tmp_path / "a", "sk-secret\n"), 0) == ("sk-secret", "")
    for mode in (0o644, 0o640, 0o604):
        key, why = key_for(key_file(tmp_path / "b", "sk-secret\n", mode), 0)
        assert key is None and "chmod 600" in why and "sk-secret" not in why


@pytest.mark.parametrize("content", ["", "\n", "two words", "é", "a\x00b"])
def test_a_file_that_holds_no_key_is_told(tmp_path: Path, content: str) -> None:
    key, why = key_for(key_file(tmp_path / "a", content), 0)
    assert key is None and "holds no key" in why


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    key, why = key_for(Settings(api_key_file=str(tmp_path / "none")), 0)
    assert key is None and "cannot be read" in why


def test_a_header_may_be_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_TOKEN", "hush")
    assert [from_environment(it) for it in ("$TEAM_TOKEN", "plain", "$NOT_SET_ANYWHERE")] == [
        "hush",
        "plain",
        "",
    ]


async def test_certificates_of_ones_own_are_told_when_they_are_none(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("hello")
    for name, why in (("no.pem", "holds no certificate"), ("missing.pem", "No such file")):
        with pytest.raises(OSError, match=why):
            await find_route("https://localhost:1", None, Way(ca_file=str(tmp_path / name)))


async def test_certificates_of_ones_own_are_trusted() -> None:
    import certifi

    route = await find_route("https://localhost:1", None, Way(ca_file=certifi.where()))
    assert isinstance(route.tls, ssl.SSLContext)
