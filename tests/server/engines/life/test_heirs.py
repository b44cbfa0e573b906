"""Engines of other versions: used until another has loaded to take their place."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from midfill_model import seam
from midfill_server.engines import launcher
from midfill_server.engines.backend import BackendError
from midfill_server.engines.process import find
from midfill_server.engines.status import State
from midfill_server.tools import status_command

from ....engine_program import PYTHON, engines_run
from ....known_model import SAID, write_known
from ..conftest import pid_of, started
from ..server import Peer, engine_at
from .conftest import Does, Front

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


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


WRITES_FOR_LONG = """
import pathlib, sys, time
from midfill_model.generation.completion import Completion
from midfill_model.process import main
go_on, step = pathlib.Path(__file__).with_name("go on"), Completion.step
def waits(completion):
    while not go_on.exists():
        time.sleep(0.01)
    return step(completion)
Completion.step = waits
sys.exit(main.main(sys.argv[sys.argv.index("engine") + 1:]))
"""


async def test_an_engine_that_writes_while_it_makes_way_is_not_said_to_hang(
    front: Front, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It listens no more, and may write for seconds: nobody shall kill it for that."""
    monkeypatch.setattr(status_command, "ENDING", -1.0)
    engines_run(WRITES_FOR_LONG, tmp_path, monkeypatch)
    front.resident.use(str(write_known(tmp_path / "known")), ("--threads", "1"))
    asked = asyncio.create_task(front.ask())
    backend = await front.resident.backend()
    while (await backend.health()).running == 0:
        pass
    await backend.shutdown(drain=True)
    while (found := await find(runtime)) is not None:
        found.backend.close()
    state = await status_command.state()
    assert (state["state"], state["pid"]) == ("starting", started(runtime)[0])  # or ending, as it says
    assert state["uptime_s"] < 60
    stopping = asyncio.create_task(status_command.stop())
    await asyncio.wait([stopping], timeout=0)
    (tmp_path / "go on").touch()
    assert await stopping == "No engine is running."
    assert await asked == f"{SAID}\n"


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
