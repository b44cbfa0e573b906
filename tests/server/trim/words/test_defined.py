"""What is defined, imported or a parameter already is not offered again."""

import pytest

from midfill_server.trim import trim
from midfill_server.trim.words.defined import defined_again, imports_again, parameters_again

from ..drawn import window

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
    ("typescript", "interface A {\n  add(a: string): void;\n  ║\n}\n", "add(a: string): void;\n"),
    ("typescript", "class A {\n  add(a: B): void {\n  }\n\n  ║\n}\n", "add(b: C, d: E): void"),
    (
        "typescript",
        "class A {\n  private b(): C {\n    return 1;\n  }\n\n  ║\n}\n",
        "b(): C {\n    return 2;\n  }",
    ),
    (
        "typescript",
        "class A {\n  async b(c: D): Promise<E> {\n  }\n\n  ║\n}\n",
        "async b(c: F): Promise<G> {\n  }",
    ),
    (
        "typescript",
        "class A {\n  constructor(private b: C) {}\n\n  ║\n}\n",
        "constructor(private d: E) {\n  }",
    ),
    ("typescript", "function a(b: C): D {\n  return 1;\n}\n\n║", "function a(b: E): F {\n  return 2;\n}\n"),
    (
        "typescript",
        "export const a = (b: C) => b;\n\n║",
        "export const a = (d: E): F => {\n  return 1;\n};\n",
    ),
    ("typescript", "type A = string;\n\n║", "type A = number;\n"),
    ("typescript", "interface A {\n  b: string;\n}\n\n║", "interface A {\n  c: string;\n}\n"),
    ("go", "type A struct {\n\tB int\n}\n\n║", "type A struct {\n\tC int\n}\n"),
    ("go", "func A(b int) int {\n\treturn b\n}\n\n║", "func A(b string) error {\n\treturn nil\n}\n"),
    ("rust", "struct A {\n    b: u8,\n}\n\n║", "pub struct A {\n    c: u8,\n}\n"),
    ("rust", "pub const A: u8 = 1;\n\n║", "const A: u16 = 2;\n"),
    (
        "rust",
        "impl A {\n    pub(crate) const fn b() -> Self {\n        A\n    }\n\n    ║\n}\n",
        "pub fn b(c: u8) -> Self {\n        A\n    }",
    ),
    (
        "java",
        "class A {\n    public int b() {\n        return 1;\n    }\n\n    ║\n}\n",
        "int b() {\n        return 2;\n    }",
    ),
    (
        "java",
        "class A {\n    void b(String c) {\n    }\n\n    ║\n}\n",
        "public void b(final String d) {\n    }",
    ),
    ("java", "class A {\n    private final int b;\n    ║\n}\n", "private final int b = 1;\n"),
    (
        "csharp",
        "class A\n{\n    int B(C<D, E> f)\n    {\n    }\n\n    ║\n}\n",
        "int B(C<D, E> g)\n    {\n    }",
    ),
    ("c", "int a(int b, int c) {\n    return b;\n}\n\n║", "static int a(int d, int e) {\n    return d;\n}\n"),
    ("c", "struct a {\n    int b;\n};\n\n║", "struct a {\n    int c;\n};\n"),
    ("cpp", "void A::b() {\n}\n\n║", "void A::b() {\n    c();\n}\n"),
    ("kotlin", "fun a(b: Int): Int {\n    return b\n}\n\n║", "fun a(c: Int): Int {\n    return c\n}\n"),
    ("python", "def a(b): ...\n" + "c = d()\n" * 300 + "\n║", "def a(e):\n    return e\n"),
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
    ("javascript", "const a = 1;\n\nfunction f() {\n  ║\n}\n", "const a = 2;\n"),
    ("typescript", "interface A {\n  b(c: D): void;\n  ║\n}\n", "b(e: F): void;\n"),
    ("java", "class A {\n    void b(String c) {\n    }\n\n    ║\n}\n", "void b(int c) {\n    }"),
    ("cpp", "int A::b() {\n}\n\n║", "int A::b() const {\n}\n"),
    ("c", "int a(int b);\n\n║", "int a(int b) {\n    return b;\n}\n"),
    ("c", "struct a *b(int c) {\n}\n\n║", "struct a *d(int c) {\n}\n"),
    ("c", "struct a b;\n║", "struct a c;\n"),
    ("csharp", "class A\n{\n    A(int b) {}\n    ║\n}\n", "A(string b) {}\n"),
]

