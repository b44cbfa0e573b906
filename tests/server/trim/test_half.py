"""No item ends with half a thing: an operator, an opening bracket, a keyword that wants an operand."""

import pytest

from midfill_server.trim import settled, trim

from .drawn import window

CASES = [
    ("sql", "║\nORDER BY a;\n", "SELECT a\nFROM b\nWHERE\n", "SELECT a\nFROM b"),
    ("sql", "SELECT a\nFROM b ║\n", "WHERE a = 1 AND", "WHERE a = 1"),
    ("sql", "SELECT a\nFROM b ║\n", "where a = 1 and not", "where a = 1"),
    ("sql", "SELECT ║\nFROM b\n", "a, c,", "a, c"),
    ("sql", "SELECT ║\nFROM b\n", "*", "*"),
    ("shellscript", "║\n", "run a | grep b |\n", "run a | grep b"),
    ("shellscript", "║\n", "run a &&", "run a"),
    ("shellscript", "║\n", "run a &", "run a &"),
    ("shellscript", "║\n", "cd ..", "cd .."),
    ("shellscript", "║\n", "run a >", "run a"),
    ("shellscript", "║\n", "run a\nif\n", "run a"),
    ("shellscript", "║\n", 'echo "a |', 'echo "a |"'),
    ("ruby", "║\n", "a = b +", "a = b"),
    ("ruby", "class A ║\n  def f\n  end\nend\n", "< B::\n  def", "< B::"),  # goes on below, as it did before
    ("ruby", "║\n", "class A <", "class A\nend"),
    ("ruby", "║\n", "a.each do |b|", "a.each do |b|\nend"),
    ("ruby", "║\n", "a if b.empty?", "a if b.empty?"),
    ("ruby", "║\n", "a if b and", "a if b"),
    ("lua", "║\n", "local a = b ..", "local a = b"),
    ("lua", "║\n", "print(a)\nif a and\n", "print(a)"),
    ("lua", "║\n", "f(...", "f(..."),
    ("lua", "║\n", "-- this and that or", "-- this and that or"),
    ("csharp", "class A\n{\n    ║\n}\n", "int b = c *", "int b = c"),
    ("csharp", "class A\n{\n    int? b ║\n}\n", "= null;", "= null;"),
    ("csharp", "║\n", "public class A : B", "public class A : B"),
    ("kotlin", "║\n", "val a = b.", "val a = b"),
    ("kotlin", "import a.║\n", "b.*", "b.*"),
    ("php", "<?php\n║\n", "$a = $b ->", "$a = $b"),
    ("swift", "║\n", "var a: B?", "var a: B?"),
    ("typescript", "║\n", "a++", "a++"),
    ("typescript", "class A ║\n", "extends", ""),
    ("typescript", "/* a ║\n", "in */", "in */"),
    ("go", "package a\n\nfunc f() {\n\ta := ║\n}\n", "b +", "b"),
    ("rust", "fn f() {\n    let a = ║\n}\n", "b() +", "b()"),
    ("java", "class A {\n    int a = ║\n}\n", "b +", "b"),
    ("lua", "║\n  b)\n", "a(", "a("),
    ("csharp", "a = ║\n    + c;\n", "b", "b"),
    ("csharp", "x = a.║\n", "in", "in"),
    ("json", '{\n  "a": ║\n}\n', "[1]", "[1]"),
    ("json", "{\n  ║\n}\n", '"a": 1,\n  "b":\n', '"a": 1'),
    ("json", "{\n  ║\n}\n", '"a"', ""),
    ("json", '{\n  "a": ║\n}\n', '"b"', '"b"'),
    ("json", "[\n  ║\n]\n", '"a",\n  "b"', '"a",\n  "b"'),
    ("json", '{\n  "║": 1\n}\n', "a", "a"),
    ("toml", "[a]\n║\n", "b = 1\nc =\n", "b = 1"),
    ("toml", "[a]\n║\n", "b", ""),
    ("toml", "a = [\n    ║\n]\n", '"b"', '"b"'),
    ("css", "a {\n  ║\n}\n", "b: c;\n  d:\n", "b: c;"),
    ("css", "║\n", "a", "a"),
    ("csharp", "class A {\n    ║\n}\n", "/* The", "/* The */"),
    (
        "csharp",
        "class A {\n    ║\n}\n",
        "int a;\n    /* The\n     more",
        "int a;\n    /* The\n     more\n    */",
    ),
    ("csharp", "class A {\n    ║ more */\n}\n", "/* The", "/* The"),
    ("csharp", "// it ║\n", "isn't", "isn't"),
    ("css", "a {\n  ║\n}\n", "/* b", "/* b */"),
    ("lua", "║\nx = 1\n", 'a = "b', 'a = "b"'),
    ("lua", 'a = "║"\n', "b c", "b c"),
    ("shellscript", "║\nx=1\n", 'a\necho "b\n', "a"),
    ("ruby", "║\nx = 1\n", "# it's\na = 'b", "# it's"),
    ("sql", "SELECT a FROM b ║\n", "WHERE a = 'c", "WHERE a = 'c'"),
    ("json", "{\n  ║\n}\n", '"a": "b', '"a": "b"'),
    ("perl", "║\n", "my $a = $b .", "my $a = $b"),
    ("perl", "║\n", "print a if", "print a"),
    ("perl", "║\n", "(a => 1, b =>", "(a => 1, b)"),
    ("perl", "║\n", "my $a = <$b>", "my $a = <$b>"),
    ("r", "║\n", "a <-", "a"),
    ("r", "║\n", "a %>%", "a"),
    ("r", "║\n", "b <- a |>", "b <- a"),
    ("csharp", "f(\n    ║\n)\n", "a,\n    b,", "a,\n    b"),
    ("java", "class A { int a = f(\n    ║\n); }\n", "b,", "b"),
    ("rust", "fn f() { g(\n    ║\n) }\n", "a,", "a,"),
    ("", "║\n", "a and", "a and"),
]


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), CASES)
def test_an_item_ends_with_something_whole(language: str, drawn: str, written: str, shown: str) -> None:
    found = trim(written, window(drawn, language))
    assert found.rstrip(";)") == shown.rstrip(";)")  # a grammar may have added them


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), CASES)
def test_nothing_is_taken_back_for_it(language: str, drawn: str, written: str, shown: str) -> None:
    place, seen = window(drawn, language), ""
    for n in range(1, len(written) + 1):
        growing = settled(written[:n], place)
        assert growing.startswith(seen), written[:n]
        assert trim(written[:n], place).startswith(growing), written[:n]
        seen = growing
