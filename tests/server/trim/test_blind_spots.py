"""Places where items went wrong for newcomers: a file's end, blanks on blank lines, behind a `return`."""

import pytest

from midfill_server.trim import trim

from .drawn import window

RETURN = "def f(a):\n    return a"

# Language, the place, what is written, and what is shown.
CASES = [
    # at a file's end, with and without a line end, several lines have to parse
    ("python", "x = 1║\n", "\n    >>> x = np.array([1, 2, 3])\n    >>> y = 2\n", ""),
    ("python", "x = 1║", "\n        self._x = x\n        self._x_min = 1\n", ""),
    ("python", f"{RETURN}║", "\n\n    def g(self):\n        x = (1,\n", ""),
    ("python", "if a:\n    b = 1\n║", "    c = 2\nelse:\n    d = 3\n  e\n", "    c = 2"),
    ("typescript", "const a = 1║", "\n}\nfunction b() {\n", ""),
    ("go", "package a\n\nvar b = 1║", "\n\t}\n\treturn nil\n", ""),
    ("rust", "let a = 1;║", "\n    }\n}\n", ""),
    # blank lines that hold blanks deepen nothing
    (
        "python",
        "import a\n        \n        \ndef f(b):\n║",
        "        yield 1\n        c = 2\n",
        "    yield 1\n    c = 2",
    ),
    (
        "python",
        "class A:\n    \n    def f(self):\n        pass\n            \n    def g(self):\n║",
        "            return 1\n",
        "        return 1",
    ),
    (
        "typescript",
        "class A {\n    \n  f() {\n        \n    g();\n  }\n        \n  h() {\n║\n",
        "        g();\n  }\n}\n",
        "    g();\n  }\n}",
    ),
    ("go", "package a\n\nfunc f() {\n\t\t\t\n\tg()\n}\n\t\t\nfunc h() {\n║", "\t\tg()\n}\n", "\tg()\n}"),
    # behind a finished return
    ("python", RETURN + "\n    ║", '""""""\n', ""),
    ("python", RETURN + "\n    ║", "return a + 1\n", ""),
    ("python", RETURN + "║", "\n    return a + 1\n", ""),
    ("python", "def f(a):\n    return g(\n        a,\n    )\n    ║", "x = 1\n", ""),
    ("python", "def f(a):\n    raise A(a)\n    ║", "return 1\n", ""),
    ("typescript", "function f() {\n  return 1;\n  ║\n}\n", "const a = 2;\n", ""),
    ("typescript", "function f() {\n  if (a) return 1;\n  ║\n}\n", "return 2;\n", "return 2;"),
    ("go", "func f() int {\n\treturn 1\n\t║\n}\n", "return 2\n", ""),
    ("rust", "fn f() -> u8 {\n    return 1;\n    ║\n}\n", "2\n", ""),
    ("java", "class A {\n    int f() {\n        return 1;\n        ║\n    }\n}\n", "return 2;\n", ""),
    ("ruby", "def f\n  return 1\n  ║\nend\n", "2\n", ""),
    ("ruby", "def f\n  return 1 if a\n  ║\nend\n", "2\n", "2"),
]


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), CASES)
def test_what_is_shown(language: str, drawn: str, written: str, shown: str) -> None:
    assert trim(written, window(drawn, language)) == shown