IMPORTS = [
    ("python", "from a import b\n║", "from a import b\n"),
    ("python", "from a import b, c\n║", "from a import b\n"),
    ("python", "from a import b\nfrom ║", "a import b\n"),
    ("python", "from a import (\n    b,\n    c,  # d\n)\n║", "from a import c\n"),
    ("python", "import a, b\n║", "import b\n"),
    ("python", "import a\nimport ║", "a\n"),
    ("python", "import a as b\n║", "import a as b\n"),
    ("python", "║\nfrom a import b\n", "from a import b\n"),
    ("typescript", "import { a, b } from './c';\n║", "import { a } from './c';\n"),
    ("typescript", "import {\n  a,\n  b,\n} from './c';\n║", "import { b } from './c';\n"),
    ("typescript", "import a from './c';\n║", 'import a from "./c";\n'),
    ("javascript", "import * as a from 'b'\n║", "import * as a from 'b'\n"),
    ("go", 'package a\n\nimport (\n\t"b"\n\tc "d/e"\n\t║\n)\n', '"b"\n'),
    ("rust", "use a::{b, c::{d, e}};\n║", "use a::c::e;\n"),
    ("java", "import a.b.C;\nimport d.E;\n║", "import a.b.C;\n"),
    ("c", "#include <a.h>\n#include <b.h>\n║", "#include <a.h>\n"),
]
OTHER_IMPORTS = [
    ("python", "from a import b\n║", "from a import c\n"),
    ("python", "from a import b\n║", "from a import b, c\n"),
    ("python", "import a\n║", "import a.b\n"),
    ("python", "import a\n║", "import a as b\n"),
    ("python", "if TYPE_CHECKING:\n    from a import b\n\n\ndef f():\n    ║", "from a import b\n"),
    ("typescript", "import { a } from './c';\n║", "import { a } from './d';\n"),
    ("typescript", "import { a } from './c';\n║", "import './c';\n"),
    ("rust", "use a::{b, c};\n║", "use a::d;\n"),
    ("go", 'package a\n\nimport (\n\t"b"\n\t║\n)\n', '"c"\n'),
]

PARAMETERS = [
    ("python", "def f(a, b, ║", "a", ""),
    ("python", "def f(a, b, ║", "c, a", "c"),
    ("python", "def f(a: b, *, ║", "c: d = 1, a: e", "c: d = 1"),
    ("typescript", "function f(a: string, ║) {\n}\n", "a: number", ""),
    ("go", "func f(a int, ║) {\n}\n", "a string", ""),
    ("rust", "fn f(a: u8, ║) {\n}\n", "mut a: u16", ""),
    ("java", "class A {\n    void f(int a, ║) {\n    }\n}\n", "final String a", ""),
    ("c", "int f(int a, ║) {\n}\n", "char *a", ""),
    # others
    ("python", "f(a, b, ║)\n", "a", "a"),
    ("python", "def f(a, ║):\n    pass\n", "b=a", "b=a"),
    ("python", "def f(a, b║):\n    pass\n", "c", "c"),
    ("go", "func f(int, ║) {\n}\n", "int", "int"),
    ("rust", "fn f(_: u8, ║) {\n}\n", "_: u8", "_: u8"),
    ("java", "class A {\n    int a = f(b, ║);\n}\n", "b", "b"),
    ("c", "int a(int b) {\n    return f(b, ║);\n}\n", "b", "b"),
]


@pytest.mark.parametrize(("language", "drawn", "written"), AGAIN)
def test_it_is_not_offered(language: str, drawn: str, written: str) -> None:
    assert trim(written, window(drawn, language)) == ""


@pytest.mark.parametrize(("language", "drawn", "written"), FINE)
def test_another_one_of_that_name_is(language: str, drawn: str, written: str) -> None:
    assert defined_again(written, window(drawn, language)) == written


def test_what_comes_before_it_is() -> None:
    written = "x = 1\n\n\ndef a():\n    pass\n"
    assert trim(written, window("def a():\n    pass\n\n\n║", "python")) == "x = 1"


@pytest.mark.parametrize(("language", "drawn", "written"), IMPORTS)
def test_what_is_imported_is_not_imported_again(language: str, drawn: str, written: str) -> None:
    assert trim(written, window(drawn, language)) == ""


@pytest.mark.parametrize(("language", "drawn", "written"), OTHER_IMPORTS)
def test_something_else_is(language: str, drawn: str, written: str) -> None:
    assert imports_again(written, window(drawn, language)) == written


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), PARAMETERS)
def test_a_parameter_comes_once(language: str, drawn: str, written: str, shown: str) -> None:
    assert parameters_again(written, window(drawn, language)) == shown
