"""What is said twice, what counts on in names, and what another language says. ║ is where the cursor is."""

import pytest

from ..drawn import item


@pytest.mark.parametrize(
    ("language", "drawn", "written", "shown"),
    [
        # a line of the item again
        (
            "go",
            "func f() {\n\t║\n}\n",
            "// If there is no key,\n\t// it returns nil.\n\t// If there is no key,\n",
            "// If there is no key,\n\t// it returns nil.",
        ),
        (
            "javascript",
            "function f(a, b) {\n  ║\n}\n",
            "if (a === b) return a;\n  if (b === c) return b;\n  if (a === b) return a;\n",
            "if (a === b) return a;\n  if (b === c) return b;",
        ),
        # a member again, whatever its type
        (
            "typescript",
            "interface A {\n  name: C;\n  ║\n}\n",
            "d?: string;\n  name?: unknown;\n",
            "d?: string;",
        ),
        ("typescript", "interface A {\n  ║\n  name: C;\n}\n", "name?: D;\n", ""),
        # names that count on
        ("toml", '[a]\nb = "c"\n║\n', 'd = "e"\nd2 = "e"\n', 'd = "e"'),
        ("python", "║\n", "size = width\nsize2 = width\n", "size = width"),
        ("python", "║\n", "x = a[0]\nx1 = a[1]\n", "x = a[0]\nx1 = a[1]"),
        # the words before the cursor
        ("php", '<?php\n$a = b("SELECT * FROM ║");\n', "SELECT * FROM SELECT *", ""),
        ("markdown", "The best way to ║\n", "way to do it", "way to do it"),
        ("markdown", "The best thing is ║\n", "best thing is that", ""),
        # a long phrase of a line
        (
            "python",
            'print("║")\n',
            "a tuple (a list of two strings) to print a tuple (a list of two strings) to the",
            "a tuple (a list of two strings) to print a",
        ),
        # half a fence, and lines of signs
        ("markdown", "```sh\n║\n```\n", "``\n", ""),
        ("markdown", "```sh\n║\n```\n", "`python\nimport os\n", ""),
        ("markdown", "A.\n\n║\n", "```sh\nmake\n```\n", "```sh\nmake\n```"),
        ("php", "<?php\nfunction a($b)\n{\n    ║\n}\n", "return string$b$b;\n", ""),
        ("php", "<?php\n║\n", '$a = "b$c";\n', '$a = "b$c";'),
        ("ruby", "a.each do |b|\n  ║\nend\n", "|b| | | | | | | | | | |__| | __ | __ |\n", ""),
        # another language's
        ("go", "package a\n\n║\n", "/** @type {import('./a').B} */\n", ""),
        ("go", "package a\n\n// ║\n", "eslint-disable no-console\n", ""),
        ("c", "// ║\n", "by the `@some/compiler` module.\n", ""),
        ("c", "// ║\n", "@param {Object} [options] Options.\n", ""),
        ("javascript", "/**\n * ║\n */\nfunction a(b) {}\n", "@param {Object} b\n", "@param {Object} b"),
        ("sql", "CREATE TABLE a (\n  ║\n);\n", "TABLE %(table)s\n", ""),
        # functions without an end
        ("r", "square <- function(x) {║}\n", "\n  return(square(x))\n}", ""),
        ("ruby", "def fact(n)\n  ║\nend\n", "return n * fact(n)\n", ""),
        ("ruby", "def fact(n)\n  ║\nend\n", "return n * fact(n - 1)\n", "return n * fact(n - 1)"),
        (
            "javascript",
            "function f(n) {\n  ║\n}\n",
            "return n > 1 ? f(n) : 1;\n",
            "return n > 1 ? f(n) : 1;",
        ),
        (
            "go",
            "func f(n int, args []string) int {\n\tif len(args) != n {\n\t\t║\n\t}\n\treturn n\n}\n",
            "return n - len(args)",
            "return n - len(args)",
        ),
        ("python", "def f(a, b):\n    ║\n", '"""f(a, b) does it."""', '"""f(a, b) does it."""'),
        (
            "python",
            "class A:\n    def add(self, b):\n        ║\n",
            "return self.c.add(b)\n",
            "return self.c.add(b)",
        ),
    ],
)
def test_what_is_said_twice_or_by_others(language: str, drawn: str, written: str, shown: str) -> None:
    assert item(drawn, written, language) == shown
