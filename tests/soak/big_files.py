"""What a key costs the front in large files: `python -m tests.soak.big_files`. Figures, no test.

An edit is what stands between a message and the document; a collection runs in a thread of its own, and takes
Python's lock in turns with the keys.
"""

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lsprotocol import types as lsp

from midfill_server.context.collect import Spot, collect
from midfill_server.context.files import Files
from midfill_server.editor.documents import Documents

N_LINES, N_EDITS, N_COLLECTIONS = 50_000, 3_000, 20
BUDGET = 512


def code(n: int, name: str = "", end: str = "\n") -> str:
    body = "".join(f"    value_{j} = compute(other_{{i}}, {j}) + 1{end}" for j in range(8)) + end
    return "".join(f"def function_{name}{i}(a, b):{end}{body.format(i=i)}" for i in range(n // 10))


def milliseconds(acts: list[Callable[[], object]]) -> str:
    """Median and 95 % of the thread's own time."""
    took = []
    for act in acts:
        begun = time.thread_time()
        act()
        took.append(1000 * (time.thread_time() - begun))
    took.sort()
    return f"{took[len(took) // 2]:8.3f} {took[int(0.95 * len(took))]:8.3f}"


def edits(text: str, line: int, column: int) -> str:
    documents = Documents()
    documents.open(lsp.TextDocumentItem("file:///a.py", "python", 1, text))

    def types(n: int) -> None:
        here = lsp.Position(line, column + n % 1_000)
        change = lsp.TextDocumentContentChangePartial(lsp.Range(here, here), "y")
        documents.change("file:///a.py", n, [change])

    return milliseconds([lambda n=n: types(n) for n in range(N_EDITS)])  # type: ignore[misc]


def collections(root: Path, n_beside: int, jumps: bool) -> str:
    """`n_beside`: files as large that are open, too; three of them were edited last."""
    beside = {
        root / f"o{n}.py": tuple(code(N_LINES, f"{n}_").splitlines(keepends=True)) for n in range(n_beside)
    }
    edited = tuple((path, N_LINES // 2) for path in list(beside)[:3])
    files, lines, dice = Files((root,)), code(N_LINES).splitlines(keepends=True), random.Random(1)

    def at(line: int) -> dict[str, str]:
        lines[line] = f"{lines[line].rstrip()}y\n"
        window = "".join(lines[line - 600 : line]), "".join(lines[line : line + 70])
        return collect(
            Spot(root / "big.py", lines, *window, (line - 85, line + 10), BUDGET, beside, edited), files
        )

    places = [
        dice.randrange(1_000, N_LINES - 1_000) if jumps else 25_000 + 9 * n for n in range(N_COLLECTIONS)
    ]
    at(20_000)
    return milliseconds([lambda line=line: at(line) for line in places])  # type: ignore[misc]


def main() -> None:
    text = code(N_LINES)
    print("milliseconds: median, 95 %")
    print("an edit in 50,000 lines           ", edits(text, N_LINES // 2, 0))
    print("… that end in \\r\\n                ", edits(code(N_LINES, end="\r\n"), N_LINES // 2, 0))
    print("… with signs of four bytes         ", edits(text.replace("compute", "中😀é"), N_LINES // 2, 0))
    print("… in a line of 2,000 characters    ", edits(f"{'word ' * 400}\n" * 400, 200, 500))
    print("… in a line of a million           ", edits("x = 'é" + "a" * 1_000_000, 0, 500_000))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for n in range(20):
            (root / f"m{n}.py").write_text(code(300, f"m{n}_"))
        print("a collection, each 9 lines         ", collections(root, 0, jumps=False))
        print("… anywhere in the file             ", collections(root, 0, jumps=True))
        print("… with 8 such files beside         ", collections(root, 8, jumps=False))


if __name__ == "__main__":
    main()
