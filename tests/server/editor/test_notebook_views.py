"""Cells are read once for each language and then remembered: what is seen is what reading anew would see."""

from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types as lsp

from midfill_server.editor.documents import Documents, Notebooks

NOTEBOOK = "file:///n.ipynb"
CODE, PROSE = "python", "markdown"

texts = st.sampled_from(["x = 1", "%matplotlib\ny = 2\n", "", "  \n", "# A heading\n\nwords", "%%bash\nls"])
cells = st.lists(st.tuples(st.sampled_from([CODE, PROSE]), texts), min_size=1, max_size=5)
acts = st.lists(st.tuples(st.sampled_from(["edit", "move", "close"]), st.integers(0, 9), texts), max_size=6)


def uri_of(n: int) -> str:
    return f"{NOTEBOOK}#{n}"


def notebooks(documents: Documents, order: list[tuple[int, str]]) -> Notebooks:
    it = Notebooks(documents)
    kind = {CODE: lsp.NotebookCellKind.Code, PROSE: lsp.NotebookCellKind.Markup}
    made = [lsp.NotebookCell(kind[language], uri_of(n)) for n, language in order]
    it.open(lsp.NotebookDocument(NOTEBOOK, "jupyter-notebook", 1, made))
    return it


@given(cells, acts)
def test_what_is_remembered_is_what_stands_there(
    written: list[tuple[str, str]], happens: list[tuple[str, int, str]]
) -> None:
    documents, order = Documents(), [(n, language) for n, (language, _) in enumerate(written)]
    for n, (language, text) in enumerate(written):
        documents.open(lsp.TextDocumentItem(uri_of(n), language, 1, text))
    known = notebooks(documents, order)
    for act, n, text in [("", 0, ""), *happens]:
        n %= len(written)
        if act == "edit":
            documents.change(uri_of(n), 2, [lsp.TextDocumentContentChangeWholeDocument(text)])
        elif act == "close":
            documents.close(uri_of(n))
            known.forget(uri_of(n))
            documents.open(lsp.TextDocumentItem(uri_of(n), written[n][0], 1, text))
        elif act == "move":
            first = known._cells[NOTEBOOK][0]
            kind = lsp.NotebookCellKind.Markup if first.is_prose else lsp.NotebookCellKind.Code
            known.change(NOTEBOOK, lsp.NotebookCellArrayChange(0, 1, []))
            known.change(
                NOTEBOOK,
                lsp.NotebookCellArrayChange(len(order) - 1, 0, [lsp.NotebookCell(kind, first.uri)]),
            )
            order = [*order[1:], order[0]]
        anew = notebooks(documents, order)
        for _, document in documents.items():
            assert known.view(document) == anew.view(document)
            assert [list(it.all_lines) for it in known.views(known.view(document))] == [
                list(it.all_lines) for it in anew.views(anew.view(document))
            ]


def test_a_cell_is_one_until_it_has_left_each_list_of_its_notebook() -> None:
    """One that moves may stand in it twice for a moment, or in another notebook before it leaves this one."""
    documents = Documents()
    for n in range(3):
        documents.open(lsp.TextDocumentItem(uri_of(n), CODE, 1, f"x = {n}"))
    known = notebooks(documents, [(0, CODE), (1, CODE)])
    code = lsp.NotebookCell(lsp.NotebookCellKind.Code, uri_of(0))
    known.change(NOTEBOOK, lsp.NotebookCellArrayChange(2, 0, [code]))
    known.change(NOTEBOOK, lsp.NotebookCellArrayChange(0, 1, []))
    moved = documents.get(uri_of(0))
    assert moved is not None and list(known.view(moved).lines) == ["x = 1\n", "\n", "x = 0"]
    known.open(lsp.NotebookDocument("file:///other.ipynb", "jupyter-notebook", 1, [code]))
    known.close(NOTEBOOK)
    assert known.home_of(uri_of(0)) == "file:///other.ipynb" and known.home_of(uri_of(1)) == uri_of(1)


def test_a_notebook_that_is_opened_twice_has_the_cells_told_last() -> None:
    documents = Documents()
    for n in range(2):
        documents.open(lsp.TextDocumentItem(uri_of(n), CODE, 1, f"x = {n}"))
    known = notebooks(documents, [(0, CODE), (1, CODE)])
    code = lsp.NotebookCell(lsp.NotebookCellKind.Code, uri_of(1))
    known.open(lsp.NotebookDocument(NOTEBOOK, "jupyter-notebook", 1, [code]))
    for n in range(2):
        document = documents.get(uri_of(n))
        assert document is not None and list(known.view(document).lines) == [f"x = {n}"]
