"""What people see first: `make demo` completes two files so that each parses, and speaks of what is there."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from midfill_server.tools.complete_command import Place, lines_of, read_place
from midfill_server.trim.fit import python, trees

from ..conftest import CLI, environment

ROOT = Path(__file__).parents[3]
PLACES = re.findall(r"^AT \?= (.*)$", (ROOT / "Makefile").read_text(), re.M)[0].split()


def split(place: Place) -> tuple[str, str]:
    """The text before and behind the cursor."""
    lines = lines_of(place.path.read_text("utf-8"))
    before = [*lines[: place.line - 1], lines[place.line - 1][: place.column - 1]]
    behind = [lines[place.line - 1][place.column - 1 :], *lines[place.line :]]
    return "\n".join(before), "\n".join(behind)


@pytest.mark.parametrize("where", PLACES)
def test_the_demo_shows_something_whole(where: str, own_folder: Path) -> None:
    command = [*CLI, "complete", where, "--model", "demo", "--json"]
    found = subprocess.run(
        command, env=environment(own_folder), cwd=ROOT, capture_output=True, text=True, check=True
    )
    item = json.loads(found.stdout)["text"]
    prefix, suffix = split(read_place(str(ROOT / where)))
    whole = prefix + item + suffix
    assert len(item.strip()) > 20, "too little for a first look"
    assert python.parses(whole) if ".py:" in where else trees.parses(whole, "typescript")
    names = set(re.findall(r"\w+", item)) & set(re.findall(r"\w+", prefix))
    assert len(names) > 1, "it says nothing about this file"
