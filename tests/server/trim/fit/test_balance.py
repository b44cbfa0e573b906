"""Items in languages that no grammar judges: what they leave open is closed, cut off, or nothing is shown.

The cursor is drawn in the text: ║ is where the item goes.
"""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midfill_server.context import Window
from midfill_server.trim import trim, trim_cut
from midfill_server.trim.fit.balance import judge
from midfill_server.trim.fit.trees import parser

from ..drawn import window
from ..test_growth import CODE

CLASS = "class A {\n    ║\n}\n"
CLOSED = [
    ("csharp", CLASS, "if (x) {", "if (x) {\n    }"),
    ("csharp", CLASS, "if (x) {\n        a();", "if (x) {\n        a();\n    }"),
    ("csharp", CLASS, 'a(b, "c', 'a(b, "c")'),
    ("csharp", CLASS, "/* the", "/* the */"),
    ("csharp", "║\n\n/* b */\nint c;\n", "/**\n * The", "/**\n * The\n */"),
    ("csharp", CLASS, "#if DEBUG\n    a();", "#if DEBUG\n    a();\n    #endif"),
    ("kotlin", "║\n", 'val a = "b ${c("d")', 'val a = "b ${c("d")}"'),
    ("swift", "║\n", 'let a = "b \\(c', 'let a = "b \\(c)"'),
    ("dart", "║\n", "final a = [b, c(d", "final a = [b, c(d)]"),
    ("php", "<?php\n║\n", "foreach ($a as $b) {", "foreach ($a as $b) {\n}"),
    ("perl", "║\n", "my %a = (b => qw(c d), e => {", "my %a = (b => qw(c d), e => {\n})"),
    ("r", "║\n", "f <- function(x) {", "f <- function(x) {\n}"),
    ("lua", "║\n", "if a", "if a then\nend"),
    ("lua", "║\n", "function f(a)\n  return 1", "function f(a)\n  return 1\nend"),
    ("lua", "║\n", "while a do\n  b()", "while a do\n  b()\nend"),
    ("lua", "║\n", "repeat\n  b()", "repeat\n  b()\nuntil"),
    ("ruby", "║\n", "a.each do |it|\n  puts it", "a.each do |it|\n  puts it\nend"),
    ("ruby", "class A\n  ║\nend\n", "def b(c)", "def b(c)\n  end"),
    ("ruby", "║\n", 'a = "b #{c(d', 'a = "b #{c(d)}"'),
    ("elixir", "║\n", "def f(a) do\n  a", "def f(a) do\n  a\nend"),
    ("elixir", "║\n", "Enum.map(a, fn b -> b", "Enum.map(a, fn b -> b end)"),
    ("shellscript", "║\n", "if [ -z a ]", "if [ -z a ]; then\nfi"),
    ("shellscript", "║\n", "for a in b; do\n  echo a", "for a in b; do\n  echo a\ndone"),
    ("shellscript", "║\n", "case $1 in\n  a)\n    b;;", "case $1 in\n  a)\n    b;;\nesac"),
    ("shellscript", "║\n", "cat <<EOF\na (b", "cat <<EOF\na (b\nEOF"),
    ("shellscript", "║\n", 'a="$(b "c"', 'a="$(b "c")"'),
    ("makefile", "║\n", "ifeq ($(A),b", "ifeq ($(A),b)\nendif"),
    ("sql", "SELECT ║\nFROM a\n", "(SELECT b FROM c", "(SELECT b FROM c)"),
    ("sql", "SELECT ║\nFROM a\n", "CASE WHEN b THEN c", "CASE WHEN b THEN c END"),
    ("json", '{\n  "a": {\n    ║\n  }\n}\n', '"b": {\n      "c": 1', '"b": {\n      "c": 1\n    }'),
    ("toml", "║\n", 'a = [\n  "b",', 'a = [\n  "b"\n]'),
    ("yaml", "║\n", "a: [b, 'c", "a: [b, 'c']"),
    ("css", "║\n", "a {\n  color: red;", "a {\n  color: red;\n}"),
    ("html", "<ul>\n  ║\n</ul>\n", '<li><a href="b">c', '<li><a href="b">c</a></li>'),
    ("html", "║\n", "<ul>\n  <li>a</li>", "<ul>\n  <li>a</li>\n</ul>"),
    ("html", "║\n", '<div class="a', '<div class="a"></div>'),
    ("html", "<script>\n  ║\n</script>\n", "f(a", "f(a)"),
    ("vue", "<template>\n  ║\n</template>\n", '<p v-if="a > b">{{ c', '<p v-if="a > b">{{ c}}</p>'),
    ("xml", "║\n", "<a>\n  <b/>", "<a>\n  <b/>\n</a>"),
    ("markdown", "║\n", "```sh\nrun a", "```sh\nrun a\n```"),
    ("markdown", "║\n", "Some [words](a", "Some [words](a)"),
    ("markdown", "║\n", "Say `a", "Say `a`"),
    ("latex", "║\n", "\\begin{a}\n  b", "\\begin{a}\n  b\n\\end{a}"),
    ("latex", "║\n", "so $a + b", "so $a + b$"),
    ("emacs-lisp", "(defun a (b)\n  ║\n", "(let ((c (+ a b))", "(let ((c (+ a b))))"),
    ("clojure", "║\n", "(defn f [x]\n  (inc x)", "(defn f [x]\n  (inc x))"),
    ("haskell", "║\n", "f' x = (x, 'a', \"b", "f' x = (x, 'a', \"b\")"),
]
CUT = [
    ("csharp", CLASS, "a();\n}", "a();"),
    ("csharp", CLASS, "a();\n    b(c", "a();"),
    ("csharp", "a(║);\n", "(b) => {", "(b) => {}"),
    ("csharp", "x = f(║, b);\n", "c), d", "c"),
    ("json", '{\n  "a": {\n    ║\n  }\n}\n', '"b": 1\n  },\n  "c": 2', '"b": 1'),
    ("lua", "function f()\n  ║\nend\n", "a()\nend", "a()"),
    ("html", "<ul>\n  ║\n</ul>\n", "<li>a</li>\n  <li>b", "<li>a</li>"),
    ("html", "<p>║</p>\n", "a</b>", "a"),
    ("php", "<?php\n║\n    a();\n", "if ($b) {", "if ($b)"),  # not closed before its body
    (
        "php",
        "<?php\nclass A {\n    function f() {\n        ║\n            b();\n        }\n",
        *["if ($a) {"] * 2,
    ),
    ("emacs-lisp", "(a ║)\n", "b) (c", "b"),
]
WHOLE = [
    ("csharp", "// it's ║\n", "a (b"),
    ("csharp", 'a = "║";\n', "b (c"),
    ("csharp", "║\n * The a.\n */\nint b;\n", "/**"),
    ("csharp", "/* ║\n", "a /* b */"),
    ("csharp", CLASS, "char a = '\"', b = '(';"),
    ("csharp", CLASS, 'var a = @"b\\", c = $"{d}";'),
    ("rust", "fn f<'a>(b: &'a str) {\n    ║\n}\n", 'let c: &\'a str = r#""("#;'),
    ("go", "func f() {\n\t║\n}\n", 'a := `b\n("`'),
    ("cpp", "void f() {\n    ║\n}\n", 'auto a = R"x(b)")x"; int c = 1\'000;'),
    ("javascript", "function f() {\n  ║\n}\n", "const a = /[({]'/.test(b);"),
    ("javascript", "function f() {\n  ║\n}\n", "return `a ${b ? `c ${d}` : '}'}`;"),
    ("ruby", "║\n", "a if b == ?( && c =~ /[(]'/"),
    ("ruby", "║\n", "x = if a then b else c end"),
    ("ruby", "║\n", "def a(b) = c.class.end"),
    ("ruby", "║\n", "a = <<~SQL\n  SELECT (b\nSQL"),
    ("ruby", "║\n", "%w[a ( b].each { |it| puts it }"),
    ("ruby", "║\n", "while a do\n  b while c\nend"),
    ("elixir", "║\n", "if a, do: b, else: ~s|c (|"),
    ("lua", "║\n", "a = [==[ b ]] ( ]==] -- it's (\n"),
    ("shellscript", "case $1 in\n  ║\nesac\n", "a|b) echo ${#c} ${d#e} ;;"),
    ("shellscript", "║\n", "echo if it isn\\'t done a#b"),
    ("shellscript", "║\n", "cat <<'E' | a\nit's (\nE"),
    ("perl", "║\n", "my ($a) = $b =~ m{^(?:c|d[(])}; $#e; s/\\(//;"),
    ("php", "<?php\n║\n", "a('it\\'s', \"b {$c['d']}\"); // (don't"),
    ("sql", "║\n", "SELECT 'it''s (' FROM a; -- don't ("),
    ("yaml", "║\n", "a: it's (fine), isn't it"),
    ("yaml", "║\n", "a: the users' own"),
    ("css", "a {\n  ║\n}\n", "background: url(data:image/png;base64,a//b==);"),
    ("scss", "a {\n  ║\n}\n", "@import url(http://b); // it's ("),
    ("html", "║\n", "<p>It's :( <br> <img src=a></p>"),
    ("html", "║\n", "<script>if (a < b) { c(d); }</script>"),
    ("javascriptreact", "return (\n  ║\n);\n", "<A b={c > d}>it's {e.map((f) => <G key={f} />)}</A>"),
    ("markdown", "║\n", "1) It's $5, a ) and `(` and :)"),
    ("markdown", "```sh\n║\n```\n", "echo '(`"),
    ("latex", "║\n", "It's $[0, 1)$, 50\\% of \\{a, \\verb|{| % ("),
    ("emacs-lisp", "║\n", '(a ?\\( "b (") ; it\'s ('),
    ("clojure", "║\n", "(a \\( 'b (filter even?) (c! d?))"),
    ("fish", "║\n", "if a\n  echo done (b)\nend"),
    ("haskell", "║\n", "f' a = g' a 'b' -- don't ("),
    ("toml", "║\n", 'a = """\nb "(\n"""'),
    ("dockerfile", "║\n", "LABEL a=it's"),
    ("makefile", "║\n", "a: b\n\t@echo $$(c \\( d) isn't"),
]


