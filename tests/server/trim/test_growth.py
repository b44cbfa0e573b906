"""What is seen of an item while it grows is never taken back: in any language, whatever is written.

The texts are drawn from lines as models write them: lines of the window again, halves of them, closers, blank
lines, comments, phrases that go round. Each is cut at every character, for generations end anywhere.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midfill_model.fim import CONTROL
from midfill_server.context import Window
from midfill_server.trim import is_final, settled, trim, whole_lines
from midfill_server.trim.trees import LANGUAGES, parser

CODE = {
    "python": "class A:\n    def f(self, a):\n        if a:\n            g(a, [1])\n        self.a = a\n"
    "        self.b = b\n        return (a)\n\n    def g(self):\n        pass\n\nx = f(\n    a,\n    b,\n)\n",
    "javascript": "class A {\n  f(a) {\n    if (a) {\n      g(a, [1]);\n    }\n    this.a = a;\n    return a;\n  }\n}\n"
    "x.map((it) => {\n  y();\n});\n// It's so\nconst s = `a`, t = 'b';\n",
    "typescript": "interface A {\n  a: string;\n  b(c: number): void;\n}\nfunction f(a: A): string {\n  return a.a;\n}\n"
    "export const x = {\n  a: 1,\n  b: [2, 3],\n};\n",
    "go": "func f(a int) (int, error) {\n\tif a > 0 {\n\t\treturn a, nil\n\t}\n\tx := g(a)\n\ty := g(a)\n\treturn 0, err\n}\n"
    "\ntype A struct {\n\tB int\n\tC []string\n}\n",
    "rust": "impl A {\n    fn f(&self, a: u8) -> Option<u8> {\n        let x = g(a)?;\n        match a {\n"
    '            0 => None,\n            _ => Some("a"),\n        }\n    }\n}\n',
    "java": "class A {\n    int f(int a) {\n        if (a > 0) {\n            return g(a);\n        }\n        return 0;\n    }\n}\n",
    "lua": 'local a = 1\nfunction f(a)\n  if a then\n    return g(a, { 1 })\n  end\n  foo = bar\n  print("a")\nend\nreturn M\n',
    "ruby": "class A\n  def f(a)\n    a.each do |it|\n      puts it\n    end\n    @a = a\n    @b = b\n  end\nend\n",
    "shellscript": 'if [[ $# -lt 1 ]]; then\n  echo "usage: $0 FILE" >&2\n  exit 1\nfi\ncase "$1" in\n  start)\n'
    "    run a\n    ;;\n  *)\n    echo b\n    ;;\nesac\n",
    "yaml": 'jobs:\n  test:\n    steps:\n      - uses: a@v5\n        with:\n          python: "3.12"\n      - run: a b\n      - run: ""\n',
    "html": '<ul>\n  <li><a href="/">Home</a></li>\n  <li><a href="/a">A</a></li>\n  <li></li>\n</ul>\n',
    "json": '{\n  "a": [1, 2, 3],\n  "b": {\n    "c": "d",\n    "e": ""\n  },\n  "f": null\n}\n',
    "css": ".a {\n  color: red;\n  margin: 0 auto;\n}\n\n.b > .c {\n  color: red;\n}\n",
    "sql": "SELECT a, b\nFROM c\nWHERE a = 'd'\n  AND b IN (1, 2)\nORDER BY a;\n",
    "markdown": "# A\n\nSome words, and some words, and so on.\n\n- one\n- two\n\n```sh\nrun a\n```\n",
    "": "a = 1\nfoo = bar\n\n  b: c\n",
}
"""By language: a file, in which the cursor may be anywhere."""

CLOSERS = [")", "]", "}", "});", "end", "fi", "};", '"', "'", "`", "),", "],", "</li>", ":", ";", '"""', ">"]
COMMENTS = ["# it's a", "// Say (what", "/* a", " */", "-- b", "<!-- c -->", '"""Say.']
PHRASES = ["a = b, ", "foo(bar) ", "and so on ", "= = = = ", "x: 1, y: 2, "]
ENDS = ["\n", "\n", "\n", "\n\n", "\r\n", " \n", ",\n", "", " "]
ODD = [*CONTROL, "<｜", "<", "<｜fim", "\r", "\t", "é", "\u2028"]

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def places(draw: st.DrawFn, language: str) -> Window:
    """A window of the language's file, half of the time at the end of a line or on an empty one."""
    code = CODE[language]
    at = draw(st.integers(0, len(code)))
    if draw(st.booleans()):
        at = code.find("\n", at) if "\n" in code[at:] else len(code)
    prefix, suffix = code[:at], code[at:]
    if draw(st.booleans()):  # a line that was just begun
        line = prefix.rpartition("\n")[2]
        prefix += "\n" + line[: len(line) - len(line.lstrip())]
    return Window(prefix, suffix, draw(st.sampled_from([True, True, False])), language)


