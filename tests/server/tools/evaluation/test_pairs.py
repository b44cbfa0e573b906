"""The editor of a replay closes brackets and quotes itself; what comes of it is the file all the same."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lsprotocol import types as lsp

from midfill_server.editor.documents import Documents
from midfill_server.tools.evaluation.replay.run import Manner, Part, Typing
from midfill_server.tools.evaluation.replay.typist import keys

CODE = '\nx = f("it\'s", [1, {2: g(\n    3)}])\n# don\'t\ny = "a(b"\nz = (1,\n'


class Editor:
    """Applies edits as the server does, and remembers what stood in the file after each."""

    def __init__(self, text: str) -> None:
        self.documents, self.texts = Documents(), [text]
        self.documents.encoding = "utf-32"
        self.documents.open(lsp.TextDocumentItem("file:///a.py", "python", 1, text))

    def change(self, uri: str, change: dict[str, Any]) -> None:
        start, end = (lsp.Position(**change["range"][it]) for it in ("start", "end"))
        edit = lsp.TextDocumentContentChangePartial(lsp.Range(start, end), change["text"])
        document = self.documents.change("file:///a.py", 2, [edit])
        assert document is not None
        self.texts.append(document.text)


def typed(pairs: bool) -> list[str]:
    file: Any = SimpleNamespace()
    part = Part(file, "import f", CODE, "\nend")
    editor = Editor(part.above + part.below)
    session: Any = SimpleNamespace(editor=editor, tap=SimpleNamespace(exchanges=[]))
    typing = Typing(session, part, Path("/a.py"), Manner(pairs=pairs))
    for key in keys(CODE):
        typing._edit(key)
        typing._text += key
    return editor.texts


def test_the_file_comes_out_as_it_was() -> None:
    assert typed(pairs=True)[-1] == typed(pairs=False)[-1] == "import f" + CODE + "\nend"


def test_meanwhile_it_is_closed() -> None:
    texts = typed(pairs=True)
    assert "import f\nx = f()\nend" in texts
    assert 'import f\nx = f("")\nend' in texts
    assert 'import f\nx = f("it\'s", [])\nend' in texts
    assert not any("f()" in text for text in typed(pairs=False))
