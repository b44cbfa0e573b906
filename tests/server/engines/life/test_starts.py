"""The engine of this user: started once, however many ask; found again; stopped."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from midfill_model import seam
from midfill_model.seam import lock
from midfill_server.engines import launcher, process
from midfill_server.engines.backend import BackendError
from midfill_server.engines.status import State
from midfill_server.tools import status_command

from ....engine_program import PYTHON, engines_are
from ....full_disk import fill, small_disk
from ....known_model import SAID, write_known
from ..conftest import STAND_IN, pid_of, started
from ..server import Peer, engine_at
from .conftest import Does, Front

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


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
    engines_are(STAND_IN, runtime, monkeypatch)
    assert await front.ask() == "return a"


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


async def test_a_restart_replaces_the_engine(front: Front, runtime: Path, stand_in: Does) -> None:
    assert await front.ask() == "return a"
    first = pid_of(runtime)
    await front.resident.restart()
    assert await front.ask() == "return a"
    assert pid_of(runtime) != first and seam.read_card(runtime) is not None
