"""What the editors' page tells users to write into their editors is what `make test-editors` runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("language", "file"),
    [("lua", "neovim/init.lua"), ("toml", "helix/languages.toml"), ("elisp", "emacs/lsp-mode.el")],
)
def test_the_pages_snippet_is_the_file_that_is_tested(language: str, file: str) -> None:
    page = (ROOT / "editors" / "README.md").read_text("utf-8")
    (snippet,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert snippet == (ROOT / "editors" / file).read_text("utf-8")
