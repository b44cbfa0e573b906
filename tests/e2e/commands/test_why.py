"""Each request leaves one line that says what became of it, in the editor and for `midfill why`."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from midfill_server.tools.lsp_client import AnswerError, Editor

from ...scripted_engine import ScriptedEngine
from ..conftest import CLI, PROGRAM, end_of, environment

URI = "file:///secret-folder/a.py"


async def last(editor: Editor) -> str:
    told = await editor.request("midfill/why")
    return str(told["requests"][-1])


async def ask(editor: Editor, text: str = PROGRAM, explicit: bool = False) -> str:
    return await editor.complete(URI, *end_of(text), explicit=explicit).text()


async def test_an_item_and_then_a_known_one(engine: ScriptedEngine, editor: Editor) -> None:
    editor.open(URI, PROGRAM, "python")
    assert await ask(editor)
    line = await last(editor)
    assert line.startswith("a.py:14:9 asked, waited ") and " all after " in line
    await ask(editor)
    assert (await last(editor)).startswith("a.py:14:9 known, ")


@pytest.mark.parametrize(
    ("tokens", "sure", "reason"),
    [
        ((), (), "the model had nothing to say"),
        (("return", " amount", "\n"), (0.5, 0.2, 1), "the model was not sure enough of more (0.10)"),
        ((") + 1\n",), (), "as it would leave code that does not parse"),
    ],
)
async def test_why_nothing_is_shown(
    engine: ScriptedEngine, editor: Editor, tokens: tuple[str, ...], sure: tuple[float, ...], reason: str
) -> None:
    engine.says(*tokens, after=PROGRAM, sure=sure)
    editor.open(URI, PROGRAM, "python")
    assert await ask(editor) == ""
    assert reason in await last(editor)


async def test_a_pause_an_error_and_a_document_that_is_not_open(
    engine: ScriptedEngine, editor: Editor
) -> None:
    assert await ask(editor) == ""
    assert (await last(editor)).endswith("refused: the editor has not opened the document")
    editor.open(URI, PROGRAM, "python")
    await editor.request("midfill/pause")
    assert await ask(editor) == ""
    assert (await last(editor)).endswith("refused: Midfill is paused, or switched off")
    await editor.request("midfill/resume")
    engine.says("x", after=PROGRAM, fails="The card is too hot.")
    assert await ask(editor) == ""
    assert "The card is too hot" in await last(editor)


async def test_a_request_that_was_cancelled(engine: ScriptedEngine, editor: Editor) -> None:
    engine.says("self", after=PROGRAM, steps=0)
    editor.open(URI, PROGRAM, "python")
    pending = editor.complete(URI, *end_of(PROGRAM))
    await engine.asked()
    pending.cancel()
    with pytest.raises(AnswerError):
        await pending.text()
    assert (await last(editor)).endswith("the editor cancelled it, or asked again")


async def test_it_keeps_the_last_fifty_and_no_text(engine: ScriptedEngine, editor: Editor) -> None:
    editor.open(URI, PROGRAM, "python")
    for _ in range(60):
        await ask(editor)
    told = (await editor.request("midfill/why"))["requests"]
    assert len(told) == 50
    assert not any("self" in line or "secret-folder" in line for line in told)


def why(folder: Path, *options: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [*CLI, "why", *options], env=environment(folder), capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


async def test_a_terminal_can_ask_too(engine: ScriptedEngine, editor: Editor) -> None:
    code, _, sentence = await asyncio.to_thread(why, engine.folder)
    assert code == 1 and "no open editor" in sentence
    editor.open(URI, PROGRAM, "python")
    await ask(editor)
    await ask(editor)
    files = await engine.until(lambda: list(engine.folder.glob("why-*")))
    await engine.until(lambda: len(files[0].read_text().splitlines()) == 2)
    assert files[0].stat().st_mode & 0o777 == 0o600
    assert (await asyncio.to_thread(why, engine.folder))[1].startswith("a.py:14:9 known")
    assert len((await asyncio.to_thread(why, engine.folder, "--all"))[1].splitlines()) == 2
    await editor.close()
    assert not files[0].exists()
