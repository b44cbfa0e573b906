"""ARCHITECTURE.md is a map: it names every module of both packages, once, under its folder."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = (ROOT / "server" / "midfill_server", ROOT / "model" / "midfill_model")
MOST_ENTRIES = 10  # of a folder, beside what makes it a package
EVALUATION = PACKAGES[0] / "tools" / "evaluation"  # one idea, and no user runs it


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


def test_no_folder_of_the_packages_holds_more_than_ten_things() -> None:
    folders = [
        folder
        for package in (*PACKAGES, ROOT / "model" / "midfill_training")
        for folder in (package, *package.rglob("*"))
        if folder.is_dir() and folder.name != "__pycache__" and folder != EVALUATION
    ]
    beside = {"__init__.py", "py.typed", "__pycache__"}
    crowded = [it for it in folders if len({path.name for path in it.iterdir()} - beside) > MOST_ENTRIES]
    assert crowded == []
