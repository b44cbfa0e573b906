"""A server of the user's choice behind `url`, which wants a key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_model.fim import FIM_BEGIN, FIM_END, FIM_HOLE
from midfill_server.tools.lsp_client import Editor

from ...scripted_engine import ScriptedEngine
from ..conftest import ITEM, PROGRAM, TOKENS, end_of, environment


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ScriptedEngine]:
    with ScriptedEngine(tmp_path, tcp=True) as server:
        server.says(*TOKENS, after=PROGRAM)
        yield server


async def completed(
    server: ScriptedEngine, folder: Path, key: str | None, **options: object
) -> tuple[str, list[str]]:
    async with Editor(environment=environment(folder) | {"MIDFILL_TEST_KEY": key or ""}) as editor:
        await editor.initialize({"url": server.url + "/v1", "apiKeyEnv": "MIDFILL_TEST_KEY"} | options)
        editor.open("file:///a.py", PROGRAM + "\n\nprint()\n")
        text = await editor.complete("file:///a.py", *end_of(PROGRAM)).text()
        messages = [it["params"].get("message", "") for it in editor.notifications]
    return text, [message for message in messages if message]


@pytest.mark.parametrize("dialect", ["suffix", "rendered"])
async def test_it_completes_without_an_engine_of_its_own(
    server: ScriptedEngine, own_folder: Path, dialect: str
) -> None:
    text, _ = await completed(server, own_folder, server.token, dialect=dialect, model="theirs")
    assert text == ITEM
    (call,) = server.calls
    before, after = "# a.py\n" + PROGRAM, "\n\nprint()\n"
    if dialect == "suffix":
        assert (call.body["prompt"], call.body["suffix"]) == (before, after)
    else:
        assert call.body["prompt"] == FIM_BEGIN + before + FIM_HOLE + after + FIM_END
        assert "suffix" not in call.body
    assert (call.body["model"], call.body["stream"]) == ("theirs", True)
    assert seam.read_card(own_folder) is None


async def test_a_wrong_key_is_one_message(server: ScriptedEngine, own_folder: Path) -> None:
    text, messages = await completed(server, own_folder, "wrong", model="theirs")
    assert (text, server.calls) == ("", [])
    assert any("401" in message for message in messages)


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        ({"status": 429}, "429"),
        ({"status": 500}, "500"),
        ({"fails": "Out of memory."}, "Out of memory."),
    ],
)
async def test_a_server_that_fails_is_quoted(
    server: ScriptedEngine, own_folder: Path, failure: dict[str, int | str], sentence: str
) -> None:
    server.says(**failure)  # type: ignore[arg-type]
    text, messages = await completed(server, own_folder, server.token, model="theirs")
    assert text == ""
    assert any(sentence in message for message in messages)
