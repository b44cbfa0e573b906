"""What the editors' pages tell users to write into their editors is what `make test-editors` runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("editor", "files"),
    [
        ("neovim", ["init.lua"]),
        ("helix", ["languages.toml"]),
        ("emacs", ["lsp-mode.el", "eglot.el"]),
    ],
)
def test_a_pages_snippets_are_the_files_that_are_tested(editor: str, files: list[str]) -> None:
    folder = ROOT / "editors" / editor
    snippets = re.findall(r"```\w+\n(.*?)```", (folder / "README.md").read_text("utf-8"), re.DOTALL)
    assert snippets[: len(files)] == [(folder / it).read_text("utf-8") for it in files]


@pytest.mark.parametrize("editor", ["vscode", "neovim", "helix", "emacs"])
def test_each_editor_has_a_page_with_a_picture(editor: str) -> None:
    page = ROOT / "editors" / editor / "README.md"
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+\.png)\)", page.read_text("utf-8"))
    assert pictures and all((page.parent / it).exists() for it in pictures)
    assert f"({editor}/README.md)" in (ROOT / "editors" / "README.md").read_text("utf-8")
