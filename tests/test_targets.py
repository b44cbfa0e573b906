"""Every test is run by somebody: `make test` runs pyproject's testpaths, other targets what they name."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TYPED = ROOT / "tests/languages/day"  # no tests of ours: `make day` types them
FILES = [path for path in sorted((ROOT / "tests").rglob("*.py")) if not path.is_relative_to(TYPED)]


def targets() -> dict[str, list[Path]]:
    """What each target of the Makefile gives to pytest; with no path that is pyproject's testpaths."""
    paths = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    found: dict[str, list[Path]] = {}
    target = ""
    for line in (ROOT / "Makefile").read_text().splitlines():
        if named := re.match(r"([\w-]+):", line):
            target = named[1]
        elif run := re.match(r"\t\$\(BIN\)/pytest((?: \S+)*)", line):
            given = [word for word in run[1].split() if not word.startswith("-")]
            found.setdefault(target, []).extend(ROOT / path for path in given or paths)
    return found


def test_every_test_file_is_run_by_a_target_once() -> None:
    lonely, twice = [], []
    for file in (path for path in FILES if path.name.startswith("test_")):
        runs = [path for paths in targets().values() for path in paths if file.is_relative_to(path)]
        lonely += [file] if not runs else []
        twice += [file] if len(runs) > 1 else []
    assert (lonely, twice) == ([], [])


def test_what_the_targets_name_exists() -> None:
    assert targets().keys() >= {"test", "test-editors"}
    assert [path for paths in targets().values() for path in paths if not path.exists()] == []


def test_no_test_hides_in_a_file_that_pytest_does_not_collect() -> None:
    others = [path for path in FILES if not path.name.startswith("test_")]
    assert [path for path in others if re.search(r"^(async )?def test_", path.read_text(), re.M)] == []
