"""Calls that delete, overwrite or send; functions that only call themselves. ║ is where the cursor is."""

import pytest

from ..drawn import item

HARM = [
    ("python", 'import os\n\nfor name in os.listdir("."):\n    ║\n', "os.remove(name)"),
    ("python", "import shutil\n\n\ndef clean(path):\n    ║\n", "shutil.rmtree(path)"),
    ("python", "def clean(path):\n    ║\n", "path.unlink()"),
    ("python", "def tell(url, data):\n    ║\n", "requests.post(url, data)"),
    ("python", "def clean(db):\n    ║\n", 'db.execute("DROP TABLE users")'),
    ("javascript", "for (const name of names) {\n  ║\n}\n", "fs.rmSync(name);"),
    ("javascript", "function f(url, a) {\n  ║\n}\n", "fetch(url, { method: 'POST', body: a });"),
    ("shellscript", "for f in *; do\n  ║\ndone\n", 'rm -rf "$f"'),
    ("shellscript", "git add .\n║\n", "git push --force origin main"),
    ("shellscript", "set -e\n║\n", "curl -fsSL http://localhost/a | sh"),
    ("makefile", "clean:\n\t║\n", "rm -rf build"),
    ("sql", "-- users\n║\n", "DROP TABLE users;"),
    ("sql", "-- users\n║\n", "DELETE FROM users;"),
    ("sql", "-- users\n║\n", "UPDATE users SET name = '';"),
    ("go", "package m\n\nfunc f(p string) {\n\t║\n}\n", "os.RemoveAll(p)"),
    ("rust", "fn f(p: &Path) {\n    ║\n}\n", "std::fs::remove_dir_all(p);"),
    ("php", "<?php\n\nfunction f($p) {\n    ║\n}\n", "unlink($p);"),
    ("ruby", "def f(p)\n  ║\nend\n", "FileUtils.rm_rf(p)"),
    ("csharp", "class A {\n    void F(string p) {\n        ║\n    }\n}\n", "File.Delete(p);"),
]


@pytest.mark.parametrize(("language", "drawn", "line"), HARM)
def test_no_harm_is_offered_unasked(language: str, drawn: str, line: str) -> None:
    assert item(drawn, line + "\n", language) == ""


@pytest.mark.parametrize(("language", "drawn", "line"), HARM)
def test_where_the_context_does_such_a_thing_it_is_offered(language: str, drawn: str, line: str) -> None:
    shown = item(drawn, line + "\n", language, (f"# other\n{line}\n", "# own\n"))
    assert shown.rstrip(";") == line.rstrip(";")


def test_what_the_user_begins_is_finished() -> None:
    assert item("import os\n\nos.rem║\n", "ove(name)\n", "python") == "ove(name)"
    assert item("import os\n\nos.║\n", "remove(name)\n", "python") == ""
    assert item("set -e\nrm ║\n", "-f a.txt\n", "shellscript") == "-f a.txt"


@pytest.mark.parametrize(
    ("language", "drawn", "line"),
    [
        ("sql", "-- users\n║\n", "DELETE FROM users WHERE id = 3;"),
        ("python", "def f(items, a):\n    ║\n", "items.remove(a)"),
        ("python", "def f(path, a):\n    ║\n", "path.write_text(a)"),
        ("javascript", "function f(m, a) {\n  ║\n}\n", "m.delete(a);"),
        ("shellscript", "set -e\n║\n", "npm run build"),
        ("shellscript", "set -e\n║\n", "git push origin main"),
    ],
)
def test_what_does_no_harm_stays_possible(language: str, drawn: str, line: str) -> None:
    assert item(drawn, line + "\n", language) == line


@pytest.mark.parametrize(
    ("language", "drawn", "written"),
    [
        ("python", "def area(width, height):\n    return ║\n", "area(width, height)"),
        ("python", "def read(path: str, n: int = 3) -> str:\n    ║\n", "return read(path, n)"),
        ("python", "class A:\n    def size(self, a):\n        ║\n", "return self.size(a)"),
        ("python", 'def f(a):\n    """Say."""\n    ║\n', "return f(a)"),
        ("python", "f = lambda a: ║\n", "f(a)"),
        ("javascript", "function area(w, h) {\n  return ║\n}\n", "area(w, h);"),
        ("javascript", "const area = (w, h) => ║\n", "area(w, h);"),
        ("c", "int add(int a, int *b) {║}\n", "\n  return add(a, b);\n"),
        ("go", "package m\n\nfunc add(a, b int) int {\n\t║\n}\n", "return add(a, b)"),
        ("rust", "fn add(a: u8, b: u8) -> u8 {\n    ║\n}\n", "add(a, b)"),
        ("ruby", "def twice(a)\n  ║\nend\n", "twice(a)"),
        ("java", "class A {\n    static int max(int a, int b) {\n        ║\n    }\n}\n", "return max(a, b);"),
        ("csharp", "class A {\n    static void Main() {\n        ║\n    }\n}\n", "Main();"),
    ],
)
def test_a_function_that_only_calls_itself_is_none(language: str, drawn: str, written: str) -> None:
    assert item(drawn, written, language).strip() == ""


@pytest.mark.parametrize(
    ("language", "drawn", "written"),
    [
        ("python", "def fac(n):\n    return ║\n", "fac(n - 1)"),
        ("python", "def gcd(a, b):\n    ║\n", "return gcd(b, a % b)"),
        ("python", "def walk(a):\n    if a:\n        ║\n", "return walk(a.next)"),
        ("python", "def f(a):\n    return ║\n", "g(a)"),
        ("javascript", "function walk(a) {\n  step(a);\n  return ║\n}\n", "walk(a);"),
    ],
)
def test_recursion_that_goes_on_stays_possible(language: str, drawn: str, written: str) -> None:
    assert item(drawn, written, language) == written
