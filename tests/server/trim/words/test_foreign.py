"""Another language's code. ║ is where the cursor is."""

import pytest

from ..drawn import item

BODIES = {
    "ruby": "def f(a)\n  ║\nend\n",
    "shellscript": "f() {\n  ║\n}\n",
    "javascript": "function f(a) {\n  ║\n}\n",
    "typescript": "function f(a: A) {\n  ║\n}\n",
    "go": "package m\n\nfunc f(a A) {\n\t║\n}\n",
    "rust": "fn f(a: A) {\n    ║\n}\n",
    "java": "class A {\n    void f(A a) {\n        ║\n    }\n}\n",
    "csharp": "class A {\n    void F(A a) {\n        ║\n    }\n}\n",
    "c": "void f(A *a) {\n  ║\n}\n",
    "cpp": "void f(A& a) {\n  ║\n}\n",
    "php": "<?php\n\nfunction f($a) {\n    ║\n}\n",
    "lua": "local function f(a)\n  ║\nend\n",
    "css": ".a {\n  ║\n}\n",
    "sql": "CREATE TABLE a (\n  ║\n);\n",
    "yaml": "a:\n  ║\n",
    "toml": "[a]\n║\n",
    "json": "{\n  ║\n}\n",
    "dockerfile": "FROM a\n║\n",
    "markdown": "# A\n\n║\n",
    "html": "<body>\n  ║\n</body>\n",
    "ini": "[a]\n║\n",
}
PYTHON = ["from typing import Any", "def g(self):", "import logging"]
SCRIPT = ["const b = a.length;", "function g(b) {"]
SEEN = {
    "ruby": ["self._name(a);", "if (a) {", '"""Say."""'],
    "shellscript": ["if (this.a) {", "if (!log) return;", "return a.b(c)"],
    "javascript": ["a->b = c;", "int x = 3;", "std::vector<int> b;"],
    "go": ["a = false;", "while (a) {", "warnings.push(a)"],
    "rust": ["return this.a;", "std::vector<int> b;"],
    "java": ["return {x, y};", "console.log(a);", "for (number of numbers) {"],
    "php": ["return $a.length;", "$b = this.a;"],
    "css": ["return a;", "fontSize: 3px;", "var { a } = b;"],
    "json": ["const int a = {1};", "a;"],
    "lua": ["if (a && b) {", "local b = a != c"],
    "toml": ["a = b;"],
}


@pytest.mark.parametrize("language", [it for it in BODIES if it not in ("css", "json", "toml")])
def test_python_stays_in_python(language: str) -> None:
    for line in PYTHON:
        assert item(BODIES[language], line + "\n", language) == "", line


@pytest.mark.parametrize("language", [it for it in BODIES if it not in ("javascript", "typescript")])
def test_javascript_stays_in_javascript(language: str) -> None:
    own = ("php", "lua", "sql")  # have functions too
    for line in SCRIPT[:1] if language in own else SCRIPT:
        assert item(BODIES[language], line + "\n", language) == "", line


@pytest.mark.parametrize(("language", "line"), [(name, line) for name in SEEN for line in SEEN[name]])
def test_what_models_wrote_in_the_wrong_place(language: str, line: str) -> None:
    assert item(BODIES[language], line + "\n", language) == ""


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("ruby", "@items.each do |it|\n    puts it\n  end"),
        ("ruby", "self.name = name || 'none'"),
        ("shellscript", 'if [[ -n "$a" ]]; then\n    echo "$a"\n  fi'),
        ("shellscript", 'echo "$(jq .length a.json)" && exit 0'),
        ("javascript", "const b = a?.map((it) => it.length);"),
        ("typescript", "const b: string[] = this.items.filter((it) => it !== a);"),
        ("go", "if err := g(a); err != nil {\n\t\treturn nil, err\n\t}"),
        ("rust", "let b: Option<u8> = a.iter().map(|it| it + 1).max();"),
        ("rust", "match self.b { None => 1, Some(c) => c }"),
        ("java", "for (String b : a.items()) {\n            System.out.println(b);\n        }"),
        ("csharp", "var b = a.Where(it => it != null).ToList();"),
        ("c", "for (int i = 0; i < a->n; i++) {\n    g(a->items[i]);\n  }"),
        ("cpp", "std::vector<int> b = a->items;"),
        ("php", "foreach ($a as $b) {\n        $this->add($b->name, null);\n    }"),
        ("lua", "local b = a ~= nil"),
        ("cpp", "const auto b = a->items.length();"),
        ("shellscript", "function g() {\n    echo a\n  }"),
        ("lua", "for _, b in ipairs(a) do\n    print(b.name)\n  end"),
        ("css", "margin: calc(100% - var(--a)) auto;"),
        ("sql", "total NUMERIC NOT NULL DEFAULT 0"),
        ("yaml", "run: python -c 'import os; print(os.name)'"),
        ("toml", 'b = "from x import y"'),
        ("json", '"b": [1.5e3, true, null]'),
        ("dockerfile", "RUN pip install --no-cache-dir -r requirements.txt && rm -f a"),
        ("markdown", "Let it be a class of its own, and import is not needed."),
    ],
)
def test_the_languages_own_code_stays_possible(language: str, line: str) -> None:
    if language == "dockerfile":
        line = line.partition(" &&")[0]
    assert item(BODIES[language], line + "\n", language).startswith(line.partition("\n")[0].rstrip(","))


def test_what_the_file_has_is_its_own() -> None:
    worker = "self.onmessage = f;\n\nfunction f(a) {\n  ║\n}\n"
    assert item(worker, "self.post(a);\n", "javascript") == "self.post(a);"


def test_fences_scripts_and_strings_hold_other_languages() -> None:
    assert item("# A\n\n```python\n║\n```\n", "import logging\n", "markdown") == "import logging"
    assert item("<script>\n  ║\n</script>\n", "const b = f(c);\n", "html").startswith("const b")
    assert item("const a = `\n║\n`;\n", "elif the user\n", "javascript").startswith("elif")
