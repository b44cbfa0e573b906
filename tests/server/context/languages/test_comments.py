"""How a comment is written in a file's language, which its name tells."""

from pathlib import PurePath

import pytest

from midfill_server.context.languages.comments import comment
from midfill_server.context.languages.names import _EXTENSIONS, _NAMES, language_of
from midfill_server.context.languages.place import place_at_end
from midfill_server.context.languages.signs import signs_of


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("a.py", "# x"),
        ("a.rs", "// x"),
        ("a.lua", "-- x"),
        ("a.html", "<!-- x -->"),
        ("a.css", "/* x */"),
        ("a.ml", "(* x *)"),
        ("a.tf", "# x"),
        ("a.ini", "# x"),
        ("a.el", "; x"),
        ("a.tex", "% x"),
        ("a.vim", '" x'),
        ("a.bat", "REM x"),
        ("Makefile", "# x"),
        (".gitignore", "# x"),
        ("c", "# x"),
        ("a.unknown", "# x"),
    ],
)
def test_comments_in_the_languages_own_style(path: str, wanted: str) -> None:
    assert comment("x", path) == wanted


def test_a_text_cannot_end_the_comment() -> None:
    assert comment("a */\nb", "a.css") == "/* a   b */"


@pytest.mark.parametrize("ending", [*_EXTENSIONS, *_NAMES])
def test_of_every_file_whose_language_is_known_the_signs_are_known(ending: str) -> None:
    path = ending if ending in _NAMES else f"a.{ending}"
    language = language_of(PurePath(path))
    signs = signs_of(language)
    assert signs is not None and signs.comment[0]
    if not signs.writes:  # what is written as a comment is read as one
        assert place_at_end(comment("x", path).removesuffix(signs.comment[1]), language).kind == "comment"
