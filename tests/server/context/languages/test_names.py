"""What a file's own name tells."""

from pathlib import PurePath

import pytest

from midfill_server.context.languages.names import language_of, says_something


@pytest.mark.parametrize(
    ("name", "something"),
    [
        ("cart.py", True),
        ("user_service.go", True),
        ("test_cart.py", True),
        ("Dockerfile", True),
        ("package.json", True),
        ("new.py", False),
        ("Untitled-1", False),
        ("new1.ts", False),
        ("a.py", False),
        ("main.rs", False),
        ("index.test.js", False),
        ("scratch_2.rb", False),
    ],
)
def test_whether_a_name_says_something(name: str, something: bool) -> None:
    assert says_something(PurePath("folder", name)) is something


def test_the_language_comes_from_the_ending_or_the_name() -> None:
    assert [language_of(PurePath(it)) for it in ("a/b.go", "Makefile", "b")] == ["go", "makefile", ""]
