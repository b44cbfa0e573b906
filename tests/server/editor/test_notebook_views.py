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