@st.composite
def lines(draw: st.DrawFn, window: Window) -> str:
    there = [line for line in (window.prefix + "\n" + window.suffix).split("\n") if line.strip()]
    line = draw(st.sampled_from(there))
    if draw(st.booleans()):
        line = line.strip()
    kind = draw(st.sampled_from(("again", "half", "more", "closer", "comment", "round", "odd", "rest")))
    if kind == "half":
        line = line[: draw(st.integers(0, len(line)))]
    elif kind == "more":
        line += draw(st.sampled_from(["2", ",", " ", ", a", "(", " = ", " {", ":"]))
    elif kind in ("closer", "comment", "odd"):
        added = draw(st.sampled_from({"closer": CLOSERS, "comment": COMMENTS, "odd": ODD}[kind]))
        line = line[: draw(st.sampled_from((0, len(line) - len(line.lstrip()), len(line))))] + added
    elif kind == "round":
        phrase = draw(st.sampled_from([*PHRASES, line + " "]))
        line = draw(st.sampled_from(["", "  ", "x = "])) + phrase * draw(st.integers(1, 4))
    elif kind == "rest":  # the line that the cursor is in, or its rest, once more
        line = draw(st.sampled_from([window.line_rest, window.line_start + window.line_rest]))
    return line + draw(st.sampled_from(ENDS))


@st.composite
def cases(draw: st.DrawFn, language: str) -> tuple[Window, str]:
    """A place, and a text that a model wrote there."""
    window = draw(places(language))
    start = draw(st.sampled_from(["", "", "\n", window.line_start, "    "]))
    written = start + "".join(draw(st.lists(lines(window), min_size=1, max_size=4)))
    return window, written[:160]


def growing(window: Window, written: str) -> Iterator[str]:
    """The beginnings of a text that are seen, up to the one with which decoding stops."""
    for n in range(1, len(written) + 1):
        yield written[:n]
        if is_final(written[:n], window):
            return


def check(window: Window, written: str) -> None:
    shown = ""
    for text in growing(window, written):
        now = settled(text, window)
        assert now.startswith(shown), (text, shown, now)
        shown = now
        for item in (trim(text, window), trim(whole_lines(text), window)):  # it may end here, or be cut here
            assert item.startswith(shown), (text, shown, item)


@pytest.mark.parametrize("language", CODE)
@FEW
@given(data=st.data())
def test_what_was_shown_is_never_taken_back(language: str, data: st.DataObject) -> None:
    check(*data.draw(cases(language)))


@pytest.mark.parametrize("language", [it for it in CODE if it in LANGUAGES])
def test_nor_where_no_grammar_is_installed(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midfill_server.trim.trees.LANGUAGES", {})
    parser.cache_clear()

    @FEW
    @given(cases(language))
    def grows(case: tuple[Window, str]) -> None:
        check(*case)

    try:
        grows()
    finally:
        parser.cache_clear()
