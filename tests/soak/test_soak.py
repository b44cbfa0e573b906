"""A long day of typing: many windows, one engine; what they hold is flat after the first tenth.

`make test` types for some seconds. `make soak` types 100,000 edits with 20,000 requests in 50 windows;
`make soak EDITS=… WINDOWS=…` as many as you like. The curves are printed.
"""

import asyncio
import os
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_server.tools.lsp_client import AnswerError, Editor

from ..e2e.conftest import Engine, environment, runtime_folder
from ..known_model import write_known
from .curves import Held, drawn, growth, held

EDITS = int(os.environ.get("MIDFILL_SOAK", "1000"))
WINDOWS = int(os.environ.get("MIDFILL_SOAK_WINDOWS", "3"))
EACH = 5  # edits for each request
ROUND = 100  # edits, after which the document is as it was
SAMPLES = 20
MOST_GROWTH = 1.05
SLACK = {"memory": 4e6 if EDITS >= 50_000 else 12e6, "files": 2.0, "threads": 2.0, "connections": 2.0}
"""What may come on top: of a short run the caches are still filling; of small numbers 5 % is nothing."""
START = "def f(a):\n    "

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the figures are Linux' own")


@asynccontextmanager
async def windows(folder: Path, model: str) -> AsyncIterator[list[Editor]]:
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(Editor(environment=environment(folder))) for _ in range(WINDOWS)
        ]
        for it in made:
            await it.initialize({"model": model, "debounceMs": 0, "statistics": False})
        yield made


async def typed(editor: Editor, n_edits: int, dice: random.Random, answers: list[str]) -> None:
    """A round of edits in one document, a request for each few, and one that nothing ends."""
    uri = f"file:///{dice.randrange(8)}.py"
    editor.open(uri, START)
    column, asked = 4, list[asyncio.Task[str]]()
    for i in range(n_edits):
        editor.insert(uri, 1, column, dice.choice("xyz= (.1"))
        column += 1
        if i % EACH == 0:
            pending = editor.complete(uri, 1, column, explicit=dice.random() < 0.2, grow=lambda _: None)
            asked.append(asyncio.create_task(_text(pending.text())))
            if dice.random() < 0.1:
                pending.cancel()
            await asyncio.sleep(0)
    answers += await asyncio.gather(*asked, editor.complete(uri, 1, column).text())
    editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    editor.notifications.clear()


async def _text(text: Coroutine[None, None, str]) -> str:
    """ "" for a request that a newer one, an edit or a cancel has ended."""
    try:
        return await text
    except AnswerError as error:
        assert error.code == -32800, error
        return ""


async def test_what_is_held_is_flat(capsys: pytest.CaptureFixture[str]) -> None:
    dice, answers = random.Random(7), list[str]()
    fronts, engines = list[Held](), list[Held]()
    n_rounds = max(SAMPLES, EDITS // ROUND)
    with runtime_folder() as folder, tempfile.TemporaryDirectory() as name:
        model = str(write_known(Path(name) / "known"))
        async with windows(folder, model) as made:
            pids = [it.process.pid for it in made]
            for number in range(n_rounds):
                async with asyncio.timeout(300):
                    await typed(made[number % len(made)], EDITS // n_rounds, dice, answers)
                if number % max(1, n_rounds // SAMPLES) == 0:
                    fronts.append(held(pids))
                    engines.append(held([Engine(folder).pid or 0]))
            assert seam.count_windows(folder) == len(made)
            shown = sum(bool(it) for it in answers)
            with capsys.disabled():
                print(f"\n{EDITS} edits, {len(answers)} requests ({shown} with text), {WINDOWS} windows")
                print("\n".join([*drawn("fronts", fronts), *drawn("engine", engines)]))
    assert shown > 0
    grown = [
        f"{name} {figure}: {before:.0f} → {after:.0f}"
        for name, samples in (("fronts", fronts), ("engine", engines))
        for figure, slack in SLACK.items()
        for before, after in [growth(samples, figure)]
        if after > before * MOST_GROWTH + slack
    ]
    assert grown == []
