"""A file is outlined piece by piece: as a whole would be, and after an edit only what has changed."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_server.context.outline import Contents, chunks, outline, read
from midfill_server.context.outline.chunks import SELDOM, Chunks, cuts
from midfill_server.context.ranking.pack import blocks, choose
from midfill_server.context.ranking.rank import Piece

BLOCKS = [
    "import os\n",
    "\n",
    "def f{n}(a):\n    return a\n",
    "class C{n}(Base):\n    size{n}: int = 1\n\n    def method{n}(self):\n        self.it{n} = 1\n",
    'TEXT{n} = """\nno definition: = 1\ndefined = 2\n"""\n',
    "value{n} = 1\n",
    "# a remark\n",
]
LINES = {
    ".py": """\
class C{n}(Base):~class Same:~def f{n}(a):~def f{n}(~a{n}: int = 1,~):
async def g{n}(self) -> None:~@wraps~value{n} = 1~size: int~self.same = 1~self.it{n}: int = 2
return a~if a:~QQQSays.QQQ~QQQ~text = QQQ~'''~)~# x~QQQBegins ''' here~ends.QQQ def f(~f(QQQ(
)QQQ, [~import a~from a import (~a,~type A{n} = int""",
    ".java": """\
package a;~import a.B{n};~public class C{n} extends B {~interface I{n} {~enum E {~A{n},~}
@Override~public int f{n}(int a) {~public int f{n}(~int a{n},~int b) {~private final int x{n} = 1;
return f{n}(~a);~static void g{n}() {~if (a) {~QQQ~/** Says. */~self.x{n} g(a) {
record R{n}(int a) {""",
    ".ts": """\
import {~type A{n},~b{n},~} from './a'~export class C{n} {~namespace N {~f{n}(a: string) {
get x{n}() {~}~const f{n} = (~a{n}: number) => {~let x = 1~export type T{n} = {
export * from './b'~const {a, b} = require('c')~function g{n}(a) {~return a~readonly x{n}: number;
use(~);""",
    ".go": """\
package a~import (~"fmt"~)~type T{n} struct {~Name{n} string~}~func (t *T) F{n}(a int) error {
func G{n}(~a int,~) {~var x{n} = 1~const (~A{n} = iota~return a~if a {""",
    ".cpp": """\
#include <a>~namespace n{n} {~class C{n} : public B {~struct S {~public:~void f{n}(int a) {
void f{n}(~int a,~int b) {~}~};~int g{n}() {~template <class T>~using A = B;~static int x{n} = 1;
#define M{n}(a) a~load(~enum E {""",
}
INDENTS = ["", "", "    ", "    ", "    ", "        ", "        ", "\t", "\t\t", "  ", "            "]


def numbered(parts: Sequence[str]) -> list[str]:
    return [
        line for n, it in enumerate(parts) for line in it.replace("{n}", str(n)).splitlines(keepends=True)
    ]


def soup(ending: str) -> st.SearchStrategy[list[str]]:
    """Lines in any order, at any indentation."""
    parts = LINES[ending].replace("QQQ", '"""').replace("\n", "~").split("~")
    line = st.builds("{}{}\n".format, st.sampled_from(INDENTS), st.sampled_from(parts))
    return st.lists(line | st.just("\n"), max_size=60)


files = st.lists(st.sampled_from(BLOCKS), max_size=60).map(numbered)


def assert_as_the_whole(known: Chunks, lines: list[str], ending: str) -> None:
    pieces = known.outlines(lines, ending)
    plain = outline("".join(lines), ending)
    assert [it.moved(first) for first, part in pieces for it in part.definitions] == list(plain.definitions)
    assert [it for _, part in pieces for it in part.imports] == list(plain.imports)
    passages = [it.moved(first) for first, part in pieces for it in part.passages]
    for it in passages:
        assert "".join(lines[it.line : it.line + it.text.count("\n") + 1]).rstrip() == it.text
    text = "\n".join(it.text for it in passages)
    assert text.split() == "\n".join(it.text for it in plain.passages).split() == "".join(lines).split()


@given(files)
def test_what_is_defined_is_what_the_whole_file_defines(lines: list[str]) -> None:
    assert_as_the_whole(Chunks(read), lines, ".py")


@pytest.mark.parametrize("ending", LINES)
@given(st.data())
def test_in_every_language_and_after_edits_it_is_what_the_whole_file_defines(
    ending: str, data: st.DataObject
) -> None:
    """Pieces of a few lines: what is cut apart there has to be joined again."""
    lines = numbered(data.draw(soup(ending)))
    edits = st.tuples(st.integers(0, 60), st.integers(0, 3), soup(ending))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(chunks, "SELDOM", 2)
        patched.setattr(chunks, "SELDOM_INSIDE", 2)
        known = Chunks(read)
        assert_as_the_whole(known, lines, ending)
        for at, removed, added in data.draw(st.lists(edits, max_size=4)):
            lines[at : at + removed] = numbered(added[:4])
            assert_as_the_whole(known, lines, ending)


@given(st.lists(st.text("ab \n\"'é\ud83d", max_size=9)))
def test_pieces_are_all_lines_in_their_order(lines: list[str]) -> None:
    found = list(cuts(lines, ".py"))
    assert found[0][0] == 0 and found[-1][1] == len(lines)
    assert all(end == start for (_, end), (start, _) in pairwise(found))


@given(files, st.data())
def test_an_edit_changes_its_own_piece_and_at_most_those_beside_it(
    lines: list[str], data: st.DataObject
) -> None:
    seen = list[str]()
    known = Chunks(lambda text, ending: seen.append(text) or Contents())  # type: ignore[func-returns-value]
    lines = [*lines, "x = 1\n"]
    known.outlines(lines, ".py")
    seen.clear()
    n = data.draw(st.integers(0, len(lines) - 1))
    lines[n] = f"    {lines[n]}"
    known.outlines(lines, ".py")
    assert len([it for it in seen if it]) <= 3


def test_the_same_places_are_found_wherever_the_look_begins() -> None:
    lines = [f"def f{n}(): ...\n" for n in range(100 * SELDOM)]
    all_of_it = {start for start, _ in cuts(lines, ".py")}
    assert len(all_of_it) > 50
    assert {start + 37 for start, _ in cuts(lines[37:], ".py")} - {37} <= all_of_it


def test_a_secret_anywhere_bars_the_file() -> None:
    lines = [f"def f{n}(): ...\n" for n in range(100)]
    secret = Chunks(lambda text, _: None if "f77" in text else Contents())
    assert secret.outlines(lines, ".py") == []
    assert secret.outlines(lines, ".py") == []
    assert len(secret.outlines(lines[:70], ".py")) > 1


METHODS = {  # ten lines each
    ".py": """    def method{n}(self, names: list[str]) -> int:
        'Says {n}.'
        total{n} = {n}
        for name in names:
            total{n} += len(name) + {n}
        self.it{n} = total{n}
        self.same = {n}
        log.info('done {n}')
        return total{n}

""",
    ".java": """    /** Says {n}. */
    public int method{n}(List<String> names) {
        int total{n} = {n};
        for (String name : names) {
            total{n} += name.length() + {n};
        }
        log.info({n});
        return total{n};
    }

""",
}
TOPS = {".py": "import os\n\nclass Large(Base):\n", ".java": "import a.B;\n\npublic class Large {\n"}


def large_class(ending: str) -> list[str]:
    method = METHODS[ending].replace("'Says {n}.'", '"""Says {n}."""')
    return [*TOPS[ending].splitlines(keepends=True), *numbered([method] * 1_000)]


@pytest.mark.parametrize("ending", METHODS)
@pytest.mark.parametrize(
    ("at", "removed", "typed"),
    [
        (5_005, 1, "        changed = 1;\n"),
        (5_005, 0, "        new = 1;\n"),
        (5_003, 0, "    def new(self):\n"),
        (5_005, 0, "d\n"),  # at the margin, where one begins to type
        (5_005, 0, "def new():\n"),
        (5_005, 0, '        """Half a docstring\n'),
        (2, 1, "class Renamed(Base) {\n"),
        (2, 1, "clas Renamed(Base)\n"),
        (2, 0, "import another\n"),
    ],
)
def test_an_edit_in_a_large_class_outlines_few_lines_anew(
    ending: str, at: int, removed: int, typed: str
) -> None:
    seen = list[str]()

    def told(text: str, ending: str) -> Contents:
        seen.append(text)
        return read(text, ending)

    known = Chunks(told)
    lines = large_class(ending)
    known.outlines(lines, ending)
    seen.clear()
    lines[at : at + removed] = [typed]
    assert_as_the_whole(known, lines, ending)
    assert len(seen) <= 3
    assert sum(it.count("\n") for it in seen) < 1_000


def test_a_class_of_many_pieces_is_shown_once_before_its_members() -> None:
    lines = large_class(".py")
    known = Chunks(read)
    known.outlines(lines, ".py")
    lines.insert(0, "import sys\n")
    found = known.outlines(lines, ".py")
    pieces = [Piece("a.py", it, "own", first) for first, part in found for it in part.definitions]
    members = [it for it in pieces if it.definition.name in ("method100", "method900")]
    assert {it.owner and it.owner[0] for it in members} == {3}
    block = blocks(choose(members, 1_000), (), "a.py")["a.py"]
    shown = [line.split("(")[0].strip() for line in block.strip().splitlines()[1:]]
    assert shown == ["class Large", "def method100", "def method900"]


def test_quotes_that_were_just_typed_hide_no_definitions() -> None:
    """Nor do those that end a docstring in which the look begins: they open no string, either."""
    lines = [
        "    and ends here.\n",
        '    """\n',
        *large_class(".py")[2:33],
        '        """\n',
        "        half a docstring\n",
        *large_class(".py")[33:],
    ]
    found = Chunks(read).outlines(lines, ".py")
    names = [it.name for _, part in found for it in part.definitions]
    assert [it for it in names if it.startswith("method")] == [f"method{n}" for n in range(1_000)]


def test_behind_a_line_that_a_program_wrote_nothing_comes_to_a_wrong_class() -> None:
    """A piece with such a line is not read, so whether a class begins in it is not known."""
    long_line = f"class Other: x = '{'x' * 3_000}'\n"
    lines = [*large_class(".py")[:5_003], long_line, *large_class(".py")[5_003:]]
    found = Chunks(read).outlines(lines, ".py")
    names = {it.name for _, part in found for it in part.definitions}
    assert "method100" in names and "method900" not in names
