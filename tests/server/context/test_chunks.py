"""A file is outlined piece by piece: as a whole would be, and after an edit only what has changed."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from midfill_server.context.outline import Definition, Outline, outline
from midfill_server.context.outline.chunks import SELDOM, Chunks, cuts

BLOCKS = [
    "import os\n",
    "\n",
    "def f{n}(a):\n    return a\n",
    "class C{n}(Base):\n    size{n}: int = 1\n\n    def method{n}(self):\n        self.it{n} = 1\n",
    'TEXT{n} = """\nno definition: = 1\ndefined = 2\n"""\n',
    "value{n} = 1\n",
    "# a remark\n",
]
files = st.lists(st.sampled_from(BLOCKS), max_size=60).map(
    lambda blocks: [line for n, it in enumerate(blocks) for line in it.format(n=n).splitlines(keepends=True)]
)


def whole(text: str, ending: str) -> Outline:
    return outline(text, ending)


def shown(first: int, it: Definition) -> tuple[int, str, str]:
    return first + it.line, it.text, it.owner.text if it.owner else ""


@given(files)
def test_what_is_defined_is_what_the_whole_file_defines(lines: list[str]) -> None:
    pieces = Chunks(whole).outlines(lines, ".py")
    plain = outline("".join(lines), ".py")
    assert [shown(first, it) for first, part in pieces for it in part.definitions] == [
        shown(0, it) for it in plain.definitions
    ]
    assert [it for _, part in pieces for it in part.imports] == list(plain.imports)
    text = "\n".join(it.text for _, part in pieces for it in part.passages)
    assert text.split() == "\n".join(it.text for it in plain.passages).split() == "".join(lines).split()


@given(st.lists(st.text("ab \n\"'é\ud83d", max_size=9)))
def test_pieces_are_all_lines_in_their_order(lines: list[str]) -> None:
    found = list(cuts(lines))
    assert found[0][0] == 0 and found[-1][1] == len(lines)
    assert all(end == start for (_, end), (start, _) in pairwise(found))


@given(files, st.data())
def test_an_edit_changes_its_own_piece_and_at_most_the_one_before(
    lines: list[str], data: st.DataObject
) -> None:
    read = list[str]()
    chunks = Chunks(lambda text, ending: read.append(text) or Outline())  # type: ignore[func-returns-value]
    lines = [*lines, "x = 1\n"]
    chunks.outlines(lines, ".py")
    read.clear()
    n = data.draw(st.integers(0, len(lines) - 1))
    lines[n] = f"    {lines[n]}"
    chunks.outlines(lines, ".py")
    assert len([it for it in read if it]) <= 2


def test_the_same_places_are_found_wherever_the_look_begins() -> None:
    lines = [f"def f{n}(): ...\n" for n in range(100 * SELDOM)]
    all_of_it = {start for start, _ in cuts(lines)}
    assert len(all_of_it) > 50
    assert {start + 37 for start, _ in cuts(lines[37:])} - {37} <= all_of_it


def test_a_secret_anywhere_bars_the_file() -> None:
    lines = [f"def f{n}(): ...\n" for n in range(100)]
    secret = Chunks(lambda text, _: None if "f77" in text else Outline())
    assert secret.outlines(lines, ".py") == []
    assert secret.outlines(lines, ".py") == []
    assert len(secret.outlines(lines[:70], ".py")) > 1
