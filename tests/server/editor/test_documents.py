"""The server's text equals the editor's after any sequence of edits, in all three encodings (invariant 3)."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types as lsp

from midfill_server.editor.documents import Document, Documents, split_lines

URI = "file:///a.py"
WIDTH = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}
# what splits lines elsewhere but not in LSP, what is wide in one encoding, and what the edges are made of
ALPHABET = "ab\r\n\r\n\x0b\x0c\x1c\x85\u2028é中😀🐍"
texts = st.text(ALPHABET, max_size=12)


@given(texts)
def test_lines_end_where_lsp_ends_them_and_nowhere_else(text: str) -> None:
    *ends, last = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)
    assert split_lines(text) == [*ends, last]


halves = st.text("a\r\n\ud83d\ude00", max_size=6)


@given(halves, st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), halves), max_size=5))
def test_halves_of_pairs_are_joined_wherever_they_meet(text: str, edits: list[tuple[int, int, str]]) -> None:
    """As JSON may deliver them: what counts is the sequence of UTF-16's units."""
    documents = Documents()
    document = documents.open(lsp.TextDocumentItem(URI, "python", 1, text))
    text = joined(text)
    for one, other, new in edits:
        offsets = valid_offsets(text)
        start, end = sorted((offsets[one % len(offsets)], offsets[other % len(offsets)]))
        where = lsp.Range(position(text, start, "utf-16"), position(text, end, "utf-16"))
        documents.change(URI, 2, [lsp.TextDocumentContentChangePartial(range=where, text=new)])
        text = joined(text[:start] + new + text[end:])
        assert (document.text, document.length) == (text, len(text))
        assert document.lines == split_lines(text)


def joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def units(text: str, encoding: str) -> int:
    codec, width = WIDTH[encoding]
    return len(text.encode(codec, "surrogatepass")) // width


def position(text: str, offset: int, encoding: str) -> lsp.Position:
    """Where an editor says that `offset` is; offsets inside \\r\\n are not positions and never drawn."""
    lines = re.split(r"\r\n|\r|\n", text[:offset])
    return lsp.Position(len(lines) - 1, units(lines[-1], encoding))


def valid_offsets(text: str) -> list[int]:
    return [i for i in range(len(text) + 1) if text[i - 1 : i + 1] != "\r\n" or i == 0]


@given(st.data(), st.sampled_from(list(WIDTH)), texts)
def test_any_sequence_of_edits_gives_the_editors_text(data: st.DataObject, encoding: str, text: str) -> None:
    documents = Documents()
    documents.encoding = encoding
    document = documents.open(lsp.TextDocumentItem(URI, "python", 1, text))
    for version in range(2, 2 + data.draw(st.integers(1, 6))):
        new = data.draw(texts)
        if data.draw(st.integers(0, 9)) == 0:
            change: lsp.TextDocumentContentChangeEvent = lsp.TextDocumentContentChangeWholeDocument(new)
            text = new
        else:
            start, end = sorted(data.draw(st.sampled_from(valid_offsets(text))) for _ in "se")
            where = lsp.Range(position(text, start, encoding), position(text, end, encoding))
            change = lsp.TextDocumentContentChangePartial(range=where, text=new)
            text = text[:start] + new + text[end:]
        documents.change(URI, version, [change])
        assert document.text == text
        assert document.lines == list(document.snapshot) == split_lines(text)
        assert (document.length, document.version) == (len(text), version)


@given(texts, st.sampled_from(list(WIDTH)))
def test_every_position_finds_its_character(text: str, encoding: str) -> None:
    document = Document(URI, 1, split_lines(text))
    for offset in valid_offsets(text):
        line, index = document.locate(position(text, offset, encoding), encoding)
        assert sum(map(len, document.lines[:line])) + index == offset


