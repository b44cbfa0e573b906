"""An engine that hangs, fails or dies: healed, but not for ever; never silently gone."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_model.seam import LOG
from midfill_server.engines import launcher, process, resident
from midfill_server.engines.backend import BackendError, Interrupted, Order
from midfill_server.engines.resident import Resident
from midfill_server.engines.status import State
from midfill_server.tools import status_command

from ....engine_program import engines_run
from ....known_model import SAID, write_known
from ..conftest import pid_of, started
from ..server import Peer, engine_at, event
from .conftest import Does, Front

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


HANGS_ONCE = """
import pathlib, sys, threading
from midfill_model.generation.completion import Completion
from midfill_model.process import main
from midfill_model.process.life import watchdog
once = pathlib.Path(__file__).with_name("has hung")
def hangs(_):
    watchdog.LONGEST_SECONDS = 0.3
    threading.Event().wait()
if not once.exists():
    once.touch()
    Completion.step = hangs
sys.exit(main.main(sys.argv[sys.argv.index("engine") + 1:]))
"""


async def test_a_request_that_hangs_is_answered_by_the_next_engine(
    front: Front, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two real ones; the user hears of no failure."""
    engines_run(HANGS_ONCE, tmp_path, monkeypatch)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    assert await front.ask() == f"{SAID}\n"
    first, second = started(runtime)
    assert pid_of(runtime) == second and not front.failures
    assert "stood still" in process.last_words(runtime, first)
    front.resident.close()


FAILS_ONCE = """
import pathlib, sys
from midfill_model.generation import engine
from midfill_model.process import main
once = pathlib.Path(__file__).with_name("has failed")
def failing(call, at):
    def fails(*args):
        count.append(1)
        if len(count) == at and not once.exists():
            once.touch()
            raise engine.DeviceLost
        return call(*args)
    count = []
    return fails
def lost(error, *_):
    raise engine.DeviceLost from error
if not once.exists():
    engine._free = lost
{}
sys.exit(main.main(sys.argv[sys.argv.index("engine") + 1:]))
"""


LOSES_ITS_GPU = "engine.Completion.step = failing(engine.Completion.step, 1)"
LOSES_IT_IN_A_TEXT = "engine.Completion.step = failing(engine.Completion.step, 3)"
ITS_THREAD_FAILS = "engine.Slots = failing(engine.Slots, 1)"
LINGERS = """
from midfill_model.process import server
tick = server.Server.on_tick
async def looks_seldom(it, counter):
    return counter % 20 == 19 and await tick(it, counter)
server.Server.on_tick = looks_seldom
"""


