"""Midfill is updated while windows are open: a new engine loads beside the old one, then takes its place."""

import asyncio
import os
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_server.tools.lsp_client import Editor

from ...known_model import write_known
from ...scripted_engine import PATIENCE
from ..conftest import CLI, PROGRAM, Engine, end_of, environment

OLD = "0.0.9"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an installation whose Midfill is of another version, and the same code."""
    root = tmp_path_factory.mktemp("older")
    venv.EnvBuilder(symlinks=True).create(root)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(root), "platbase": str(root)}))
    told = packages / f"midfill-{OLD}.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: midfill\nVersion: {OLD}\n")
    (packages / "ours.pth").write_text("\n".join(it for it in sys.path if Path(it).is_dir()))
    return root / "bin" / "python"


async def version_of(folder: Path) -> str | None:
    try:
        return (await Engine(folder).health()).version
    except (AssertionError, ConnectionError, OSError):
        return None


async def text(editor: Editor, n: int) -> str:
    uri = f"file:///{n}.py"
    editor.open(uri, PROGRAM, "python")
    return await editor.complete(uri, *end_of(PROGRAM)).text()


def messages(editor: Editor) -> list[str]:
    shown = [it["params"] for it in editor.notifications if it["method"] == "window/showMessage"]
    return [str(it["message"]) for it in shown]


async def test_another_version_takes_over_without_a_gap(
    own_folder: Path, older: Path, tmp_path: Path
) -> None:
    model, said = str(write_known(tmp_path / "known")), environment(own_folder)
    command = [str(older), "-I", "-m", "midfill_server", "serve", "--stdio"]
    async with Editor(command, environment=said) as old, Editor(environment=said) as new:
        await old.initialize({"model": model})
        first = await text(old, 0)
        assert first
        assert await version_of(own_folder) == OLD
        pid = Engine(own_folder).pid
        await new.initialize({"model": model})
        answers: list[str] = []
        async with asyncio.timeout(120):
            while Engine(own_folder).pid in (pid, None):
                answers += [await text(new, len(answers)), await text(old, len(answers))]
                await asyncio.sleep(0.02)
            while (await new.request("midfill/status", None))["state"] != "ready":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        answers += [await text(new, 9_000), await text(old, 9_000)]
        assert set(answers) == {first}
        assert await version_of(own_folder) == version("midfill")
        told = [it["params"] for it in new.notifications if it["method"] == "midfill/statusChanged"]
        assert "loading" not in [it["state"] for it in told]  # nobody has waited for a model
        assert messages(new) == []
        assert len(messages(old)) <= 1 and all("start this editor again" in it for it in messages(old))
        assert not seam.heir_lives(own_folder)


async def test_one_that_cannot_load_leaves_the_place_to_the_older_one(
    own_folder: Path, older: Path, tmp_path: Path
) -> None:
    """Where memory has no room for two, say: it is then replaced as soon as nobody uses it."""
    model, said = str(write_known(tmp_path / "known")), environment(own_folder)
    command = [str(older), "-I", "-m", "midfill_server", "serve", "--stdio"]
    async with Editor(command, environment=said) as old:
        await old.initialize({"model": model})
        assert await text(old, 0)
        pid = Engine(own_folder).pid
        done = await asyncio.create_subprocess_exec(
            *[sys.executable, "-I", "-m", "midfill_server", "engine", "--stay", "--succeed"],
            *["--model", str(tmp_path), "--runtime-dir", str(own_folder)],
            stderr=asyncio.subprocess.PIPE,
        )
        _, why = await done.communicate()
        assert done.returncode == 1 and str(tmp_path) in why.decode()
        assert Engine(own_folder).pid == pid and await text(old, 1)


@pytest.fixture
async def elder(own_folder: Path, older: Path, model: str) -> AsyncIterator[Editor]:
    """A window of the older version, whose engine has answered."""
    command = [str(older), "-I", "-m", "midfill_server", "serve", "--stdio"]
    async with Editor(command, environment=environment(own_folder)) as old:
        await old.initialize({"model": model})
        assert await text(old, 0)
        yield old


async def heirs(folder: Path, n: int) -> list[int]:
    """The processes that load to take the place of the engine of a folder, once there are so many."""
    async with asyncio.timeout(PATIENCE):
        while True:
            listed = await asyncio.to_thread(
                subprocess.run, ["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True
            )
            found = [it.split() for it in listed.stdout.splitlines() if f"--runtime-dir {folder}" in it]
            pids = [int(it[0]) for it in found if "--succeed" in it]
            if len(pids) == n:
                return pids
            assert not n or await version_of(folder) != version("midfill"), "it has loaded already"


async def until_new(folder: Path) -> None:
    """Until the new version's engine answers."""
    async with asyncio.timeout(2 * PATIENCE):
        while await version_of(folder) != version("midfill"):  # noqa: ASYNC110  another process sets no event
            await asyncio.sleep(0.05)


