"""Lines of the block again, rows that count on, what stands behind a `return`. ║ is where the cursor is."""

import pytest

from ..drawn import item

RUBY = """\
class User
  def initialize(first, last)
    @first = first
    @last = last
  end

  def name
    ║
  end
end
"""
VIEW = "<div class='card'>\n  <h2>Title</h2>\n  ║\n</div>\n"
MEAN = "double mean(const V& v) {\n  if (v.empty()) {\n    return 0;\n  }\n  double sum = 0;\n  ║\n}\n"
TABLE = "CREATE TABLE users (\n    id INT,\n    email TEXT NOT NULL UNIQUE,\n    ║\n);\n"


@pytest.mark.parametrize(
    ("language", "drawn", "written"),
    [
        # opened around the cursor already
        (
            "python",
            "for i in range(9):\n    if i % 3 == 0:\n        ║\n",
            "if i % 3 == 0:\n            pass\n",
        ),
        (
            "go",
            "func f() {\n\tfor _, x := range xs {\n\t\t║\n\t}\n}\n",
            "for _, x := range xs {\n\t\t\tg()\n\t\t}\n",
        ),
        ("vue", VIEW, "<div class='card'>\n"),
        # beside it in the block
        ("cpp", MEAN, "if (v.empty()) {\n    return 0;\n  }\n"),
        ("python", "def f(a):\n    one = g(a)\n    two = h(one)\n    ║\n    return two\n", "one = g(a)\n"),
        ("python", "def f():\n    limit = 10\n    name = n\n    ║\n", "limit = 20\n"),
        ("sql", TABLE, "email TEXT NOT NULL\n"),
        ("sql", TABLE, "email VARCHAR(80)\n"),
        ("dockerfile", "FROM a\nWORKDIR /app\nCOPY x .\n║\n", "WORKDIR /app\n"),
        ("makefile", "test:\n\tpytest -q\n\nlint:\n\truff check .\n\n║\n", "pytest -q\n"),
        ("markdown", "# A\n\n## Install\n\npip install a\n\n## ║\n", "Install\n"),
        # a whole line behind the beginning of another
        ("dockerfile", "FROM python:3.12\nWORKDIR /app\nRUN ║\n", "FROM python:3.12\n"),
        ("python", 'Q = """\nSELECT id, name\nFROM users\nWHERE ║\n"""\n', "SELECT id, name\n"),
        ("yaml", "steps:\n  - uses: a/checkout@v4\n  ║\n", "a/checkout@v4\n"),
        # of another function
        ("ruby", RUBY, "@last = last\n"),
        (
            "javascript",
            "class A {\n  constructor(b) {\n    this.b = b;\n  }\n\n  f() {\n    ║\n  }\n}\n",
            "this.b = b;\n",
        ),
        # an attribute of the tag
        ("html", '<input type="email" id="a" ║>\n', 'type="text"'),
    ],
)
def test_what_stands_there_is_not_offered_again(language: str, drawn: str, written: str) -> None:
    assert item(drawn, written, language) == ""


@pytest.mark.parametrize(
    ("language", "drawn", "written"),
    [
        ("python", "def f(a):\n    if a:\n        return x\n    if b:\n        ║\n", "return x"),
        ("python", "if a:\n    b()\nelse:\n    if c:\n        d()\n    ║\n", "else:\n        e()"),
        ("python", "def f():\n    pass\n\n\nclass A:\n    ║\n", "pass"),
        (
            "python",
            "class A:\n    @property\n    def a(self):\n        return 1\n\n    ║\n",
            "@property\n    def b(self):\n        return 2",
        ),
        ("python", "def test():\n    self.assertEqual(f(1), 2)\n    ║\n", "self.assertEqual(f(2), 3)"),
        ("python", "def test():\n    assert f(1) == 1\n    g()\n    ║\n", "assert f(2) == 2"),
        ("python", "def f():\n    print()\n    print(a)\n    ║\n", "print()"),
        (
            "python",
            "class A:\n    def __init__(\n        self,\n        b,\n    ):\n        ║\n",
            "self.b = b",
        ),
        ("yaml", 'python:\n  - "3.11"\n  - "3.12"\n  ║\n', '- "3.13"'),
        ("toml", 'a = [\n    "Python :: 3",\n    ║\n    "Python :: 3.13",\n]\n', '"Python :: 3.12",'),
        ("cpp", "#ifdef A\n#endif\n#ifdef B\n║\n", "#endif"),
        ("csharp", "/// <summary>\n/// A\n/// </summary>\nint a;\n║\n", "/// <summary>"),
        ("c", "void f() {\n  *p++ = a;\n  g(b);\n  ║\n}\n", "*p++ = a;"),
        ("python", "ONE_1 = 1\nONE_2 = 2\n║\n", "ONE_3 = 3"),
        (
            "javascript",
            "switch (a) {\n  case 1:\n    f();\n    break;\n  case 2:\n    g();\n    ║\n}\n",
            "break;",
        ),
        ("ruby", "def f\n  if a\n    b\n  end\n  if c\n    d\n  ║\nend\n", "end"),
        ("shellscript", "if a; then\n  b\nfi\nif c; then\n  d\n║\n", "fi"),
        ("python", "def f(\n    a,\n):\n    b()\n\n\ndef g(\n    c,\n║\n", "):"),
    ],
)
def test_lines_that_are_alike_by_right_stay_possible(language: str, drawn: str, written: str) -> None:
    assert item(drawn, written + "\n", language).startswith(written.partition("\n")[0])


