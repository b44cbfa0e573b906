"""Collecting in the background: one at a time, waited for once, and never in anybody's way."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from midfill_server.context.collect import Spot
from midfill_server.context.files import Files
from midfill_server.context.surroundings import STEP, Surroundings

BUDGETS = 1024, 128, 512
LINES = ["x\n"] * 500


@dataclass
class Collector:
    """Stands for a collection that lasts until it is let go: a folder that hangs."""

    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    lines: list[int] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    thread: threading.Thread | None = None

    def __call__(self, spot: Spot, files: Files) -> dict[str, str]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.lines.append(spot.prefix.count("\n"))
        self.thread = threading.current_thread()
        self.go.acquire()
        self.at_once -= 1
        return {"a.py": f"line {self.lines[-1]}"}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    it = Collector()
    monkeypatch.setattr(f"{Surroundings.__module__}.collect", it)
    yield it
    it.go.release(100)


def at(surroundings: Surroundings, uri: str, line: int) -> None:
    surroundings.prepare(uri, line, ("".join(LINES[:line]), ""), BUDGETS, {uri: LINES})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_one_collection_at_a_time_and_the_newest_place_next(
    tmp_path: Path, collector: Collector
) -> None:
    surroundings, uri = Surroundings([tmp_path]), (tmp_path / "a.py").as_uri()
    for line in (10, 30, 50, 70, 90):
        at(surroundings, uri, line)
    await until(lambda: collector.lines == [10])
    collector.go.release()
    await until(lambda: collector.lines == [10, 90])
    collector.go.release()
    await until(lambda: not collector.at_once)
    assert collector.most_at_once == 1


async def test_a_document_waits_for_its_context_once(tmp_path: Path, collector: Collector) -> None:
    surroundings, uri = Surroundings([tmp_path]), (tmp_path / "a.py").as_uri()
    waits = []
    for line in range(10, 100, STEP):
        at(surroundings, uri, line)
        started = time.monotonic()
        assert await surroundings.of(uri) == ()
        waits.append(time.monotonic() - started)
    assert waits[0] >= 0.1
    assert max(waits[1:]) < 0.1
    collector.go.release(2)
    await until(lambda: surroundings.known(uri))
    assert await surroundings.of(uri) != ()


async def test_what_hangs_takes_no_place_in_the_executor_of_others(
    tmp_path: Path, collector: Collector
) -> None:
    surroundings, others = Surroundings([tmp_path]), threading.active_count()
    for n in range(100):
        at(surroundings, (tmp_path / f"{n}.py").as_uri(), 10)
    await until(lambda: bool(collector.lines))
    assert await asyncio.to_thread(lambda: "found") == "found"
    assert collector.thread is not None and collector.thread.daemon
    assert threading.active_count() < others + 10


async def test_a_closed_document_is_not_collected_for(tmp_path: Path, collector: Collector) -> None:
    surroundings, uri = Surroundings([tmp_path]), (tmp_path / "a.py").as_uri()
    at(surroundings, uri, 10)
    await until(lambda: bool(collector.lines))
    at(surroundings, uri, 90)
    surroundings.closed(uri)
    collector.go.release()
    await until(lambda: not collector.at_once)
    assert await surroundings.of(uri) == ()
    assert collector.lines == [10]


async def test_folders_come_and_go(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "accounts.py").write_text(f"class Account:\n    def {name}(self): ...\n")
    one, two = (tmp_path / "one").as_uri(), (tmp_path / "two").as_uri()
    asking = ["from accounts import Account\n", "Account.\n"]
    surroundings, uri = Surroundings([tmp_path / "one"]), (tmp_path / "two" / "main.py").as_uri()

    async def told() -> str:
        surroundings.prepare(uri, 1, ("".join(asking), ""), BUDGETS, {uri: asking})
        await until(lambda: surroundings.known(uri))
        return "".join(await surroundings.of(uri))

    assert "def one" in await told()
    surroundings.change_roots([two], [one])
    assert await surroundings.of(uri) == ()
    text = await told()
    assert "def two" in text and "def one" not in text


HANGING = """
import asyncio, sys, threading
from pathlib import Path
from midfill_server.context import surroundings as module
started = threading.Event()
def collect(spot, files):
    started.set()
    threading.Event().wait()
module.collect = collect
async def main():
    it = module.Surroundings([Path("/nowhere")])
    it.prepare("file:///nowhere/a.py", 0, ("", ""), (1024, 128, 512), {"file:///nowhere/a.py": ["x"]})
    await it.of("file:///nowhere/a.py")
    assert started.is_set()
asyncio.run(main())
"""


def test_the_process_ends_although_a_folder_hangs() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, timeout=30)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize(
    "uri", ["file://[x/a.py", "file:///a%00.py", "untitled:a", "", "file:", "http://[::1/"]
)
async def test_an_odd_address_is_no_file_and_stands_in_nobodys_way(tmp_path: Path, uri: str) -> None:
    (tmp_path / "accounts.py").write_text("class Account: ...\n")
    main = (tmp_path / "main.py").as_uri()
    surroundings, lines = Surroundings([tmp_path]), ["from accounts import Account\n"]
    surroundings.edited(uri, 0)
    surroundings.prepare(main, 0, (lines[0], ""), BUDGETS, {main: lines, uri: lines})
    await until(lambda: surroundings.known(main))
    assert "Account" in "".join(await surroundings.of(main))
    surroundings.closed(uri)
