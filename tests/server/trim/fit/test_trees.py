"""Items in languages that tree-sitter judges. The cursor is drawn in the text: ║ is where the item goes."""

from itertools import pairwise

import pytest

from midfill_server.trim import grammar, is_final, settled, trim
from midfill_server.trim.fit.trees import LANGUAGES

from ..drawn import window


@pytest.mark.parametrize(
    ("language", "drawn", "written", "shown"),
    [
        ("javascript", "const a = ║;\n", "b + 1", "b + 1"),
        ("javascript", "const a = ║;\n", "b + ", "b"),
        ("javascript", "const a = ║;\n", "f(b", "f(b)"),
        ("javascript", "const a = ║;\n", "b c", "b"),
        ("javascript", "const a = ║;\n", "+", ""),
        ("javascript", "f(\n  ║\n  b,\n)\n", "a", "a,"),
        ("javascript", "f(║\n  b(),\n)\n", "{ a: 1 },", "{ a: 1 },"),
        ("javascript", "function f() {\n  ║\n}\n", "if (a) {\n    b()\n  }", "if (a) {\n    b()\n  }"),
        ("javascript", "function f() {\n  ║\n}\n", "if (a) {", "if (a) {\n  }"),
        ("javascript", "function f() {\n  ║\n}\n", "if (a) {\n    b()", "if (a) {\n    b()\n  }"),
        ("javascript", "function f() {\n  ║\n}\n", "b()\n  c(", "b()"),
        ("typescript", "class A {\n  b() {\n    ║\n    c()\n  }\n", "if (d) {", "if (d) {\n    }"),
        ("typescript", "function f() {\n  ║\n", "g(a, b", "g(a, b)"),
        ("typescript", "function f() {\n  const a = ║\n", "{\n    b: 1,", "{\n    b: 1,\n  }"),
        ("java", "class A {\n  void f() {\n    ║", "if (a) {\n      b();", "if (a) {\n      b();\n    }"),
        ("rust", "impl A {\n    fn f() {\n        ║", "let a = b(1", "let a = b(1);"),
        ("go", "func f() {\n\t║", "if a {\n\t\tb()", "if a {\n\t\tb()\n\t}"),
        ("c", "void f() {\n  ║\n    b();\n  }\n}\n", "while (a(c)) {", "while (a(c)) {"),
        ("c", "void f() {\n  ║\n}\n", "if (a) b(c)", "if (a) b(c);"),
        ("javascript", "function f() {\n  ║\n}\n", "let a = ] b", "let a"),
        ("javascript", "class C {\n  ║\n\n  g() {}\n}\n", "f(a) { return a }", "f(a) { return a }"),
        ("javascript", "// It's a ║\nf()\n", "comment (", "comment ("),
        ("javascript", "/**\n * Says ║\n */\nf()\n", "what (", "what ("),
        ("javascript", "class C {\n  /**\n   * Says.\n   ║\n  f() {}\n}\n", "*/", "*/"),
        ("javascriptreact", "const a = <b>║</b>;\n", "{c}", "{c}"),
        ("typescript", "function f(a: ║) {}\n", "string", "string"),
        ("typescript", "interface A {\n  ║\n}\n", "b: number;", "b: number;"),
        ("typescriptreact", "const a = <B c={║} />;\n", "(d as any)", "(d as any)"),
        ("javascript", "║\n\n/* a */\nb();\n", "/* c", "/* c */"),
        ("javascript", "class C {\n  ║\n}\n", "/**\n   * Says", "/**\n   * Says\n   */"),
        ("javascript", "║\n * Says a.\n */\nb();\n", "/**", "/**"),
        ("go", "func f() {\n\t║\n}\n", "a := g(b", "a := g(b)"),
        ("java", "class A {\n    void f() {\n        ║\n    }\n}\n", "g(b", "g(b);"),
        ("c", "int f(void) {\n    ║\n}\n", "if (a) {\n        b();", "if (a) {\n        b();\n    }"),
        ("cpp", "void f() {\n    ║\n}\n", "std::vector<int> a{b", "std::vector<int> a{b};"),
        ("rust", "fn f() {\n    ║\n}\n", "let a = Some(b", "let a = Some(b);"),
    ],
)
def test_an_item_leaves_code_without_an_error(language: str, drawn: str, written: str, shown: str) -> None:
    assert trim(written, window(drawn, language)) == shown


def test_code_that_is_broken_elsewhere_does_not_silence_us() -> None:
    assert trim("d()", window("function f() {\n  a = ];\n  ║\n}\n", "javascript")) == "d()"
    assert trim("d()", window("function f() {\n  if (a) {\n    ║\n", "javascript")).startswith("d()")


def test_deep_code_and_long_lines_are_no_trouble() -> None:
    deep, deeper = ("(" * n + "║" + ")" * n for n in (900, 1500))
    assert trim("a b", window(f"x = {deep}\n", "javascript")) == "a"
    assert trim("a b", window(f"x = {deeper}\n", "javascript")).startswith("a")  # longer than any line
    long = "a();" * 2000
    assert trim("b", window(f"{long}c = ║;{long}\n", "javascript")) == "b"


def test_only_the_code_near_the_cursor_is_read() -> None:
    far = "function g() {\n  h()\n}\n" * 4000
    assert trim("f(b", window(f"{far}const a = ║\n{far}", "javascript")) == "f(b)"
    wrapped = "(() => {\n" + "  h()\n" * 4000
    assert trim("b", window(f"{wrapped}  const a = ║\n{far}", "javascript")) == "b"


@pytest.mark.parametrize(
    "written",
    [
        "if (a) {\n    b()\n  } else {\n    c()\n  }\n\n",
        "const a = f(\n    b,\n    c,\n",
        "if (a) {\n    ] b\n",
    ],
)
def test_what_was_shown_while_growing_stays(written: str) -> None:
    place, seen = window("function f() {\n  ║\n  return 1\n}\n", "javascript"), [""]
    for n in range(len(written) + 1):
        seen.append(settled(written[:n], place))
        if is_final(written[:n], place):
            break
    seen.append(trim(written[:n], place))
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    assert seen[-1] and seen[-2], "an item that grows is seen before its end"


def test_a_language_without_a_grammar_is_judged_by_its_brackets() -> None:
    assert grammar("lua") is None
    assert grammar("typescript") is not None
    assert set(LANGUAGES) > {"c", "java"}
