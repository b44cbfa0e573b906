"""What is defined already is not offered again."""

import pytest

from midfill_server.context import Window
from midfill_server.trim import trim
from midfill_server.trim.words.defined import defined_again

AGAIN = [
    ("python", "def a(b):\n    pass\n\n\n║", "def a(b, c):\n    return b\n"),
    ("python", "def a(b):\n    pass\n\n\ndef ║", "a(b, c):\n    return b\n"),
    ("python", "class A:\n    def b(self): ...\n\n    ║\n", "async def b(self, c):\n        pass\n"),
    ("python", "║\n\n\nclass A:\n    pass\n", "class A(B):\n    pass\n"),
    (
        "typescript",
        "class A {\n  get b() {\n    return 1\n  }\n\n  ║\n}\n",
        "get b(): number {\n    return 2\n  }",
    ),
    ("typescript", "class A {\n  add(b: C) {\n  }\n\n  ║\n}\n", "add(b: D): void {\n  }"),
    ("typescript", "export class A extends B {}\n\n║", "export class A extends Error {"),
    ("javascript", "function a() {}\n\n║", "function a(b) {\n}\n"),
    ("go", "func (a *A) B() {}\n\n║", "func (a *A) B() error {\n"),
    ("rust", "impl A {\n    fn b() {}\n\n    ║\n}\n", "pub fn b(c: D) {\n    }"),
    ("java", "class A {}\n\n║", "public class A {\n"),
    ("ruby", "class A\n  def b?\n  end\n\n  ║\nend\n", "def b?\n    true\n  end"),
    ("php", "<?php\nfunction a() {}\n║", "function a($b) {\n"),
]
FINE = [
    ("python", "class A:\n    def b(self): ...\n\n\nclass B:\n    ║", "def b(self):\n        pass\n"),
    ("python", "@a\ndef b(): ...\n\n\n║", "@b.setter\ndef b(c):\n    pass\n"),
    ("python", "@overload\ndef b(c: int): ...\n║", "def b(c):\n    pass\n"),
    ("ruby", "def a\n  @a\nend\n\n║", "def a=(b)\n"),
    ("javascript", "  test('a', () => {\n  })\n  ║", "test('b', () => {\n"),
    ("python", "if a:\n    def b(): ...\nelse:\n    ║", "def b():\n        pass\n"),
    ("python", "def a(): ...\n\n\n║", "class a: ...\n"),
    ("typescript", "function a(b: C): D\n║", "function a(b: E): F\n"),
    ("typescript", "class A {\n  set b(c) {\n  }\n\n  ║\n}\n", "get b() {\n    return 2\n  }"),
    ("java", "class A {\n  void b() {}\n\n  ║\n}\n", "void b(int c) {\n  }"),
    ("go", "func (a *A) C() {}\n\n║", "func (b *B) C() {\n"),
    ("rust", "impl A {\n    fn b() {}\n}\n\nimpl B {\n    ║\n}\n", "fn b() {\n    }"),
    ("rust", "#[cfg(unix)]\nfn a() {}\n\n║", "#[cfg(windows)]\nfn a() {\n"),
    ("javascript", "f(function a() {\n})\n║", "if (a) {\n}\n"),
]


def window(drawn: str, language: str) -> Window:
    prefix, _, suffix = drawn.partition("║")
    return Window(prefix, suffix, language=language)


@pytest.mark.parametrize(("language", "drawn", "written"), AGAIN)
def test_it_is_not_offered(language: str, drawn: str, written: str) -> None:
    assert trim(written, window(drawn, language)) == ""


@pytest.mark.parametrize(("language", "drawn", "written"), FINE)
def test_another_one_of_that_name_is(language: str, drawn: str, written: str) -> None:
    assert defined_again(written, window(drawn, language)) == written


def test_what_comes_before_it_is() -> None:
    written = "x = 1\n\n\ndef a():\n    pass\n"
    assert trim(written, window("def a():\n    pass\n\n\n║", "python")) == "x = 1"