@pytest.mark.parametrize("encoding", WIDTH)
def test_positions_outside_the_text_are_clamped(encoding: str) -> None:
    document = Document(URI, 1, split_lines("ab\r\n😀c"))
    assert document.locate(lsp.Position(0, 99), encoding) == (0, 2)  # before the line end
    assert document.locate(lsp.Position(1, 99), encoding) == (1, 2)
    assert document.locate(lsp.Position(99, 99), encoding) == (1, 2)
    assert Document(URI, 1, split_lines("")).locate(lsp.Position(3, 3), encoding) == (0, 0)


@pytest.mark.parametrize(("encoding", "inside"), [("utf-8", 2), ("utf-16", 1)])
def test_a_position_inside_a_character_is_before_it(encoding: str, inside: int) -> None:
    document = Document(URI, 1, split_lines("😀c"))
    assert document.locate(lsp.Position(0, inside), encoding) == (0, 0)


def test_halves_of_a_surrogate_pair_from_two_edits_become_one_character() -> None:
    document = Document(URI, 1, [""])
    for half, column in (("\ud83d", 0), ("\ude00", 1)):
        here = lsp.Position(0, column)
        document.replace(lsp.Range(here, here), half, "utf-16")
    assert document.text == "😀"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_the_files_own_line_ending_is_known(newline: str) -> None:
    assert Document(URI, 1, split_lines(f"a{newline}b")).newline == newline


def test_a_change_of_a_file_that_is_not_open_is_ignored() -> None:
    assert Documents().change("file:///b.py", 2, [lsp.TextDocumentContentChangeWholeDocument("x")]) is None


def test_five_megabytes_in_one_line_are_read_at_once() -> None:
    started = time.process_time()
    assert split_lines("x" * 5_000_000) == ["x" * 5_000_000]
    assert time.process_time() - started < 1.0


def test_keystrokes_in_five_megabytes_cost_little() -> None:
    text = "x = 'ünïcode' # 😀\n" * 280_000
    document = Document(URI, 1, split_lines(text))
    started = time.process_time()
    for column in range(100):
        here = lsp.Position(140_000, column % 10)
        document.replace(lsp.Range(here, here), "y", "utf-16")
    assert time.process_time() - started < 1.0  # 10 ms each; copying the text would take ten times that
    assert document.length == len(text) + 100


def test_a_key_in_a_line_of_a_megabyte_reads_what_it_puts_there(monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[int]()

    def noted(text: str) -> list[str]:
        read.append(len(text))
        return split_lines(text)

    monkeypatch.setattr(f"{Documents.__module__}.split_lines", noted)
    line = "é" * 1_000_000
    document = Document(URI, 1, [f"{line}\r\n", "b"])
    here = lsp.Position(0, 999_000)
    for new in ("x", "\n", "y\r\nz"):
        document.replace(lsp.Range(here, here), new, "utf-16")
    assert document.text == f"{line[:999_000]}y\r\nz\nx{line[999_000:]}\r\nb"
    assert max(read) < 10


def edit(
    line: int, start: int, end_line: int, end: int, text: str = ""
) -> lsp.TextDocumentContentChangePartial:
    return lsp.TextDocumentContentChangePartial(
        lsp.Range(lsp.Position(line, start), lsp.Position(end_line, end)), text
    )


def test_what_was_deleted_is_known_until_something_is_typed() -> None:
    documents = Documents()
    document = documents.open(lsp.TextDocumentItem(URI, "python", 1, "x = abc\r\ny = 1"))
    documents.change(URI, 2, [edit(0, 6, 0, 7)])  # the key that deletes backwards, twice
    documents.change(URI, 3, [edit(0, 5, 0, 6)])
    assert document.deleted_at((0, 5)) == "bc"
    assert document.deleted_at((0, 4)) == ""
    documents.change(URI, 4, [edit(0, 4, 0, 5), edit(0, 4, 1, 2)])  # forwards, over a line's end
    assert document.deleted_at((0, 4)) == "abc\ny "
    documents.change(URI, 5, [edit(0, 4, 0, 4, "z")])
    assert document.deleted_at((0, 5)) == document.deleted_at((0, 4)) == ""
    documents.change(URI, 6, [edit(0, 4, 0, 5, "w")])  # replaced, not deleted
    assert document.deleted_at((0, 4)) == ""
