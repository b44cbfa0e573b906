"""What is not probable enough is not shown; as one types past the cut, the rest is there. The real server."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_server.tools.lsp_client import Editor

from ...scripted_engine import PATIENCE, ScriptedEngine
from ..conftest import end_of, environment
from .test_growth import CASES, drawn

URI = "file:///a.py"
BEFORE = "def total(price, tax):\n    "
TOKENS = ("return", " price", " *", " (", "1", " +", " tax", ")", "\n")
SURE = (0.96, 0.96, 0.2, 0.9, 0.95, 0.95, 0.95, 0.95, 1.0)
"""Sure of `return price`, not of what is done with it; given that, of the rest."""


async def ask(editor: Editor, text: str, explicit: bool = False) -> str:
    return await editor.complete(URI, *end_of(text), explicit=explicit).text()


async def test_the_rest_comes_as_one_types_past_the_cut(engine: ScriptedEngine, editor: Editor) -> None:
    engine.says(*TOKENS, after=BEFORE, sure=SURE)
    editor.open(URI, BEFORE, "python")
    assert await ask(editor, BEFORE) == "return price"
    text = BEFORE
    for typed, rest in {
        "return": " price",
        " price ": "",
        "*": " (1 + tax)",
        " (1": " + tax)",
    }.items():
        editor.insert(URI, *end_of(text), typed)
        text += typed
        assert await ask(editor, text) == rest
    assert len(engine.calls) == 1


async def test_an_explicit_request_shows_all_and_asks_no_second_time(
    engine: ScriptedEngine, editor: Editor
) -> None:
    engine.says(*TOKENS, after=BEFORE, sure=SURE)
    editor.open(URI, BEFORE, "python")
    assert await ask(editor, BEFORE) == "return price"
    assert await ask(editor, BEFORE, explicit=True) == "return price * (1 + tax)"
    assert len(engine.calls) == 1


async def test_what_was_written_for_who_asked_is_gated_for_who_does_not(
    engine: ScriptedEngine, editor: Editor
) -> None:
    engine.says(*TOKENS, after=BEFORE, sure=SURE)
    editor.open(URI, BEFORE, "python")
    assert await ask(editor, BEFORE, explicit=True) == "return price * (1 + tax)"
    line, column = end_of(BEFORE)
    editor.insert(URI, line, column, "retry")
    assert await ask(editor, BEFORE + "retry") == "", "another way: that was the end of what was asked for"
    start, end = ({"line": line, "character": column + n} for n in (3, 5))
    editor.change(URI, {"range": {"start": start, "end": end}, "text": ""})
    assert await ask(editor, BEFORE + "ret") == "urn price"
    assert len(engine.calls) == 2


@pytest.mark.parametrize(
    ("confidence", "shown"),
    [(0, "return price * (1 + tax)"), (0.9, "return price"), (0.95, "")],
)
async def test_the_setting_says_how_sure_is_sure(
    engine: ScriptedEngine, editor: Editor, confidence: float, shown: str
) -> None:
    engine.says(*TOKENS, after=BEFORE, sure=SURE)
    editor.notify("workspace/didChangeConfiguration", {"settings": {"midfill": {"confidence": confidence}}})
    editor.open(URI, BEFORE, "python")
    assert await ask(editor, BEFORE) == shown


@pytest.mark.parametrize("language", CASES)
async def test_what_is_sure_grows_and_never_shrinks(
    engine: ScriptedEngine, editor: Editor, language: str
) -> None:
    """Wherever the doubt is: the texts on screen are beginnings of one another, and of the answer."""
    name, before, written, after = drawn(language)
    for doubt in range(0, len(written), 17):
        sure = [0.3 if n == doubt else 0.999 for n in range(len(written))]
        engine.says(*written, after=before, sure=sure)
        uri = f"file:///{doubt}/{name}"
        editor.open(uri, before + after, language)
        pending = editor.complete(uri, *end_of(before), explicit=False, grow=lambda _: None)
        final, shown = await pending.text(), pending.partials
        assert all(later.startswith(earlier) for earlier, later in pairwise(shown)), (doubt, shown)
        assert not shown or final == shown[-1], (doubt, shown, final)


@pytest.mark.parametrize(
    ("language", "trained_in", "shown"),
    [
        ("python", ["python"], "return price"),
        ("go", ["python"], ""),
        ("go", ["python", "go"], "return price"),
        ("go", None, "return price"),
        ("go", "go", "return price"),
    ],
)
async def test_more_is_asked_of_what_the_model_hardly_knows(
    language: str, trained_in: object, shown: str, tmp_path: Path
) -> None:
    model = {"id": "scripted", "budgets": seam.SMALL._asdict(), "trained_in": trained_in}
    with ScriptedEngine(tmp_path, health={"model": model}) as engine:
        engine.says(*TOKENS, after=BEFORE, sure=(0.8, 0.8, *SURE[2:]))
        async with asyncio.timeout(PATIENCE), Editor(environment=environment(tmp_path)) as editor:
            await editor.initialize()
            editor.open(URI, BEFORE, language)
            await editor.notified("midfill/statusChanged", lambda it: it["state"] == "ready")
            assert await ask(editor, BEFORE) == shown
