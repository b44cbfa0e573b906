"""ARCHITECTURE.md is a map: it names every module of both packages, once, under its folder."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = (ROOT / "server" / "midfill_server", ROOT / "model" / "midfill_model")
BY_THE_WALL = {  # what a person reads, or how old a file is; all else counts seconds that nobody can set
    "editor/record/why.py",
    "engines/choice.py",
    "engines/http/refusals.py",
    "process/main.py",
    "process/wire.py",
    "seam/windows.py",
    "tools/doctor/leftovers.py",
    "tools/status_command.py",
}
MOST_ENTRIES = 10  # of a folder, beside what makes it a package


def test_the_code_map_names_every_module_once() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    code_map = text[text.index("## Code map") : text.index("## Invariants")]
    named: list[str] = []
    for section in re.split(r"^### ", code_map, flags=re.MULTILINE)[1:]:
        folder = re.match(r"`([^`]+)`", section)
        assert folder is not None, section[:60]
        cells = re.findall(r"^\| (`.*?`) \|", section, flags=re.MULTILINE)
        named += [f"{folder[1]}/{name}" for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    modules = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in package.rglob("*.py")
        if path.name != "__init__.py"
    ]
    assert sorted(named) == sorted(modules)


def test_the_page_names_only_tests_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    sources = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    known = {name for source in sources for name in re.findall(r"def (test_\w+)", source)}
    assert not set(re.findall(r"`(test_\w+)`", text)) - known
    paths = re.findall(r"`((?:tests|editors)/[\w/.-]+\.\w+)`", text)
    assert paths and [path for path in paths if not (ROOT / path).exists()] == []


def test_no_folder_of_the_packages_holds_more_than_ten_things() -> None:
    folders = [
        folder
        for package in (*PACKAGES, ROOT / "model" / "midfill_training")
        for folder in (package, *package.rglob("*"))
        if folder.is_dir() and folder.name != "__pycache__"
    ]
    beside = {"__init__.py", "py.typed", "__pycache__"}
    crowded = [it for it in folders if len({path.name for path in it.iterdir()} - beside) > MOST_ENTRIES]
    assert crowded == []


def test_durations_are_measured_by_a_clock_that_nobody_sets() -> None:
    """The one on the wall jumps: by hand, by NTP, when a machine wakes up."""
    found = {
        path.relative_to(package).as_posix()
        for package in PACKAGES
        for path in package.rglob("*.py")
        if re.search(r"time\.time\(|datetime\.now|utcnow", path.read_text("utf-8"))
    }
    assert found == BY_THE_WALL
