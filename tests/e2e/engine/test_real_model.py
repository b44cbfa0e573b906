"""The embedded model behind the real server: the only tests that rest on what a trained model writes.

Whatever it was trained on, it knows how this class goes on.
"""

import ast
import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from midfill_server.tools.lsp_client import AnswerError, Editor

from ...scripted_engine import PATIENCE
from ..conftest import CLI, PROGRAM, Engine, end_of, environment, runtime_folder

GROWING = """class Server:
    def __init__(self, host, port, user, password, database, timeout, retries, encoding):
        """
URI = "file:///server.py"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with runtime_folder() as folder:
        yield folder


@pytest.fixture
async def editor(folder: Path) -> AsyncIterator[Editor]:
    async with asyncio.timeout(10 * PATIENCE), Editor(environment=environment(folder)) as editor:
        await editor.initialize({"model": "demo", "maxTokens": 200})
        yield editor


async def test_it_fills_in_an_assignment_for_each_name_and_shows_it_while_it_grows(editor: Editor) -> None:
    editor.open(URI, GROWING)
    pending = editor.complete(URI, *end_of(GROWING), grow=lambda _: None)
    text = await pending.text()
    for name in ("host", "port", "password", "encoding"):
        assert f"self.{name} = {name}" in text
    assert len(pending.partials) >= 3 and pending.partials[-1] == text
    assert all(later.startswith(earlier) for earlier, later in pairwise(pending.partials))


async def test_it_heeds_what_follows_the_cursor(editor: Editor) -> None:
    before, after = "numbers = [1, 2, 3]\nfor number in ", ":\n    print(number)\n"
    editor.open(URI, before + after, "python")
    text = await editor.complete(URI, *end_of(before)).text()
    assert text and ":" not in text
    ast.parse(before + text + after)


async def test_a_word_that_is_half_typed_is_finished(editor: Editor) -> None:
    before = PROGRAM + "self.bal"
    editor.open(URI, before)
    assert (await editor.complete(URI, *end_of(before)).text()).startswith("ance")


async def test_it_stops_when_the_user_goes_on(editor: Editor, folder: Path) -> None:
    editor.open(URI, GROWING)
    growing = asyncio.Event()
    pending = editor.complete(URI, *end_of(GROWING), grow=lambda _: growing.set())
    answer = asyncio.ensure_future(pending.text())
    await growing.wait()
    editor.insert(URI, 0, 0, "# other\n")
    with pytest.raises(AnswerError):
        await answer
    await Engine(folder).idle()


def test_it_is_what_midfill_complete_shows(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "server.py"
    path.write_text(GROWING)
    line, column = end_of(GROWING)
    command = [*CLI, "complete", f"{path}:{line + 1}:{column + 1}", "--model", "demo"]
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "self.host = host" in done.stdout
