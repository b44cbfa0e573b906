"""The status is true after every change, and a failure is told once."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_server.engines import choice as choice_module
from midfill_server.engines.backend import BackendError, Interrupted, Order
from midfill_server.engines.choice import Choice
from midfill_server.engines.resident import LOOK_SECONDS
from midfill_server.engines.status import State, Status
from midfill_server.settings import Settings

from .server import Peer, Server, engine_at, serving

ORDER = Order("def add(a, b):\n    ", "\n", max_tokens=16)
OWN = Settings(model="demo")


class Window:
    """A choice, and what its user is told."""

    def __init__(self) -> None:
        self.told: list[Status] = []
        self.choice = Choice(self.told.append)

    async def ask(self) -> str:
        return "".join([chunk.text async for chunk in self.choice.stream(ORDER)])

    async def until(self, state: State) -> Status:
        async with asyncio.timeout(30):
            while self.choice.status.state is not state:  # noqa: ASYNC110  it is told by a task
                await asyncio.sleep(0.01)
        return self.choice.status

    @property
    def states(self) -> list[State]:
        return [it.state for it in self.told]


@pytest.fixture
async def window() -> AsyncIterator[Window]:
    window = Window()
    yield window
    window.choice.close()
    await asyncio.sleep(0)


async def says(peer: Peer) -> None:
    while True:
        if await completion_wanted(peer):
            await peer.completion("return a")


async def completion_wanted(peer: Peer) -> bool:
    """The next request; one that asks what the server is has been answered."""
    first, _, _ = await peer.request()
    if first.startswith("POST /v1/completions"):
        return True
    models = {"data": [{"id": "theirs", "owned_by": "tabbyAPI", "max_model_len": 4096}]}
    await peer.json(models if first.startswith("GET /v1/models") else {}, "200 OK")
    return False


async def writes(peer: Peer) -> None:
    await peer.completion("return a")


async def test_the_doctor_is_asked_with_this_windows_settings(
    window: Window, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the moment at which it is asked."""
    asked: list[object] = []

    async def first_finding(settings: object) -> str:
        asked.append(settings)
        return ""

    monkeypatch.setattr(choice_module, "first_finding", first_finding)
    for settings in (OWN, replace(OWN, engine_options=("--device", "cpu"))):
        window.choice.use(settings)
        await window.choice._resident._finding()
    assert asked == [{"model": "demo"}, {"model": "demo", "engineOptions": ["--device", "cpu"]}]


async def others_are_told() -> None:
    """Time in which a watcher that is still there would have spoken: others hear of the engine twice."""
    for _ in range(2):
        other = Window()
        other.choice.warm_up()
        await other.until(State.READY)
        other.choice.close()
        await asyncio.sleep(LOOK_SECONDS)


def at(server: Server) -> Settings:
    return Settings(url=server.address.url, model="theirs", dialect="suffix")


WELL = Status(State.READY, "TabbyAPI, model theirs, 4096 tokens, dialect suffix.", model="theirs")


async def test_a_completion_that_succeeds_ends_a_failure(window: Window) -> None:
    n = 0

    async def busy_at_first(peer: Peer) -> None:
        nonlocal n
        while True:
            if not await completion_wanted(peer):
                continue
            n += 1
            if n in (1, 2, 4):
                await peer.json({"error": {"message": "slow down"}}, "429 Too Many Requests")
            else:
                await peer.completion("return a")

    async with serving(busy_at_first) as server:
        window.choice.use(at(server))
        for fails in (True, True, False, True, False):
            if fails:
                with pytest.raises(BackendError, match="slow down"):
                    await window.ask()
            else:
                assert await window.ask() == "return a"
        assert window.told == [WELL, window.told[1], WELL, window.told[1], WELL]
        assert "429" in window.told[1].message
        window.choice.close()


async def test_a_first_text_ends_it_too(window: Window) -> None:
    async def answer(peer: Peer) -> None:
        while not await completion_wanted(peer):
            pass
        await peer.completion("return a", "\n", "and more")

    async with serving(answer) as server:
        window.choice.use(Settings(url="http://localhost:9", model="theirs"))
        with pytest.raises(BackendError):
            await window.ask()
        window.choice.use(at(server))
        chunks = window.choice.stream(ORDER)
        assert (await anext(chunks)).text == "return a"
        await chunks.aclose()
        await server.deserted()


async def test_off_stays_off_whatever_an_engine_says(window: Window, runtime: Path) -> None:
    async with engine_at(runtime, writes, status="loading") as engine:
        window.choice.use(OWN)
        window.choice.warm_up()
        await window.until(State.LOADING)
        window.choice.use(replace(OWN, enabled=False))
        engine.health["status"] = "ready"
        await others_are_told()
        assert window.choice.status == Status(State.OFF)
        assert not window.choice.answers and not window.choice.on_gpu
        with pytest.raises(Interrupted):
            await window.ask()
        window.choice.use(OWN)
        assert (await window.until(State.READY)).model == "demo"
        assert await window.ask() == "return a"


