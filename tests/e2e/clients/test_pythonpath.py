"""No module in the folder that an editor was started in stands for one of ours, whatever $PYTHONPATH is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from midfill_server.tools.lsp_client import Editor

from ...scripted_engine import ScriptedEngine
from ..conftest import ITEM, PROGRAM, end_of, environment

BEFORE_US = {"encodings", "codecs", "site", "this", "antigravity"}  # what Python loads, or nobody
OURS = [
    "midfill_server",
    "midfill_model",
    "pygls",
    "lsprotocol",
    "attrs",
    "attr",
    "cattrs",
    "h11",
    "pathspec",
]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """As pip writes it for the command `midfill`."""
    script = tmp_path / "bin" / "midfill"
    script.parent.mkdir()
    script.write_text("import sys\nfrom _midfill_command import main\nsys.exit(main())\n")
    return [sys.executable, str(script), "serve"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """With a module for each of Python's own and a package for each of ours, none of which is to be run."""
    folder = tmp_path / "work"
    for name in OURS:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('not ours')\n")
    for name in sys.stdlib_module_names - BEFORE_US:
        (folder / f"{name}.py").write_text("raise SystemExit('not ours')\n")
    return folder


@pytest.mark.parametrize("named", ["/nowhere:", ":/nowhere", "/nowhere::/elsewhere", ".", "WORK", "../work/"])
async def test_no_module_of_the_workspace_is_imported(
    engine: ScriptedEngine, command: list[str], workspace: Path, named: str
) -> None:
    path = str(workspace) if named == "WORK" else named.replace(":", os.pathsep)
    around = environment(engine.folder) | {"PYTHONPATH": path}
    async with Editor(command, around, workspace) as editor:
        await editor.initialize(root=workspace)
        editor.open("file:///a.py", PROGRAM)
        assert await editor.complete("file:///a.py", *end_of(PROGRAM)).text() == ITEM


def test_what_is_nowhere_else_is_still_found(tmp_path: Path) -> None:
    """A library that $PYTHONPATH alone leads to: the folders come last, they do not go."""
    (tmp_path / "nowhere_else.py").write_text("print('found')\n")
    (tmp_path / "token.py").write_text("raise SystemExit('not ours')\n")
    around = {**os.environ, "PYTHONPATH": str(tmp_path)}
    code = "import _midfill_command, token, nowhere_else"
    done = subprocess.run(
        [sys.executable, "-c", code], env=around, capture_output=True, text=True, check=True
    )
    assert done.stdout == "found\n"
