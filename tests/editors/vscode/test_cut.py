"""Ghost text that ends where the model stops being sure, in real VS Code."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ...scripted_engine import ScriptedEngine
from ..conftest import PROGRAM, Open, environment, installed_vscode
from .vscode import VSCode


@pytest.fixture
def vscode(scripted_engine: ScriptedEngine, tmp_path: Path) -> Iterator[VSCode]:
    with installed_vscode(tmp_path, environment(scripted_engine, tmp_path)) as vscode:
        yield vscode


def test_the_rest_comes_as_one_types_past_the_cut(open_file: Open, scripted_engine: ScriptedEngine) -> None:
    tokens, sure = ("amount", " >", " self", ".balance", ":", "\n"), (0.95, 0.2, 0.95, 0.95, 0.95, 1)
    scripted_engine.says(*tokens, after="\n        if ", sure=sure)
    window = open_file("account.py", PROGRAM.rstrip("\n"), settings='{"midfill.confidence": 0.55}')
    window.press("Enter")
    window.type("if ")
    window.wait_whole("amount")
    window.press("Tab")
    window.type(" >")
    window.wait_whole(" self.balance:")
    window.press("Tab")
    assert window.save().decode().endswith("\n        if amount > self.balance:")
    places = [call.before.rpartition("\n")[2] for call in scripted_engine.calls]
    assert not any(place.rstrip().endswith(">") for place in places), "it was known"