async def test_an_heir_that_is_killed_while_it_loads_is_no_news_and_followed_by_another(
    own_folder: Path, elder: Editor, model: str
) -> None:
    async with (
        Editor(environment=environment(own_folder)) as one,
        Editor(environment=environment(own_folder)) as two,
    ):
        pid = Engine(own_folder).pid
        for window in (one, two):
            await window.initialize({"model": model})
            assert await text(window, 1)
        (heir,) = await heirs(own_folder, 1)
        os.kill(heir, signal.SIGKILL)
        n = 2
        async with asyncio.timeout(2 * PATIENCE):
            while await version_of(own_folder) == OLD:  # the older one answers on
                assert await text(one, n) and await text(two, n)
                assert Engine(own_folder).pid == pid or await version_of(own_folder) != OLD
                n += 1
                await asyncio.sleep(0.2)
        await until_new(own_folder)
        assert await text(one, n) and await text(two, n)
        assert messages(one) == messages(two) == []
    assert (own_folder / seam.LOG).read_text().count(f"{seam.MARK}starts\n") == 3


def midfill(command: str, folder: Path) -> str:
    own = environment(folder)
    return subprocess.run([*CLI, command], env=own, capture_output=True, text=True, check=True).stdout


@pytest.fixture
async def window(own_folder: Path, elder: Editor, model: str) -> AsyncIterator[Editor]:
    """One of the new version, whose engine loads while the older one answers."""
    async with Editor(environment=environment(own_folder)) as it:
        await it.initialize({"model": model})
        assert await text(it, 1)
        await heirs(own_folder, 1)
        yield it


async def test_a_stop_while_an_heir_loads_ends_both_and_starts_none(own_folder: Path, window: Editor) -> None:
    assert "has stopped" in await asyncio.to_thread(midfill, "stop", own_folder)
    assert await heirs(own_folder, 0) == [] and not seam.engine_lives(own_folder)
    await asyncio.sleep(1)  # in which nobody starts one: no key asks for it
    assert not seam.engine_lives(own_folder) and not seam.heir_lives(own_folder)
    assert (own_folder / seam.LOG).read_text().count(f"{seam.MARK}starts\n") == 2
    assert await text(window, 2)  # a key does
    assert await version_of(own_folder) == version("midfill")
    assert messages(window) == []


async def test_a_pause_while_an_heir_loads_ends_it_until_midfill_goes_on(
    own_folder: Path, window: Editor
) -> None:
    """What it has loaded would be memory that nobody is to have."""
    assert "has left the memory" in await asyncio.to_thread(midfill, "pause", own_folder)
    assert await heirs(own_folder, 0) == [] and (await Engine(own_folder).health()).asleep
    await asyncio.sleep(1)  # in which nobody starts one
    assert (own_folder / seam.LOG).read_text().count(f"{seam.MARK}starts\n") == 2
    assert await version_of(own_folder) == OLD
    assert "goes on" in await asyncio.to_thread(midfill, "resume", own_folder)
    assert await text(window, 2)  # a key starts another
    await until_new(own_folder)
    assert await text(window, 3)
    assert messages(window) == []
