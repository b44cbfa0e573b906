"""Files of data: keys that stand there already are not offered, and JSON gets as many commas as it needs."""

import json

import pytest

from midfill_server.trim import is_final, settled, trim

from ..drawn import window

TOML = '[project]\nname = "a"\nversion = "1"\n║\n\n[tool.b]\nc = 1\n'
YAML = "jobs:\n  test:\n    runs-on: a\n    ║\n    steps:\n      - name: b\n        run: c\nname: d\n"
JSON = '{\n  "a": {\n    "b": 1\n  },\n  ║\n  "c": 2\n}\n'
CSS = ".a {\n  color: red;\n  ║\n  margin: 0;\n}\n\n.b {\n  width: 0;\n}\n"

KEYS = [
    ("toml", TOML, 'version = "2"\nreadme = "R"\n', ""),
    ("toml", TOML, 'readme = "R"\nname = "b"\nfiles = []\n', 'readme = "R"'),
    ("toml", TOML, 'readme = "R"\nreadme = "S"\n', 'readme = "R"'),
    ("toml", TOML, "c = 2\n", "c = 2"),
    ("toml", TOML, "readme = 1\n[tool.b]\nd = 1\n", "readme = 1"),
    ("toml", TOML, "readme = 1\n[tool.d]\nname = 1\n", "readme = 1\n[tool.d]\nname = 1"),
    ("toml", "[[a]]\nb = 1\n\n║\n", "[[a]]\nb = 2\n", "[[a]]\nb = 2"),
    ("toml", "[a]\nname = 1\nname║\n", " = 2\n", ""),
    ("toml", "[a]\nname = 1\nname = ║\n", "2\n", "2"),  # the user's own
    ("yaml", YAML, "runs-on: e\n    needs: f\n", ""),
    ("yaml", YAML, "needs: f\n    steps:\n", "needs: f"),
    ("yaml", YAML, "name: f\n", "name: f"),
    ("yaml", "a:\n  - b: 1\n    c: 2\n    ║\n  - b: 3\n", "b: 4\n", ""),
    ("yaml", "a:\n  - b: 1\n    c: 2\n  ║\n", "- b: 3\n    c: 4\n", "- b: 3\n    c: 4"),
    ("yaml", "a:\n  b: 1\nc:║\n", "\n  b: 2\n  b: 3\n", "\n  b: 2"),
    ("yaml", "c:║\n  b: 1\n", "\n  b: 2\n", ""),
    ("json", JSON, '"a": 1,\n  "d": 3\n', ""),
    ("json", JSON, '"d": 3,\n  "c": 3,\n', '"d": 3,'),
    ("json", JSON, '"b": 3,\n', '"b": 3,'),
    ("json", JSON, '"d": {\n    "e": 1,\n    "e": 2\n  },\n', '"d": {\n    "e": 1\n  },'),
    ("css", CSS, "color: blue;\n  width: 1px;\n", ""),
    ("css", CSS, "width: 1px;\n  margin: 1px;\n", "width: 1px;"),
    ("css", CSS, "width: 1px;\n", "width: 1px;"),
    ("css", "a:hover {\n  b: c;\n}\n║\n", "a:hover,\n", "a:hover,"),
    ("scss", CSS, "&:hover {\n    color: blue;\n  }\n", "&:hover {\n    color: blue;\n  }"),
    ("python", "a = {\n    b: 1,\n    ║\n}\n", "c: 2,\n", "c: 2,"),
    ("lua", "a = 1\n║\n", "a = 2\n", "a = 2"),
    ("shellscript", "a=1\nb=2\n║\n", "a=3\n", "a=3"),
]

