"""Keys that a literal has already. ║ is where the cursor is."""

import pytest

from ..drawn import item


@pytest.mark.parametrize(
    ("language", "drawn", "written", "shown"),
    [
        # on lines of their own: in the item, above the cursor, below it
        (
            "python",
            "book = {\n    ║\n}\n",
            "'title': title,\n    'author': author,\n    'title': title,\n    'author': author,\n",
            "'title': title,\n    'author': author,",
        ),
        ("python", 'a = {\n    "b": c,\n    ║\n}\n', '"d": e,\n    "b": f,\n', '"d": e,'),
        ("python", 'a = {\n    ║\n    "b": c,\n}\n', '"b": f,\n', ""),
        ("javascript", "f({\n  name: a,\n  ║\n});\n", "size: b,\n  name: c,\n", "size: b,"),
        ("typescript", "const a: B = {\n  ║\n  'c-d': 1,\n};\n", "'c-d': 2,\n", ""),
        ("go", "v := T{\n\tName: a,\n\t║\n}\n", "Size: b,\n\tName: c,\n", "Size: b,"),
        ("go", 'm := map[string]int{\n\t"a": 1,\n\t║\n}\n', '"b": 2,\n\t"a": 3,\n', '"b": 2,'),
        ("rust", "let a = T {\n    name: b,\n    ║\n};\n", "size: c,\n    name: d,\n", "size: c,"),
        ("php", "<?php\n$a = [\n    'b' => 1,\n    ║\n];\n", "'c' => 2,\n    'b' => 3,\n", "'c' => 2,"),
        ("ruby", "A = {\n  b: 1,\n  ║\n}\n", "c: 2,\n  b: 3,\n", "c: 2,"),
        ("ruby", "A = {\n  :b => 1,\n  ║\n}\n", ":c => 2,\n  :b => 3,\n", ":c => 2,"),
        # within a line
        ("python", "a = ║\n", '{"b": 1, "c": 2, "b": 3}\n', '{"b": 1, "c": 2}'),
        ("python", 'a = {"b": 1, ║}\n', '"b": 3', ""),
        ("javascript", "const a = ║\n", "{ b: 1, c: 2, b: 3 };\n", "{ b: 1, c: 2}"),
    ],
)
def test_a_key_is_not_offered_again(language: str, drawn: str, written: str, shown: str) -> None:
    assert item(drawn, written, language) == shown


@pytest.mark.parametrize(
    ("language", "drawn", "written"),
    [
        # other literals
        ("python", "a = [\n    ║\n]\n", "{'b': 1, 'c': 2},\n    {'b': 3, 'c': 4},"),
        ("python", "a = ║\n", "{'b': {'c': 1}, 'd': {'c': 2}}"),
        ("python", "a = {\n    'b': 1,\n}\nc = {\n    ║\n}\n", "'b': 2,"),
        ("javascript", "f({\n  a: {\n    name: 1,\n  },\n  ║\n});\n", "b: {\n    name: 2,\n  },"),
        # no entries
        ("python", "║\n", "x: int = 1\ny: str = x"),
        ("python", "a = {\n    b: 1,\n    ║\n}\n", "c: 2,\n    d: 3,"),
        ("typescript", "interface A {\n  ║\n}\n", "b: string;\n  c: string;"),
        # a key that the user has written
        ("python", "a = {\n    'b': 1,\n    'b': ║\n}\n", "2,"),
    ],
)
def test_other_entries_stay(language: str, drawn: str, written: str) -> None:
    assert item(drawn, written, language) == written
