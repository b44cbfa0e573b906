"""What is seen of an item while it grows is never taken back: in any language, whatever is written.

The texts are drawn from lines as models write them: lines of the window again, halves of them, closers, blank
lines, comments, phrases that go round. Each is cut at every character, for generations end anywhere.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midfill_model import fim
from midfill_model.fim import CONTROL
from midfill_server.context import Window
from midfill_server.trim import is_final, settled, trim, whole_lines
from midfill_server.trim.fit.trees import LANGUAGES, parser

CODE = {
    "python": """\
class A:
    def f(self, a):
        if a:
            g(a, [1])
        self.a = a
        self.b = b
        return (a)

    def g(self):
        pass

x = f(
    a,
    b,
)
""",
    "javascript": """\
class A {
  f(a) {
    if (a) {
      g(a, [1]);
    }
    this.a = a;
    return a;
  }
}
x.map((it) => {
  y();
});
// It's so
const s = `a`, t = 'b';
""",
    "typescript": """\
interface A {
  a: string;
  b(c: number): void;
}
function f(a: A): string {
  return a.a;
}
export const x = {
  a: 1,
  b: [2, 3],
};
""",
    "go": """\
func f(a int) (int, error) {
	if a > 0 {
		return a, nil
	}
	x := g(a)
	y := g(a)
	return 0, err
}

type A struct {
	B int
	C []string
}
""",
    "rust": """\
impl A {
    fn f(&self, a: u8) -> Option<u8> {
        let x = g(a)?;
        match a {
            0 => None,
            _ => Some("a"),
        }
    }
}
""",
    "java": """\
class A {
    int f(int a) {
        if (a > 0) {
            return g(a);
        }
        return 0;
    }
}
""",
    "lua": """\
local a = 1
function f(a)
  if a then
    return g(a, { 1 })
  end
  foo = bar
  print("a")
end
return M
""",
    "ruby": """\
class A
  def f(a)
    a.each do |it|
      puts it
    end
    @a = a
    @b = b
  end
end
""",
    "shellscript": """\
if [[ $# -lt 1 ]]; then
  echo "usage: $0 FILE" >&2
  exit 1
fi
case "$1" in
  start)
    run a
    ;;
  *)
    echo b
    ;;
esac
""",
    "yaml": """\
jobs:
  test:
    steps:
      - uses: a@v5
        with:
          python: "3.12"
      - run: a b
      - run: ""
""",
    "html": """\
<ul>
  <li><a href="/">Home</a></li>
  <li><a href="/a">A</a></li>
  <li></li>
</ul>
""",
    "json": """\
{
  "a": [1, 2, 3],
  "b": {
    "c": "d",
    "e": ""
  },
  "f": null
}
""",
    "css": """\
.a {
  color: red;
  margin: 0 auto;
}

.b > .c {
  color: red;
}
""",
    "toml": """\
[a]
b = 1
cd = [
    "e",
]

[a.f]
b = { g = 1 }
""",
    "scss": """\
.a {
  color: red;
  &:hover {
    color: blue;
  }
  margin: 0;
}
""",
    "sql": """\
SELECT a, b
FROM c
WHERE a = 'd'
  AND b IN (1, 2)
ORDER BY a;
""",
    "markdown": """\
# A

Some words, and some words, and so on.

- one
- two

```sh
run a
```
""",
    "csharp": """\
namespace A
{
    class B
    {
        /* It's so */
        int F(string a)
        {
            if (a == "b")
            {
                return G(a, new[] { 1 });
            }
            return 0;
        }
    }
}
""",
    "php": """\
<p><?= $a ?></p>
<?php
function f($a)
{
    foreach ($a as $b => $c) {
        echo "it's {$b['c']}";
    }
    return [1, 2];
}
""",
    "elixir": """\
defmodule A do
  def f(a) do
    Enum.map(a, fn b -> g(b) end)
    if a, do: "b #{c}", else: :d
  end
end
""",
    "latex": """\
\\begin{a}
  % It's so
  \\item Some $b + c$ and \\textbf{d}.
  \\[
    e_{f}
  \\]
\\end{a}
""",
    "emacs-lisp": """\
(defun f (a b)
  "Say it's `a'."
  (let ((c (+ a b)))
    (message "%s" c)))

;; It's (so
(setq a '(1 2))
""",
    "vue": """\
<template>
  <p v-if="a > b">{{ a }}</p>
  <b @click="c()" />
</template>
<script>
export default { a: (b) => b < 1 };
</script>
""",
    "": """\
a = 1
foo = bar

  b: c
""",
}
"""By language: a file, in which the cursor may be anywhere."""

CLOSERS = [")", "]", "}", "});", "end", "fi", "};", '"', "'", "`", "),", "],", "</li>", ":", ";", '"""', ">"]
COMMENTS = ["# it's a", "// Say (what", "/* a", " */", "-- b", "<!-- c -->", '"""Say.']
WORDS = [  # what filters of words cut, whole and in parts
    *("# Copyright (c) 2020 Acme Inc.", "// Author: Ann Onym <ann@onym.org>", "x = 'https://onym.org/a'"),
    *('"""', 'r"""', "Parameters", "----------", "Examples", "========", ">>> f(1)", ">>> import onym", '""'),
    *("return a", "break;", "raise E(", "throw a;", "self.b = b", "@c = c", "this.d = d;", "return f(a)"),
    *(
        "def f(self, a):",
        "function f(a) {",
        "f(a);",
        "x = 1",
        "x = 22",
        "y = 3",
        "1,1,1,1",
        "a: 'bc',",
        "b: 'bc',",
    ),
    *("rm -rf a", "os.remove(a)", "DELETE FROM c", "WHERE a = 1;", "const x = 1;", "if (a) {", "import os"),
    *('<p id="a" id="b">', "!!!!!!!!!!!!!!!!", "else:", "case 2:", "0123456789abcdef0123456789abcdef"),
]
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
    kind = draw(
        st.sampled_from(("again", "half", "more", "closer", "comment", "round", "odd", "rest", "word"))
    )
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
    elif kind == "word":
        word = draw(st.sampled_from(WORDS))
        line = line[: len(line) - len(line.lstrip())] + word[: draw(st.sampled_from((len(word), 3)))]
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
    monkeypatch.setattr("midfill_server.trim.fit.trees.LANGUAGES", {})
    parser.cache_clear()

    @FEW
    @given(cases(language))
    def grows(case: tuple[Window, str]) -> None:
        check(*case)

    try:
        grows()
    finally:
        parser.cache_clear()


@pytest.mark.parametrize("language", ["lua", "python"])
def test_a_delimiter_behind_the_start_of_another_one(language: str) -> None:
    """Found by the property above."""
    check(Window("a = 1", "\n", language=language), f"<｜{fim.BOS}\n")
    check(Window("a = 1", "\n", language=language), f"b<｜x<{fim.FIM_HOLE}\n")