@pytest.fixture(autouse=True)
def no_grammars(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where none is installed."""
    monkeypatch.setattr("midfill_server.trim.fit.trees.LANGUAGES", {})
    parser.cache_clear()


@pytest.fixture(autouse=True, scope="module")
def grammars_afterwards() -> object:
    yield
    parser.cache_clear()


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), CLOSED)
def test_what_an_item_leaves_open_is_closed(language: str, drawn: str, written: str, shown: str) -> None:
    assert trim(written, window(drawn, language)) == shown


@pytest.mark.parametrize(("language", "drawn", "written", "shown"), CUT)
def test_or_it_is_cut(language: str, drawn: str, written: str, shown: str) -> None:
    assert trim(written, window(drawn, language)) == shown


def test_a_text_that_is_cut_off_does_not_end_in_a_comment_that_it_begins() -> None:
    """The user may take it as it is. What stands in a comment already may end there."""
    assert trim_cut("/* the", window(CLASS, "csharp")) == ""
    assert trim_cut("a(b, c", window(CLASS, "csharp")) == "a(b, c"
    assert trim_cut("the a", window("/* ║\n */\n", "csharp")) == "the a"


@pytest.mark.parametrize(("language", "drawn", "written"), WHOLE)
def test_what_only_looks_open_is_left_alone(language: str, drawn: str, written: str) -> None:
    assert judge.fits(written, window(drawn, language))
    assert not [*judge.completed(written, window(drawn, language))]


@pytest.mark.parametrize("language", CODE)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_a_person_wrote_is_never_refused(language: str, data: st.DataObject) -> None:
    """Of any file, any words or lines, where they stand."""
    code = CODE[language]
    begin = data.draw(st.integers(0, len(code) - 1))
    end = data.draw(st.integers(begin + 1, len(code)))
    if data.draw(st.booleans()):  # whole lines
        begin, end = code.rfind("\n", 0, begin) + 1, code.find("\n", end - 1)
    item = code[begin:end].rstrip("\n")
    if item.strip() and judge.judges(language):
        assert (
            judge.fits(item, Window(code[:begin], code[begin + len(item) :], language=language)) is not False
        )


@pytest.mark.parametrize("language", [it for it in CODE if judge.judges(it)])
def test_nor_in_a_long_file_of_which_the_window_shows_a_part(language: str) -> None:
    code = CODE[language]
    text = code * (30_000 // len(code))
    at = text.index("\n", 20_000) + 1
    for line in text[at : at + len(code)].splitlines(keepends=True):
        item = line.strip()
        begin = at + line.index(item)
        prefix = text[text.index("\n", begin - 9_000) + 1 : begin]
        place = Window(prefix, text[begin + len(item) : begin + 6_000], language=language)
        assert not item or judge.fits(item, place) is not False, line
        at += len(line)


@pytest.mark.parametrize("language", [it for it in CODE if judge.judges(it)])
def test_a_verdict_is_fast_whatever_is_written(language: str) -> None:
    """No pattern runs wild: signs that open much, in a row."""
    for signs in (
        "(",
        "[{",
        "'",
        '"',
        "`",
        "<a ",
        "/*",
        "\\",
        "$",
        "a'b ",
        "#",
        "<<A ",
        "if ",
        "`` ",
        "{% ",
        "=~ /",
    ):
        start = time.process_time()
        judge.fits(signs * 40, Window(signs * (4_000 // len(signs)) + "\n", signs * 500, language=language))
        assert time.process_time() - start < 3.0, signs  # who collects rubbish then takes half a second


@pytest.mark.parametrize("head", ["[[[[[[[[\n" * 60, "[[[[\n" * 25_000], ids=["deep", "long"])
def test_what_no_person_has_written_is_not_read(head: str) -> None:
    """Each key would read it several times: of 100,000 brackets that took seconds."""
    nobody = Window(head, "\n", language="json")
    assert judge.fits("1", nobody) is None and not judge.heals("1", nobody)
    assert not list(judge.completed("[1", nobody)) and not judge.leaves_comment("/*", nobody)
    assert trim("1,", nobody)