@pytest.mark.parametrize("fault", [LOSES_ITS_GPU, ITS_THREAD_FAILS])
async def test_an_engine_that_ends_itself_for_a_fault_costs_no_text(
    front: Front, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Two real ones: the next one answers the same request, and the user hears of no failure."""
    engines_run(FAILS_ONCE.replace("{}", fault), tmp_path, monkeypatch)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    assert await front.ask() == f"{SAID}\n"
    first, second = started(runtime)
    assert pid_of(runtime) == second and not front.failures
    assert "the next completion starts a new one" in process.last_words(runtime, first)


async def test_an_engine_that_fails_while_nobody_asks_is_no_news(
    front: Front, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The front sees it before it has ended: the next key asks the next one all the same."""
    engines_run(FAILS_ONCE.replace("{}", ITS_THREAD_FAILS + LINGERS), tmp_path, monkeypatch)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    backend = await front.resident.backend()
    while not (await backend.health()).ends:
        pass
    while seam.engine_lives(runtime):  # noqa: ASYNC110  another process sets no event
        await asyncio.sleep(0.01)
    assert await front.ask() == f"{SAID}\n"
    assert len(started(runtime)) == 2 and not front.failures


FAILS_ALWAYS = """
import sys
from midfill_model.generation import engine
from midfill_model.process import main
def fails(*_): raise MemoryError
tell = engine.Engine._set
def is_never_seen_ready(it, state):
    if state.status != "ready":
        tell(it, state)
engine.Engine._set = is_never_seen_ready
engine.Slots = fails
{}
sys.exit(main.main(sys.argv[sys.argv.index("engine") + 1:]))
"""


async def test_an_engine_that_fails_whenever_it_has_loaded_is_started_three_times_and_said(
    front: Front, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where memory holds the model and no cache: not a load at each key, and no word of it."""
    engines_run(FAILS_ALWAYS.replace("{}", ""), tmp_path, monkeypatch)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    for _ in range(4):
        with pytest.raises(BackendError):
            await front.ask()
    assert len(started(runtime)) == 3
    (told,) = set(front.failures)
    assert "3 times" in told and "not enough memory" in told


@pytest.mark.parametrize("then", [LINGERS, ""], ids=["and is seen", "and is gone at the next look"])
async def test_an_engine_that_fails_when_it_has_loaded_is_not_said_to_load_for_ever(
    front: Front, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """Its user waits for it, and has pressed no key yet."""
    engines_run(FAILS_ALWAYS.replace("{}", then), tmp_path, monkeypatch)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    await front.resident.backend()
    assert "not enough memory" in (await front.until(State.FAILED)).message
    assert len(started(runtime)) == 3


async def test_an_engine_that_fails_when_it_has_loaded_is_not_followed_while_all_pauses(
    front: Front, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines_run(FAILS_ALWAYS.replace("{}", LINGERS), tmp_path, monkeypatch)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    await front.resident.backend()
    seam.pause(runtime)
    while looks := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(looks)
    assert len(started(runtime)) == 1 and not front.failures


async def test_what_an_engine_wrote_before_it_ended_itself_is_no_answer(
    front: Front, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines_run(FAILS_ONCE.replace("{}", LOSES_IT_IN_A_TEXT), tmp_path, monkeypatch)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    with pytest.raises(Interrupted):
        await front.ask()
    assert await front.ask() == f"{SAID}\n"
    assert len(started(runtime)) == 2 and not front.failures


@pytest.mark.parametrize("where", ["engines.engine_for", "Checkpoint.read", "Completion.step"])
async def test_an_engine_in_which_nothing_of_python_runs_is_named(
    front: Front,
    runtime: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    holds_python_once: Callable[[str], None],
    where: str,
) -> None:
    """It cannot end itself, as when a driver hangs that holds Python's lock; the user hears how to end it."""
    monkeypatch.setattr("midfill_server.engines.backend.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(resident, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(launcher, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(resident, "LATE_SECONDS", 0.5)
    holds_python_once(where)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    asked = asyncio.create_task(front.ask())
    asked.add_done_callback(lambda done: done.exception())
    if where == "engines.engine_for":  # it has no card yet
        async with asyncio.timeout(60):
            while not seam.engine_lives(runtime):  # noqa: ASYNC110  another process sets no event
                await asyncio.sleep(0.01)
        monkeypatch.setattr(launcher, "LISTEN_SECONDS", 2.0)
    told = await front.until(State.FAILED)
    (pid,) = started(runtime)
    assert f"(process {pid}) hangs" in told.message and f"`kill -9 {pid}`" in told.message
    if where == "engines.engine_for":
        assert (await status_command.state())["pid"] == pid
        monkeypatch.setattr(status_command, "LISTEN_SECONDS", 2.0)
        with pytest.raises(BackendError, match=f"`kill -9 {pid}`"):
            await status_command.stop()
    os.kill(pid, signal.SIGKILL)
    await asyncio.wait([asked])
    monkeypatch.setattr(launcher, "LISTEN_SECONDS", 60.0)
    front.resident.use(str(tmp_path / "known"), ("--threads", "1"))
    assert await front.ask() == f"{SAID}\n"


@pytest.mark.parametrize("dies", ["writing", "in order"])
async def test_an_engine_that_dies_in_each_generation_is_started_three_times_and_said_once(
    front: Front, runtime: Path, stand_in: Does, dies: str
) -> None:
    """With what the doctor finds first, while other windows may start an engine."""

    async def finding() -> str:
        with seam.start_lock(runtime):
            return "The disk is full. Make room. "

    front.resident = Resident(front.told.append, finding)
    stand_in(dies=dies, says="no memory left")
    for _ in range(20):
        with pytest.raises(BackendError):
            await front.ask()
    assert len(started(runtime)) == 3
    (told,) = set(front.failures)
    assert "3 times" in told and "no memory left" in told
    assert "The disk is full. Make room. When that is mended" in told
    stand_in()
    front.resident.use("demo")  # settings changed: it may be mended
    assert await front.ask() == "return a"


@pytest.mark.parametrize("dies", ["at once", "loading"])
async def test_the_last_words_are_those_of_this_start(
    front: Front, runtime: Path, stand_in: Does, dies: str
) -> None:
    (runtime / LOG).write_text("ERROR: yesterday's reason\n")
    stand_in(dies=dies)
    front.resident.use("demo")
    with pytest.raises(BackendError):
        await front.ask()
    (told,) = set(front.failures) or {(await front.until(State.FAILED)).message}
    assert "it said nothing, as when the system ends it because memory runs out" in told
    assert "yesterday" not in told


async def test_a_generation_that_the_engine_ended_is_asked_for_once_more(front: Front, runtime: Path) -> None:
    async def ends(peer: Peer) -> None:
        finish = "stop" if engine.asked == 2 else "cancelled"
        await peer.completion(*(["return a"] if finish == "stop" else []), finish=finish)

    async with engine_at(runtime, ends) as engine:
        assert await front.ask() == "return a"
        engine.asked = 2
        with pytest.raises(Interrupted):  # twice ended
            await front.ask()
        assert engine.asked == 4
        with pytest.raises(Interrupted):  # what is in the background is not asked for again
            await front.ask(Order("a", "b", 4, background=True))
        assert engine.asked == 5
        assert not front.failures
        front.resident.close()


async def test_text_on_screen_is_not_asked_for_again(front: Front, runtime: Path) -> None:
    async def ends(peer: Peer) -> None:
        await peer.completion("return ", finish="cancelled")

    async with engine_at(runtime, ends) as engine:
        with pytest.raises(Interrupted):
            await front.ask()
        assert engine.asked == 1
        front.resident.close()


async def test_an_engine_that_is_silent_for_a_while_is_neither_given_up_nor_doubled(
    front: Front, runtime: Path, stand_in: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("midfill_server.engines.backend.CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(resident, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(launcher, "SILENT_SECONDS", 0.3)
    assert await front.ask() == "return a"
    await front.until(State.READY)
    pid = pid_of(runtime)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    front.resident.use("demo")
    hangs = await front.until(State.FAILED)
    assert f"process {pid}" in hangs.message and "hangs" in hangs.message
    other = Front()
    with pytest.raises(BackendError, match=f"process {pid}"):
        await other.ask()
    assert (await status_command.state())["state"] == "hangs"
    with pytest.raises(BackendError, match=f"process {pid}"):
        await status_command.stop()
    os.kill(pid, signal.SIGCONT)
    await front.until(State.READY)
    assert await front.ask() == "return a"
    assert started(runtime) == [pid]
    front.resident.close()
    other.resident.close()


async def test_an_engine_that_stands_still_in_a_text_is_told(
    front: Front, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is stopped, or waits for a driver: the text on screen is no sign that it is well."""
    monkeypatch.setattr("midfill_server.engines.backend.CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(resident, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(resident, "LATE_SECONDS", 0.1)
    goes_on = asyncio.Event()

    async def stands_still(peer: Peer) -> None:
        engine.is_still = True
        await peer.head()
        await peer.part(event("return a"))
        await goes_on.wait()
        await peer.part(event(" + b"))
        await peer.part(event("", "stop"))
        await peer.end()

    async with engine_at(runtime, stands_still) as engine:
        asked = asyncio.create_task(front.ask())
        assert "hangs" in (await front.until(State.FAILED)).message
        engine.is_still = False
        await front.until(State.READY)
        goes_on.set()
        assert await asked == "return a + b"
        assert len(front.failures) == 1
        front.resident.close()


async def test_a_stream_under_way_survives_what_another_one_meets(front: Front, runtime: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def answer(peer: Peer) -> None:
        if engine.asked == 1:
            await peer.head()
            await peer.part(event("one "))
            begun.set()
            await go_on.wait()
            await peer.part(event("two", "stop"))
            await peer.end()
        else:
            await peer.completion(finish="cancelled")

    async with engine_at(runtime, answer) as engine:
        first = asyncio.create_task(front.ask())
        await begun.wait()
        with pytest.raises(Interrupted):
            await front.ask()
        go_on.set()
        assert await first == "one two"
        front.resident.close()