def test_the_comment_that_names_the_file_is_the_prompts() -> None:
    title = ("// cart.js\n",)
    assert item("║\n", "// cart.js\nconst a = f();\n", "javascript", title) == ""
    assert item("║\n", "// of carts\n", "javascript", title) == "// of carts"


@pytest.mark.parametrize(
    ("language", "drawn", "written", "shown"),
    [
        ("python", "a = 1\nb = 2\n║\n", "c = 4\nc = 5\nc = 6\n", "c = 4"),
        ("go", "func f() {\n\t║\n}\n", "g(0)\n\tg(1)\n\tg(2)\n\tg(3)\n", "g(0)\n\tg(1)"),
        ("csv", "a,b\nx,1,║\n", "41,41,41,41,41", "41,41"),
        ("python", "a = [1, 2, 3]\nfor b in ║:\n    c(b)\n", "[1, 2, 3, 4, 5, 6, 7, 8]", "[1, 2]"),
        ("python", "║\n", "a = [1, 2, 3, 4]\n", "a = [1, 2, 3, 4]"),
        ("python", "║\n", "a = [2, 3, 5, 7, 11, 13, 17]\n", "a = [2, 3, 5, 7, 11, 13, 17]"),
        (
            "javascript",
            "x = {\n  ║\n}\n",
            'port: "here",\n  ports: "here",\n  portss: "here",\n',
            'port: "here",\n  ports: "here",',
        ),
        ("rust", "//! ║\n", "//!!!!!!!!!!!!!!!!!!!!!!!!!\n", ""),
        ("python", "x = [║]\n", "0, 0, 0, 0, 0, 0", "0, 0, 0, 0, 0, 0"),
    ],
)
def test_rows_end_at_their_second_member(language: str, drawn: str, written: str, shown: str) -> None:
    assert item(drawn, written, language) == shown


@pytest.mark.parametrize(
    ("language", "drawn"),
    [
        ("python", "def f(a):\n    return a\n    ║\n"),
        ("python", "def f(a):\n    return g(\n        a,\n    )\n    ║\n"),
        ("python", "while a:\n    if b:\n        break\n        ║\n"),
        ("python", "def f(a):\n    raise E(a)  # no\n    ║\n"),
        ("javascript", "function f(a) {\n  throw new Error(a);\n  ║\n}\n"),
        ("go", "func f() int {\n\treturn 1\n\t║\n}\n"),
        ("lua", "function f()\n  return 1\n  ║\nend\n"),
        ("shellscript", "f() {\n  return 1\n  ║\n}\n"),
    ],
)
def test_behind_a_return_there_is_nothing_to_say(language: str, drawn: str) -> None:
    assert item(drawn, "run(x, y)\n", language) == ""


@pytest.mark.parametrize(
    ("language", "drawn", "written"),
    [
        ("python", "def f(a):\n    if a:\n        return a\n    ║\n", "x = g(a)"),
        ("python", 'def f(a):\n    """Say.\n\n    return the sum of\n    ║\n    """\n', "all of them"),
        ("ruby", "def f(a)\n  return a if a\n  ║\nend\n", "g(a)"),
        ("javascript", "function f(a) {\n  return a\n  ║\n}\n", ".map(g);"),
        (
            "c",
            "int f(int a) {\n  switch (a) {\n  case 1:\n  return 2;\n  ║\n  }\n}\n",
            "case 2:\n  return 3;",
        ),
        ("javascript", "const a = {\n  return: 1,\n  ║\n};\n", "next: 2,"),
        ("markdown", "return it\n║\n", "or keep it"),
    ],
)
def test_what_can_be_reached_stays_possible(language: str, drawn: str, written: str) -> None:
    assert item(drawn, written + "\n", language).startswith(written.partition("\n")[0].rstrip(","))


def test_an_item_asks_the_same_but_once() -> None:
    twice = "if not a:\n        return\n    if not a:\n        return\n"
    assert item("def f(data):\n    ║\n", twice.replace("a:", "data:"), "python").count("if") == 1


def test_an_items_own_return_ends_it() -> None:
    assert item("def f(a):\n    ║\n", "return a\n    print(a)\n", "python") == "return a"


def test_quotes_without_words_are_no_item() -> None:
    assert item("def f(a):\n    ║\n", '"""\n', "python") == ""
    assert item("def f(a):\n    ║\n", 'r"""\n    Say.\n', "python") == 'r"""\n    Say.\n    """'
    assert item("def f(a):\n    x = ║\n", '""\n', "python") == '""'
    assert item('def f(a):\n    """Say.\n    ║\n', '"""\n', "python") == '"""'


def test_accepting_and_asking_again_comes_to_an_end() -> None:
    """A model that always says the same is shown once."""
    text = "def mean(values):\n    "
    for _ in range(2):
        shown = item(text + "║\n", "return sum(values) / len(values)\n", "python")
        text += shown + "\n    "
    assert text.count("return") == 1
