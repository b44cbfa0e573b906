"""The engine of this user: started once, however many ask; healed, but not for ever; never silently gone."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from midfill_model import seam
from midfill_model.seam import LOG, lock
from midfill_server.engines import launcher, process, resident
from midfill_server.engines.backend import BackendError, Interrupted, Order
from midfill_server.engines.resident import Resident
from midfill_server.engines.status import State, Status
from midfill_server.tools import status_command

from ...full_disk import fill, small_disk
from ...known_model import SAID, write_known
from ...scripted_engine import PATIENCE
from .conftest import STAND_IN, pid_of, started
from .server import Peer, engine_at, event

ORDER = Order("def add(a, b):\n    ", "\n", max_tokens=16)
Does = Callable[..., None]
PYTHON = sys.executable  # while tests put a stand-in for the engine there

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


class Front:
    """One server's engine, and what its user is told."""

    def __init__(self) -> None:
        self.told: list[Status] = []
        self.resident = Resident(self.told.append)

    async def ask(self, order: Order = ORDER) -> str:
        return "".join([chunk.text async for chunk in self.resident.stream(order)])

    async def until(self, state: State) -> Status:
        async with asyncio.timeout(30):
            while not self.told or self.told[-1].state is not state:  # noqa: ASYNC110  it is told by a task
                await asyncio.sleep(0.01)
        return self.told[-1]

    @property
    def failures(self) -> list[str]:
        return [it.message for it in self.told if it.state is State.FAILED]


@pytest.fixture
async def front(runtime: Path) -> AsyncIterator[Front]:
    front = Front()
    yield front
    front.resident.close()
    if left := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(left, timeout=PATIENCE)
    del front.resident  # pytest holds the front for longer than `runtime` can collect what that has started


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "PAUSES", (0.01, 0.02))


async def test_windows_restored_together_start_one_engine(runtime: Path, stand_in: Does) -> None:
    stand_in(before_lock=0.3, before_card=0.5)
    fronts = [Front() for _ in range(6)]
    assert await asyncio.gather(*(front.ask() for front in fronts)) == ["return a"] * 6
    assert len(started(runtime)) == 1
    for front in fronts:
        front.resident.close()


async def test_a_window_that_has_gone_to_another_engine_is_none_of_this_one(
    front: Front, runtime: Path
) -> None:
    await front.ask()
    assert seam.count_windows(runtime) == 1
    front.resident.rest()
    assert seam.count_windows(runtime) == 0
    await front.ask()  # it is current again
    assert seam.count_windows(runtime) == 1 and len(started(runtime)) == 1
    front.resident.close()


async def test_a_start_goes_on_when_the_request_for_it_is_cancelled(front: Front, stand_in: Does) -> None:
    stand_in(before_lock=0.2)
    for _ in range(3):
        request = asyncio.create_task(front.ask())
        await front.until(State.STARTING)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    await front.until(State.READY)
    assert await front.ask() == "return a"
    front.resident.close()


async def test_a_killed_engine_is_replaced_within_the_request(
    front: Front, runtime: Path, stand_in: Does
) -> None:
    assert await front.ask() == "return a"
    first = pid_of(runtime)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert await front.ask() == "return a"
    assert pid_of(runtime) != first and not front.failures
    front.resident.close()


async def test_a_killed_engine_whose_heir_loads_is_not_started_again(front: Front, runtime: Path) -> None:
    with seam.heir_lock(runtime):
        request = asyncio.create_task(front.ask())
        await front.until(State.STARTING)

        async def says(peer: Peer) -> None:
            await peer.completion("return a")

        async with engine_at(runtime, says, version=version("midfill")):
            assert await request == "return a"
            front.resident.close()
    assert not started(runtime)


async def test_an_heir_that_does_not_come_is_not_waited_for_for_ever(
    front: Front, runtime: Path, stand_in: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "HEIR_SECONDS", 0.0)
    with seam.heir_lock(runtime):
        assert await front.ask() == "return a"
    assert len(started(runtime)) == 1
    front.resident.close()


