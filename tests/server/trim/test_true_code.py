"""Code that people really wrote passes the filters, where the window ends in the middle of things."""

import pytest

from .drawn import item

CLASS = "public class A {\n    int a;\n\n"
CUT = (
    "        if (b) {\n            c();\n        }\n    }\n\n    void d() {\n        for (int e : f) {\n"
    + "".join(f"            g{n}(e, {n});\n" for n in range(20))
)
"""What follows in the window, which ends inside two blocks."""


@pytest.mark.parametrize(
    ("language", "drawn", "written"),
    [
        # what opens the body that stands below, or closes what is open
        ("java", f"{CLASS}    void setB(║\n{CUT}", "boolean b) {"),
        ("java", f"{CLASS}    void h() {{\n        i();\n    ║\n\n    void setB(boolean b) {{\n{CUT}", "}"),
        ("rust", "impl A {\n    fn b(&self) -> C {\n        self.c()\n    ║\n}\n\nfn d() {}\n", "}"),
        ("kotlin", "class A {\n    fun b(): C {\n        c()\n    ║\n}\n", "}"),
        ("ruby", "module A\n  class B\n    ║\n      c = d\n" + "      e(f)\n" * 90 + "      e(", "def g(h)"),
        (
            "go",
            "func a() {\n\tif b {║\n\t}\n\n\tfor _, c := range []d{\n\t\t{e: 1},\n" + "\t\t{e: 2},\n" * 60,
            "\n\t\tf()",
        ),
        ("ruby", "class A\n  def b\n    c\n  ║\n\n  def d\n    e\n  end\nend\n", "end"),
        # the ends and the beginnings of comments
        ("java", f"{CLASS}    ║\n     * Sets it.\n     */\n    void setB(boolean b) {{\n{CUT}", "/**"),
        ("kotlin", f"class A {{\n    /**\n     * Sets it.\n     *║\n    fun b() {{\n{CUT}", "/"),
        ("php", "<?php\n/**\n * A.\n *║\nfunction b()\n{\n    return c;\n}\n", "/"),
        ("markdown", "a\n```\n\nThe next:\n\n║\n\n```sh\nb\n```\n", "```python"),
        # rows that go on below
        ("sql", "CREATE FUNCTION a(\n    OUT b int,\n    ║\n    OUT d time)\nRETURNS e;\n", "OUT c time,"),
        ("php", "<?php\n$a = $b ||\n║\n$d;\n", "$c ||"),
        ("shellscript", "a \\\n  --b \\\n  ║\n  --d\n", "--c \\"),
        # what another block says, too
        ("rust", "fn a(&self) -> B {║\n}\n\nfn c(&self) -> B {\n    self.b\n}\n", "\n    self.b\n"),
        ("typescript", "switch (a) {\n  case 1:\n    b();\n    ║\n  case 2:\n    break;\n}\n", "break;"),
        ("rust", "#[test]\nfn a() {}\n\n║\nfn b() {}\n", "#[test]"),
        ("html", '<ul>\n  <li class="a">b</li>\n</ul>\n<ul>\n  ║\n</ul>\n', '<li class="a">b</li>'),
        ("sql", "CREATE FUNCTION a(b)\nRETURNS c\nAS d;\n\nCREATE FUNCTION e(b)\n║\nAS d;\n", "RETURNS c"),
        ("go", "// A is good for\n// nothing.\nfunc A() {}\n\n// B is good ║\n// nothing.\n", "for"),
    ],
)
def test_what_a_person_wrote_stays(language: str, drawn: str, written: str) -> None:
    assert item(drawn, written, language).strip() == written.strip()