async def test_an_engine_that_is_not_current_is_not_heard(window: Window, runtime: Path) -> None:
    async with engine_at(runtime, writes, status="loading") as engine, serving(says) as server:
        window.choice.use(OWN)
        window.choice.warm_up()
        await window.until(State.LOADING)
        window.choice.use(at(server))
        engine.health["status"] = "ready"
        assert await window.ask() == "return a"
        await others_are_told()
        assert window.choice.status == WELL
        assert window.choice.budgets == seam.LARGE._replace(context=1024)


async def test_a_failure_of_settings_that_were_changed_is_not_told(window: Window) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def slow(peer: Peer) -> None:
        while not await completion_wanted(peer):
            pass
        asked.set()
        await go_on.wait()
        await peer.json({}, "500 Broken")

    async with serving(slow) as old, serving(says) as new:
        window.choice.use(at(old))
        request = asyncio.create_task(window.ask())
        await asked.wait()
        window.choice.use(at(new))
        go_on.set()
        with pytest.raises(BackendError):
            await request
        assert window.choice.status == Status(State.STARTING)
        assert await window.ask() == "return a"
        assert window.choice.status == WELL
        assert State.FAILED not in window.states


async def test_changes_that_concern_no_engine_keep_the_connection(window: Window) -> None:
    async with serving(says) as server:
        for n in range(20):
            window.choice.use(replace(at(server), max_tokens=n + 1))
            await window.ask()
        assert server.accepted == 1
        for n in range(20):
            window.choice.use(replace(at(server), model=f"m{n}"))
            await window.ask()
        assert server.accepted == 21
        async with asyncio.timeout(10):
            while server.open > 1:  # noqa: ASYNC110  hang-ups are seen by another task
                await asyncio.sleep(0.01)
        window.choice.close()
        await server.deserted()


async def test_an_engine_that_tells_no_model_is_ready_all_the_same(window: Window, runtime: Path) -> None:
    async with engine_at(runtime, writes, model=None):
        window.choice.use(OWN)
        assert await window.ask() == "return a"
        await window.until(State.READY)
        assert window.choice.budgets is None


async def test_why_auto_took_the_small_model_is_told(window: Window, runtime: Path) -> None:
    async with engine_at(runtime, writes, reason="The small model runs, because lite needs a GPU."):
        window.choice.warm_up()
        assert "lite needs a GPU" in (await window.until(State.READY)).reason


async def test_a_snooze_is_told_and_ends_by_the_clock_on_the_wall(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that sleeps stops all timers."""
    now = time.time()
    window.choice.use(Settings(url="http://localhost:9", model="theirs"))
    window.choice.snooze(600)
    assert window.choice.is_snoozed() and window.choice.answers
    until = window.told[-1].snoozed_until
    assert until is not None and 599 < until - now < 700
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    assert not window.choice.is_snoozed()
    assert window.told[-1].snoozed_until is None and len(window.told) == 2


async def test_the_trigger_is_told(window: Window) -> None:
    theirs = Settings(url="http://localhost:9", model="theirs")
    window.choice.use(theirs)
    window.choice.use(replace(theirs, trigger="manual"))
    assert [it.trigger for it in window.told] == ["manual"]


async def test_a_pause_is_told_and_is_no_state_of_the_engine(window: Window, runtime: Path) -> None:
    async with engine_at(runtime, writes):
        window.choice.warm_up()
        await window.until(State.READY)
        window.choice.pause(True)
        assert window.told[-1].paused and window.told[-1].state is State.READY
        with pytest.raises(Interrupted):
            await window.ask()
        window.choice.pause(False)
        assert not window.told[-1].paused
        assert await window.ask() == "return a"


@pytest.mark.parametrize("url", ["http://localhost:abc", "http://[::1", "localhost:8000"])
async def test_an_address_that_is_none_fails_in_a_sentence(window: Window, url: str) -> None:
    window.choice.use(Settings(url=url, model="m"))
    with pytest.raises(BackendError):
        await window.ask()
    assert window.choice.status.state is State.FAILED and url in window.choice.status.message


async def test_budgets_are_those_that_are_set(window: Window, runtime: Path) -> None:
    async with engine_at(runtime, writes):
        window.choice.warm_up()
        await window.until(State.READY)
        assert window.choice.budgets == seam.SMALL
        window.choice.use(Settings(suffix_tokens=7))
        assert window.choice.budgets == (seam.SMALL.prefix, 7, seam.SMALL.context)


async def test_without_a_usable_folder_it_fails_in_a_sentence(
    window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MIDFILL_RUNTIME_DIR", str(tmp_path / "file" / "run"))
    window.choice.warm_up()
    assert "MIDFILL_RUNTIME_DIR" in (await window.until(State.FAILED)).message
