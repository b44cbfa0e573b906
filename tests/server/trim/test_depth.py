"""An item is as deep as its place, and its blocks go by the file's own unit."""

import pytest

from midfill_server.trim import settled, trim
from midfill_server.trim.depth import indentation, unit_of

from .drawn import window

GO = "package a\n\nfunc f() {\n\tif a {\n\t\tg()\n\t}\n"
TYPESCRIPT = "class A {\n  f() {\n    g();\n  }\n"
RUST = "fn g() {\n    h();\n}\n\n"
JAVA = "class A {\n    int g() {\n        return 1;\n    }\n"
PYTHON = "def g():\n    return 1\n\n\n"
JSON = '{\n  "a": {\n    "b": 1\n  },\n'
SHELL = "if a; then\n  b\nfi\n"
LUA = "if a then\n  b()\nend\n"
RUBY = "a.each do\n  b\nend\n"
YAML = "a:\n  b:\n    - c: 1\n"

# Language, the place, what is written, and what is shown.
CASES = [
    # a line that is indented already
    ("python", "a = 1\nif a:\n    b = 2\n    ║\n", "    c = 3\n    d = 4\n", "c = 3\n    d = 4"),
    ("", "a = 1\nif a:\n    b = 2\n    ║\n", "    c = 3\n        d = 4\n", "c = 3\n    d = 4"),
    ("python", "if a:\n    ║\n", "    b = 2\n", "b = 2"),
    ("python", "if a:\n    if b:\n        c()\n    ║\n", "    d()\n", "d()"),
    ("typescript", TYPESCRIPT + "  ║\n}\n", "  h() {\n      g();\n    }\n", "h() {\n    g();\n  }"),
    ("go", GO + "\t║\n}\n", "\tg()\n", "g()"),
    ("rust", RUST + "fn f() {\n    ║\n}\n", "    g();\n        h();\n", "g();\n    h();"),
    ("java", JAVA + "    ║\n}\n", "    int h;\n", "int h;"),
    ("json", JSON + "  ║\n}\n", '  "c": 1\n', '"c": 1'),
    ("shellscript", SHELL + "if c; then\n  ║\nfi\n", "    d\n", "d"),
    ("lua", LUA + "if c then\n  ║\nend\n", "  d()\n", "d()"),
    ("ruby", RUBY + "c.each do\n  ║\nend\n", "  d\n", "d"),
    ("yaml", YAML + "  ║\n", "  d: 1\n", "d: 1"),
    # a line that lacks some of its blanks
    ("python", "if a:\n    if b:\n    ║\n", "        c()\n", "    c()"),
    ("python", PYTHON + "def f():\n  ║\n", "  g()\n  h()\n", "  g()"),
    ("", "a {\n    b\n  ║\n}\n", "      c\n", "  c"),
    # one unit deeper, never two
    (
        "python",
        "a = 1\n        \ndef f(b):\n║\n",
        "        yield b\n        b.c()\n",
        "    yield b\n    b.c()",
    ),
    ("python", "a = 1\n\ndef f(b):\n║\n", "  yield b\n", "  yield b"),
    ("python", PYTHON + "def f():║\n", "\n        g()\n        h()\n", "\n    g()\n    h()"),
    ("python", PYTHON + "def f():\n║\n", "        g()\n", "    g()"),
    ("typescript", TYPESCRIPT + "  h() {║}\n}\n", "\n      g();\n  }\n", "\n    g();\n  "),
    ("go", GO + "\t║\n}\n", "if b {\n\t\t\tg()\n\t\t}\n", "if b {\n\t\tg()\n\t}"),
    (
        "rust",
        RUST + "║\n",
        "fn f() {\n        g();\n        h();\n    }\n",
        "fn f() {\n    g();\n    h();\n}",
    ),
    (
        "java",
        JAVA + "    ║\n}\n",
        "int h() {\n            g();\n            i();\n        }\n",
        "int h() {\n        g();\n        i();\n    }",
    ),
    (
        "java",
        JAVA + "    int h() {\n        ║\n    }\n}\n",
        "k();\n            return 1;\n",
        "k();\n        return 1;",
    ),
    ("json", JSON + "  ║\n}\n", '"c": {\n      "d": 1\n    }\n', '"c": {\n    "d": 1\n  }'),
    ("shellscript", SHELL + "║\n", "if c; then\n    d\nfi\n", "if c; then\n  d\nfi"),
    ("lua", LUA + "║\n", "for c in d do\n      e()\nend\n", "for c in d do\n  e()\nend"),
    ("ruby", RUBY + "║\n", "c.each do\n    d\nend\n", "c.each do\n  d\nend"),
    ("yaml", YAML + "  ║\n", "d:\n        e: 1\n", "d:\n    e: 1"),
    ("css", "a {\n  b: c;\n}\n║\n", "d {\n    e: f;\n}\n", "d {\n  e: f;\n}"),
    # tabs or blanks, as the file has them
    ("go", GO + "\t║\n}\n", "if b {\n        g()\n    }\n", "if b {\n\t\tg()\n\t}"),
    ("typescript", TYPESCRIPT + "  ║\n}\n", "h() {\n\t\tg();\n\t}\n", "h() {\n    g();\n  }"),
    ("go", "package a\n║\n", "\nfunc f() {\n    g()\n}\n", "\nfunc f() {\n\tg()\n}"),
    ("makefile", "a:\n\tb\n\n║\n", "c:\n    d\n", "c:\n\td"),
    # what is deeper by right
    ("python", PYTHON + "║\n", "x = f(\n        1,\n    )\n", "x = f(\n        1,\n    )"),
    ("java", JAVA + "    ║\n}\n", "A b = c\n            .d();\n", "A b = c\n            .d();"),
    ("cpp", "switch (a) {\n    ║\n}\n", "case 1: b();\n        break;\n", "case 1: b();\n        break;"),
    ("yaml", "a:\n  b: 1\n║\n", "c:\n  - d:\n      e: 1\n", "c:\n  - d:\n      e: 1"),
    (
        "ruby",
        RUBY + "║\n",
        "c.each do\n  if d\n    e\n  end\nend\n",
        "c.each do\n  if d\n    e\n  end\nend",
    ),
    (
        "typescript",
        TYPESCRIPT + "  ║\n}\n",
        "h() {\n    i(() => { // a\n      j();\n    });\n  }\n",
        "h() {\n    i(() => { // a\n      j();\n    });\n  }",
    ),
    ("", "\n║\n", "    return\n", "    return"),
    ("markdown", "Note:\n║\n", "\n        code\n", "\n        code"),
]


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), CASES)
def test_an_item_is_as_deep_as_its_place(language: str, drawn: str, written: str, shown: str) -> None:
    assert trim(written, window(drawn, language)) == shown


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), CASES)
def test_nothing_is_taken_back_for_it(language: str, drawn: str, written: str, shown: str) -> None:
    for n in range(len(written)):
        assert shown.startswith(settled(written[:n], window(drawn, language)))


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), CASES)
def test_what_is_right_stays_so(language: str, drawn: str, written: str, shown: str) -> None:
    assert indentation(shown, window(drawn, language)) == shown


@pytest.mark.parametrize(
    ("drawn", "unit"),
    [
        ("a {\n  b {\n    c\n║", "  "),
        ("a {\n    b\n}\n║", "    "),
        ("def f(\n        a,\n):\n    b\n║", "    "),
        ("a {\n\tb\n}\n║", "\t"),
        ("║\na:\n  b: 1\n", "  "),
        ("a\n║", ""),
        ("a {\n   ║", "   "),
    ],
)
def test_the_file_tells_its_unit(drawn: str, unit: str) -> None:
    assert unit_of(window(drawn)) == unit