COMMAS = [
    ('{\n  "a": 1,\n  ║\n}\n', '"b": 2,\n', '"b": 2'),
    ('{\n  "a": 1,\n  ║\n}\n', '"b": [\n    1,\n    2,\n  ],\n', '"b": [\n    1,\n    2\n  ]'),
    ('{\n  "a": 1,\n  ║\n}\n', '"b": ",]",\n', '"b": ",]"'),
    ('{\n  "a": 1,\n  ║\n  "c": 3\n}\n', '"b": 2\n', '"b": 2,'),
    ('{\n  ║\n  "c": 3\n}\n', '"b": {}\n', '"b": {},'),
    ('{\n  "a": [1, ║]\n}\n', "2, 3,", "2, 3"),
    ('{\n  "a": ║\n  "c": 3\n}\n', "[1, 2]\n", "[1, 2],"),
    ('{\n  "a": "║"\n}\n', "b, c,", "b, c,"),
    ('{\n  "a": ║,\n  "c": 3\n}\n', "1,\n", "1"),
]


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), KEYS)
def test_a_key_that_stands_there_is_not_offered_again(
    language: str, drawn: str, written: str, shown: str
) -> None:
    assert trim(written, window(drawn, language)) == shown


@pytest.mark.parametrize(("drawn", "written", "shown"), COMMAS)
def test_json_gets_the_commas_that_it_needs(drawn: str, written: str, shown: str) -> None:
    place = window(drawn, "json")
    assert trim(written, place) == shown
    json.loads(place.prefix + shown + place.suffix)


@pytest.mark.parametrize("language", ["json", "jsonc"])
def test_a_member_behind_one_that_has_no_comma_is_not_offered(language: str) -> None:
    assert trim('"b": 2\n', window('{\n  "a": 1\n  ║\n}\n', language)) == ""
    assert trim('"b"', window("[\n  1\n  ║\n]\n", language)) == ""
    assert trim("1\n", window('{\n  "a": ║\n}\n', language)) == "1"


def test_a_comment_is_no_member() -> None:
    assert trim('"b": 2\n', window("{\n  // a\n  ║\n}\n", "jsonc")) == '"b": 2'


@pytest.mark.parametrize(
    ("language", "drawn", "written"),
    [it[:3] for it in KEYS] + [("json", drawn, written) for drawn, written, _ in COMMAS],
)
def test_nothing_is_taken_back(language: str, drawn: str, written: str) -> None:
    place, seen = window(drawn, language), ""
    for n in range(1, len(written) + 1):
        text = written[:n]
        growing = settled(text, place)
        assert growing.startswith(seen), text
        assert trim(text, place).startswith(growing), text
        seen = growing
        if is_final(text, place):
            break


def test_decoding_stops_at_a_known_key() -> None:
    assert is_final('version = "2"\n', window(TOML, "toml"))
    assert not is_final('readme = "2"\n', window(TOML, "toml"))


@pytest.mark.parametrize(
    ("language", "drawn", "written", "shown"),
    [
        ("json", '{\n  "a": 1,\n  ║\n}\n', '"b" 2', ""),
        ("json", '{\n  "a": 1,\n  ║\n}\n', '"b": 2,\n  "c" 3', '"b": 2'),
        (
            "json",
            '{\n  "a": {\n    "b": 1,\n    ║\n  }\n}\n',
            '"c": {\n      "d": 1,',
            '"c": {\n      "d": 1\n    }',
        ),
        ("json", '{\n  "a": ║\n}\n', "tru", ""),
        ("json", '{\n  "a": ,\n  ║\n}\n', '"b": [2', '"b": [2]'),  # broken already
        ("toml", "[a]\nb ║\nc = 1\n", "d = 2", ""),
        ("toml", "[a]\n║\nc = 1\n", 'b = "d"', 'b = "d"'),
        ("toml", "[a]\n║\nc = 1\n", "class A:\n    b = 1", ""),
        ("toml", "x = \n[a]\n║\n\n[b]\ny z\n", "c = [1", "c = [1]"),  # broken in other tables
        ("toml", "a = [\n  1,\n  ║\n]\n", "2,\n  3,", "2,\n  3,"),
    ],
)
def test_a_file_that_parses_parses_with_the_item(language: str, drawn: str, written: str, shown: str) -> None:
    assert trim(written, window(drawn, language)) == shown


def test_a_file_too_large_to_parse_is_judged_by_what_is_open() -> None:
    members = '  "a": [1, 2],\n' * 2_000
    assert trim('"b": [1', window(f"{{\n{members}  ║\n}}\n", "json")) == '"b": [1]'