FRONT = """
import asyncio, contextlib, sys
from midfill_server.engines.backend import BackendError, Order
from midfill_server.engines.resident import Resident
async def ask():
    sys.executable = sys.argv[1]
    front = Resident(lambda _: None)
    with contextlib.suppress(BackendError):
        print("".join([it.text async for it in front.stream(Order("def add(a, b):\\n    ", "", 16))]))
    front.close()
asyncio.run(ask())
"""


async def until_stopped(pid: int) -> None:
    state = "R"
    async with asyncio.timeout(30):
        while state != "T":
            await asyncio.sleep(0.01)
            told = await asyncio.to_thread(Path(f"/proc/{pid}/stat").read_text)
            state = told.rpartition(")")[2].split()[0]


@pytest.mark.skipif(sys.platform != "linux", reason="whether a process is stopped is told in /proc")
async def test_a_front_that_is_frozen_while_it_starts_an_engine_stands_in_nobodys_way(
    runtime: Path, stand_in: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several windows wait for it; when it goes on it has the same engine as they."""
    monkeypatch.setattr(lock, "START_SILENCE", 3.0)
    stand_in(freezes_front=True, dies="at once")
    pipe = asyncio.subprocess.PIPE
    command = (PYTHON, "-c", FRONT, sys.executable)
    frozen = await asyncio.create_subprocess_exec(*command, stdout=pipe)
    fronts = [Front() for _ in range(4)]
    try:
        await until_stopped(frozen.pid)
        stand_in()
        async with asyncio.timeout(30):
            assert await asyncio.gather(*(front.ask() for front in fronts)) == ["return a"] * 4
        n_started = len(started(runtime))
        pid = pid_of(runtime)
        os.kill(frozen.pid, signal.SIGCONT)
        await asyncio.wait_for(frozen.communicate(), 30)
        assert pid_of(runtime) == pid and len(started(runtime)) == n_started
        assert not any(front.failures for front in fronts)
    finally:
        with suppress(ProcessLookupError):
            frozen.kill()
        for front in fronts:
            front.resident.close()


@pytest.mark.parametrize(("options", "which"), [("size=64k", "make room"), ("nr_inodes=1", "start.lock")])
async def test_a_full_disk_under_the_runtime_folder_is_one_sentence_and_over_when_there_is_room(
    front: Front, runtime: Path, monkeypatch: pytest.MonkeyPatch, options: str, which: str
) -> None:
    """A real engine, which cannot even write its card, and no word into its log."""
    with small_disk(runtime, options):
        if options == "size=64k":
            fill(runtime)
        front.resident.use("demo", ("--threads", "1"))
        for _ in range(2):
            with pytest.raises(BackendError):
                await front.ask()
        (told,) = set(front.failures)
        assert "No space left on device" in told and which in told
    front.resident.use("demo", ("--threads", "1"))
    stand_in = runtime / "python"
    stand_in.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
    stand_in.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    assert await front.ask() == "return a"
    front.resident.close()


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
    (tmp_path / "hangs_once.py").write_text(HANGS_ONCE)
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/hangs_once.py" "$@"\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
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
    fails_once(tmp_path, monkeypatch, fault)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    assert await front.ask() == f"{SAID}\n"
    first, second = started(runtime)
    assert pid_of(runtime) == second and not front.failures
    assert "the next completion starts a new one" in process.last_words(runtime, first)
    front.resident.close()


async def test_an_engine_that_fails_while_nobody_asks_is_no_news(
    front: Front, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The front sees it before it has ended: the next key asks the next one all the same."""
    fails_once(tmp_path, monkeypatch, ITS_THREAD_FAILS + LINGERS)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    backend = await front.resident.backend()
    while not (await backend.health()).ends:
        pass
    while seam.engine_lives(runtime):  # noqa: ASYNC110  another process sets no event
        await asyncio.sleep(0.01)
    assert await front.ask() == f"{SAID}\n"
    assert len(started(runtime)) == 2 and not front.failures
    front.resident.close()


async def test_who_wants_other_options_than_the_engine_has_is_told(
    front: Front, runtime: Path, tmp_path: Path
) -> None:
    """As for the model: one engine serves all windows, so a setting may have no effect yet."""
    known = str(write_known(tmp_path / "known"))
    front.resident.use(known, ("--threads", "1", "--idle-minutes", "9"))
    assert await front.ask() == f"{SAID}\n"
    assert not (await front.until(State.READY)).warning
    for options, warned in (((), False), (("--threads=1",), False), (("--threads", "2"), True)):
        front.told.clear()
        front.resident.use(known, options)
        told = (await front.until(State.READY)).warning
        assert ("--threads 1" in told and "--threads 2" in told) is warned, told
    front.resident.close()


async def test_what_an_engine_wrote_before_it_ended_itself_is_no_answer(
    front: Front, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails_once(tmp_path, monkeypatch, LOSES_IT_IN_A_TEXT)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    with pytest.raises(Interrupted):
        await front.ask()
    assert await front.ask() == f"{SAID}\n"
    assert len(started(runtime)) == 2 and not front.failures
    front.resident.close()


def fails_once(folder: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    (folder / "fails_once.py").write_text(FAILS_ONCE.replace("{}", fault))
    program = folder / "python"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/fails_once.py" "$@"\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))


HOLDS_PYTHON_ONCE = """
import ctypes, pathlib, sys
from midfill_model.checkpoint.weights import Checkpoint
from midfill_model.generation.completion import Completion
from midfill_model.process import engines, main
once = pathlib.Path(__file__).with_name("has hung")
def hangs(*_): ctypes.PyDLL(None).sleep(300)
if not once.exists():
    once.touch()
    {} = hangs
sys.exit(main.main(sys.argv[sys.argv.index("engine") + 1:]))
"""


@pytest.fixture
def holds_python_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Say where the first real engine that is started from now on hangs, so that nothing of Python runs."""

    def does(where: str) -> None:
        (tmp_path / "holds.py").write_text(HOLDS_PYTHON_ONCE.replace("{}", where))
        program = tmp_path / "python"
        program.write_text(f'#!/bin/sh\nexec "{PYTHON}" "{tmp_path}/holds.py" "$@"\n')
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))

    return does


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
    front.resident.close()


@pytest.mark.parametrize("where", ["engines.engine_for", "Checkpoint.read"])
async def test_an_heir_in_which_nothing_of_python_runs_is_ended_and_followed_by_another(
    front: Front,
    runtime: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    holds_python_once: Callable[[str], None],
    where: str,
) -> None:
    """It keeps memory, and no watchdog of its own ends it. The older engine answers on; it is no news."""
    monkeypatch.setattr(launcher, "HEIR_SILENCE", 3.0)
    monkeypatch.setattr(launcher, "HEIR_PAUSES", (0.1, 0.1))
    holds_python_once(where)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))

    async def says(peer: Peer) -> None:
        await peer.completion("return a")

    async with engine_at(runtime, says, version="0.0.1") as engine, asyncio.timeout(120):
        assert await front.ask() == "return a"
        while (hangs := seam.holder_of(seam.heir_file(runtime))) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        while seam.holder_of(seam.heir_file(runtime)) == hangs:
            assert await front.ask() == "return a"
            await asyncio.sleep(0.05)
        monkeypatch.setattr(launcher, "HEIR_SILENCE", 120.0)
        while not engine.stopped.is_set():
            assert await front.ask() in ("return a", f"{SAID}\n")
            await asyncio.sleep(0.05)
        while await front.ask() != f"{SAID}\n":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert pid_of(runtime) not in (None, hangs) and not seam.heir_lives(runtime)
        assert not front.failures and not any("hangs" in it.warning for it in front.told)
        front.resident.close()


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
    front.resident.close()


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
    front.resident.close()


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


async def test_a_folder_that_cannot_be_used_any_more_is_told(
    front: Front, runtime: Path, stand_in: Does
) -> None:
    assert await front.ask() == "return a"
    await front.until(State.READY)
    pid = pid_of(runtime)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.chmod(runtime, 0o777)
    front.resident.use("demo")
    assert f"run `chmod go-w {runtime}`" in (await front.until(State.FAILED)).message
    os.chmod(runtime, 0o700)
    front.resident.use("demo")
    assert await front.ask() == "return a"
    front.resident.close()


@pytest.mark.parametrize(
    "told", [{"version": "0.0.1"}, {"version": "0.0.1", "protocol": None}, {"protocol": 0}]
)
async def test_an_older_engine_is_replaced_when_nobody_uses_it(
    front: Front, runtime: Path, stand_in: Does, told: dict[str, Any]
) -> None:
    async def never(peer: Peer) -> None:
        raise AssertionError("it was asked")

    async with engine_at(runtime, never, **told) as engine:
        assert await front.ask() == "return a"
        assert engine.stopped.is_set()
    front.resident.close()


async def test_windows_of_a_new_version_start_one_heir(runtime: Path, stand_in: Does) -> None:
    """All at once: each start costs seconds of a machine's work. All use the older one meanwhile."""
    stand_in(inherits=True, before_lock=0.3)
    fronts = [Front() for _ in range(8)]

    async def says(peer: Peer) -> None:
        await peer.completion("return a")

    async with engine_at(runtime, says, version="0.0.1"):
        assert await asyncio.gather(*(front.ask() for front in fronts)) == ["return a"] * 8
        assert len(started(runtime)) == 1 and seam.heir_lives(runtime)
        for front in fronts:
            front.resident.close()
    assert not any(front.failures or any(it.warning for it in front.told) for front in fronts)


async def test_heirs_that_are_killed_are_followed_by_others_and_then_said(
    runtime: Path, stand_in: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of two fronts has started them; the older engine answers each key."""
    monkeypatch.setattr(launcher, "HEIR_PAUSES", (0.2, 0.2))
    stand_in(inherits=True)
    fronts = [Front(), Front()]

    async def says(peer: Peer) -> None:
        await peer.completion("return a")

    killed: set[int] = set()
    async with engine_at(runtime, says, version="0.0.1", running=1) as engine, asyncio.timeout(120):
        while not any(it.warning for front in fronts for it in front.told):
            assert [await front.ask() for front in fronts] == ["return a"] * 2
            if seam.heir_lives(runtime) and (heir := started(runtime)[-1]) not in killed:
                killed.add(heir)
                os.kill(heir, signal.SIGKILL)
            await asyncio.sleep(0.02)
        assert len(killed) > len(launcher.HEIR_PAUSES)
        assert not engine.stopped.is_set() and not any(front.failures for front in fronts)
        for front in fronts:
            front.resident.close()


async def test_an_heir_that_cannot_be_ended_is_told(
    front: Front, runtime: Path, stand_in: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose process is not known any more, say, for somebody has removed what names it."""
    monkeypatch.setattr(launcher, "HEIR_SILENCE", 0.3)
    monkeypatch.setattr(launcher, "STOP_SECONDS", 0.3)
    stand_in(inherits=True)

    async def says(peer: Peer) -> None:
        await peer.completion("return a")

    async with engine_at(runtime, says, version="0.0.1"), asyncio.timeout(30):
        with monkeypatch.context() as unknown:
            unknown.setattr(seam, "holder_of", lambda _: None)
            assert await front.ask() == "return a"
            while not front.told[-1].warning:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert "does not end" in front.told[-1].warning and not front.failures
        front.resident.close()


async def test_a_slow_start_is_not_counted_against_who_has_just_begun_to_listen(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow machine it takes long, and the first question may be answered late, too."""
    now, n_found = 100.0, 0

    async def looked_for(folder: Path) -> process.Found | None:
        nonlocal n_found
        n_found += 1
        return await process.find(folder)

    def starting() -> None:
        nonlocal now
        now += lock.LONGEST_LOOK

    monkeypatch.setattr(launcher, "find", looked_for)
    with seam.engine_lock(runtime):
        monkeypatch.setattr(lock, "time", SimpleNamespace(monotonic=lambda: now))
        search = asyncio.create_task(launcher.Launcher(starting).answering(runtime))
        while now < 100.0 + launcher.SILENT_SECONDS + lock.LONGEST_LOOK:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        seam.write_card(runtime, seam.Card(os.getpid(), "http://localhost", str(runtime / seam.SOCKET)))
        n_found = 0
        while n_found < 3 and not search.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert not search.done()
        search.cancel()


async def test_a_stop_waits_for_an_engine_that_starts(
    front: Front, runtime: Path, stand_in: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs as little as one that a key waits for."""
    monkeypatch.setattr(status_command, "ENDING", 0.2)
    stand_in(before_card=1.5)
    request = asyncio.create_task(front.ask())
    async with asyncio.timeout(30):
        while not seam.engine_lives(runtime):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert "has stopped" in await status_command.stop()
    request.cancel()
    front.resident.close()


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells which files a process has open")
async def test_who_does_not_hold_an_heirs_lock_is_not_ended_for_it(
    front: Front, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An heir in another container tells its number there, which is some other process's here."""
    monkeypatch.setattr(launcher, "HEIR_SILENCE", 0.3)
    monkeypatch.setattr(launcher, "STOP_SECONDS", 0.3)

    async def says(peer: Peer) -> None:
        await peer.completion("return a")

    command, pipe = [PYTHON, "-c", "input()"], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe) as stranger:  # noqa: ASYNC220  at once
        async with engine_at(runtime, says, version="0.0.1"), asyncio.timeout(30):
            with seam.heir_lock(runtime):
                seam.heir_file(runtime).with_suffix(".pid").write_text(str(stranger.pid))
                assert await front.ask() == "return a"
                while not front.told[-1].warning:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                assert "does not end" in front.told[-1].warning and "kill" not in front.told[-1].warning
                assert stranger.poll() is None
            front.resident.close()
        stranger.communicate(b"\n")


async def test_a_stop_tells_of_an_heir_that_does_not_end(
    front: Front, runtime: Path, stand_in: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_command, "HEIR_ENDING", 0.5)
    stand_in(inherits=True)

    async def says(peer: Peer) -> None:
        await peer.completion("return a")

    async with engine_at(runtime, says, version="0.0.1") as engine:
        assert await front.ask() == "return a"
        (heir,) = started(runtime)
        for _ in range(2):  # also where there is no engine any more
            with pytest.raises(BackendError, match=f"`kill -9 {heir}`"):
                await status_command.stop()
            assert engine.stopped.is_set()
        front.resident.close()


async def test_no_heir_is_started_while_all_pauses(front: Front, runtime: Path, stand_in: Does) -> None:
    stand_in(inherits=True)

    async def says(peer: Peer) -> None:
        await peer.completion("return a")

    async with engine_at(runtime, says, version="0.0.1") as engine, asyncio.timeout(30):
        seam.pause(runtime)
        assert await front.ask() == "return a"
        assert not started(runtime) and not engine.stopped.is_set()
        seam.resume(runtime)
        assert await front.ask() == "return a"
        while not seam.heir_lives(runtime):  # noqa: ASYNC110  another process sets no event
            await asyncio.sleep(0.01)
        front.resident.close()


async def test_nobody_starts_an_engine_where_one_and_its_heir_were_stopped(
    front: Front, runtime: Path, stand_in: Does
) -> None:
    """`midfill stop` while an heir loads; the next key does."""
    stand_in(inherits=True)

    async def says(peer: Peer) -> None:
        await peer.completion("return a")

    async with engine_at(runtime, says, version="0.0.1"):
        assert await front.ask() == "return a"
        await front.until(State.READY)
    (heir,) = started(runtime)
    watching = front.resident._watching
    os.kill(heir, signal.SIGKILL)
    assert watching is not None
    async with asyncio.timeout(30):
        await watching
    await asyncio.sleep(0)
    assert front.resident._search is not None and front.resident._search.done()
    stand_in()
    assert await front.ask() == "return a"
    assert len(started(runtime)) == 2 and not front.failures
    front.resident.close()


async def test_fronts_that_meet_a_failed_engine_at_once_end_with_one(runtime: Path, stand_in: Does) -> None:
    """One may find that another has replaced it already: that one is not waited for, nor stopped."""
    other = Front()

    async def never(peer: Peer) -> None:
        raise AssertionError("it was asked")

    async with engine_at(runtime, never, status="failed", message="No."):
        found = await process.find(runtime)
        assert found is not None
        assert await other.ask() == "return a"
    stopped: list[object] = []

    async def shutdown(drain: bool = False) -> None:
        stopped.append(None)

    found.backend.shutdown = shutdown  # type: ignore[method-assign]  # the answer was lost
    async with asyncio.timeout(process.STOP_SECONDS / 3):
        await process.stop(runtime, found)
    assert stopped and await other.ask() == "return a" and len(started(runtime)) == 1
    other.resident.close()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"version": "0.0.1", "running": 1}, "and in use"),
        ({"version": "9999.1"}, "newer than this"),
    ],
)
async def test_another_version_that_stays_is_used_and_said(
    front: Front, runtime: Path, stand_in: Does, told: dict[str, Any], said: str
) -> None:
    """The stand-in, which knows of no succession, is an heir that cannot load."""

    async def says(peer: Peer) -> None:
        await peer.completion("return a")

    async with engine_at(runtime, says, **told) as engine:
        assert await front.ask() == "return a"
        assert said in (await front.until(State.READY)).warning
        assert not engine.stopped.is_set()
        front.resident.close()


async def test_one_that_does_not_stop_is_not_said_to_be_in_use(
    front: Front, runtime: Path, stand_in: Does, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stays(*_: object) -> None: ...

    async def says(peer: Peer) -> None:
        await peer.completion("return a")

    monkeypatch.setattr("midfill_server.engines.process.STOP_SECONDS", 0.0)
    monkeypatch.setattr("midfill_server.engines.backend.Backend.shutdown", stays)
    async with engine_at(runtime, says, version="0.0.1"):
        assert await front.ask() == "return a"
        assert "did not make way" in (await front.until(State.READY)).warning
        front.resident.close()


@pytest.mark.parametrize("told", [{"protocol": 99}, {"protocol": 0, "running": 1}])
async def test_another_protocol_that_stays_is_not_used_and_said(
    front: Front, runtime: Path, told: dict[str, Any]
) -> None:
    async def never(peer: Peer) -> None:
        raise AssertionError("it was asked")

    async with engine_at(runtime, never, **told):
        with pytest.raises(BackendError, match=version("midfill")):
            await front.ask()
        assert len(set(front.failures)) == 1
        front.resident.close()


@pytest.mark.parametrize("model", [None, 5, {}, {"budgets": 3}, {"budgets": {"prefix": "x"}, "id": ["a"]}])
async def test_fields_that_miss_or_make_no_sense_break_no_front(
    front: Front, runtime: Path, model: object
) -> None:
    async def says(peer: Peer) -> None:
        await peer.completion("return a")

    strange: dict[str, Any] = {"progress": "x", "memory": 3, "message": None, "protocol": None}
    async with engine_at(runtime, says, model=model, version=["1"], **strange):
        assert await front.ask() == "return a"
        await front.until(State.READY)
        front.resident.close()


async def test_an_engine_that_stops_in_order_is_no_failure(
    front: Front, runtime: Path, stand_in: Does
) -> None:
    for n in range(5):
        assert await front.ask() == "return a"
        backend = await front.resident.backend()
        await backend.shutdown()
        while seam.engine_lives(runtime):  # noqa: ASYNC110  another process sets no event
            await asyncio.sleep(0.01)
        assert len(started(runtime)) == n + 1
    assert not front.failures
    front.resident.close()


async def test_a_restart_replaces_the_engine(front: Front, runtime: Path, stand_in: Does) -> None:
    assert await front.ask() == "return a"
    first = pid_of(runtime)
    await front.resident.restart()
    assert await front.ask() == "return a"
    assert pid_of(runtime) != first and seam.read_card(runtime) is not None
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
