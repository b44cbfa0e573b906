"""Holes in code that is written here."""

from pathlib import Path

import pytest

from midfill_server.tools.evaluation.holes import LEVELS, SMALLEST, Hole, holes, source_files

CODE = '''def area(width, height):
    """The area."""
    result = width * height

    if result < 0:
        raise ValueError(result)
    return result

'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.py").write_text(CODE * 4)
    (tmp_path / "b.rs").write_bytes(b"fn main() {\r\n    println!();\r\n}\r\n" * 20)
    for passed_over in ("node_modules", ".hidden"):
        (tmp_path / passed_over).mkdir()
        (tmp_path / passed_over / "c.py").write_text(CODE * 4)
    (tmp_path / "small.py").write_text("x = 1\n")
    (tmp_path / "binary.py").write_bytes(b"\xff" * 2 * SMALLEST)
    (tmp_path / "text.md").write_text(CODE * 4)
    return tmp_path


def test_only_code_that_can_be_read_is_taken(folder: Path) -> None:
    files = source_files(folder)
    assert [(file.path.name, file.language) for file in files] == [("b.rs", "rust"), ("a.py", "python")]
    assert "\r" not in files[0].text


def test_the_same_seed_gives_the_same_holes(folder: Path) -> None:
    files = source_files(folder)
    once, again, other = list(holes(files, 8, 1)), list(holes(files, 8, 1)), list(holes(files, 8, 2))
    assert once == again != other
    assert [hole.level for hole in once] == [level for level in LEVELS for _ in range(8)]
    assert len(set(once)) == len(once)


def of_level(folder: Path, level: str) -> list[Hole]:
    return [hole for hole in holes(source_files(folder), 20, 1) if hole.level == level]


def test_a_hole_is_what_is_missing(folder: Path) -> None:
    for hole in holes(source_files(folder), 10, 1):
        assert hole.prefix + hole.hidden + hole.suffix == hole.file.text
        assert hole.hidden.strip()


def test_a_line_hole_runs_to_the_end_of_its_line(folder: Path) -> None:
    for hole in of_level(folder, "line"):
        assert "\n" not in hole.hidden and hole.suffix.startswith("\n")
        assert not hole.hidden[0].isspace()


def test_a_block_hole_is_a_whole_block(folder: Path) -> None:
    found = of_level(folder, "block")
    assert found
    for hole in found:
        lines = hole.hidden.split("\n")
        indent = len(hole.prefix) - len(hole.prefix.rstrip(" "))
        assert len(lines) > 1 and all(lines) and hole.suffix.startswith("\n")
        assert all(len(line) - len(line.lstrip()) >= indent for line in lines[1:])


def test_an_empty_folder_has_no_holes(tmp_path: Path) -> None:
    assert list(holes(source_files(tmp_path), 5, 1)) == []
