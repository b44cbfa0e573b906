"""Hundreds of keys, as fast as they can be told: neither the server nor the engine says a word on stderr."""

import random
from contextlib import suppress
from pathlib import Path

from midfill_model.seam import LOG, MARK
from midfill_server.tools.lsp_client import AnswerError, Editor, Pending

from ..conftest import PROGRAM, environment

KEYS = 700
HASTE = 0.7  # the share of keys at which the answer to the last one is not waited for


async def test_a_long_session_is_silent(own_folder: Path, model: str, tmp_path: Path) -> None:
    """Requests are answered, cancelled, overtaken, and left alone; documents close under them."""
    chance, stderr = random.Random(1), tmp_path / "stderr"
    with stderr.open("wb") as log:
        async with Editor(environment=environment(own_folder), log=log) as editor:
            await editor.initialize({"model": model, "debounceMs": 0})
            await type_it(editor, (PROGRAM + "\n") * (KEYS // len(PROGRAM) + 1), chance)
    assert stderr.read_text() == ""
    said = [line for line in (own_folder / LOG).read_text().splitlines() if line]
    assert said and all(line.startswith(MARK) for line in said)


async def type_it(editor: Editor, text: str, chance: random.Random) -> None:
    line = character = n = 0
    asked: list[Pending] = []
    uri = "file:///0.py"
    editor.open(uri, "", "python")
    await editor.notified("midfill/statusChanged", lambda it: it["state"] == "ready")
    for key in text[:KEYS]:
        editor.insert(uri, line, character, key)
        line, character = (line + 1, 0) if key == "\n" else (line, character + 1)
        grow = (lambda _: None) if chance.random() < 0.8 else None
        asked.append(editor.complete(uri, line, character, chance.random() < 0.1, grow))
        if chance.random() < 0.5 and len(asked) > 1:
            asked[-2].cancel()
        if chance.random() > HASTE:
            await answered(asked.pop())
        if chance.random() < 0.01:  # another document, and the old one closes while it is asked about
            editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
            n, line, character = n + 1, 0, 0
            uri = f"file:///{n}.py"
            editor.open(uri, "", "python")
    for pending in asked[-50:]:
        await answered(pending)


async def answered(pending: Pending) -> None:
    with suppress(AnswerError):  # cancelled, or overtaken
        await pending.text()
