"""Nothing that reads a user's text takes long, whatever that is: a regular expression holds Python's lock."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from midfill_server.context import Window
from midfill_server.context.collect import OWN, Spot, collect
from midfill_server.context.files import Files
from midfill_server.context.outline import Contents, Outline, head, outline, read
from midfill_server.context.ranking.imports import resolve
from midfill_server.context.secrets import secret_text
from midfill_server.trim import settled, trim
from midfill_server.trim.fit.brackets import balanced, left_open, open_quote, without_strings

SIZE = 120_000
PATIENCE = 1.0  # seconds on a busy machine; what is not linear takes minutes

PIECES = {
    "blanks": " ",
    "const and blanks": "const ",
    "tabs": "\t",
    "import brackets": "import (\n",
    "export braces": "export {\n",
    "import braces": "import {",
    "modifiers": "export ",
    "statics": "static const\n",
    "calls": "f(a, ",
    "openers": "([{",
    "closers": ")]}",
    "quotes": '"',
    "both quotes": "\"'",
    "escapes": '\\"',
    "escaped backslashes": "\\\\",
    "triple quotes": "\"\"\" ''' ",
    "tokens": "eyJaaaaaaaaaaa-",
    "dotted tokens": "eyJaaaaaaaaaaa.",
    "passwords": "password ",
    "given passwords": "password='a",
    "keys": "-----BEGIN A ",
    "bearers": "Bearer a.",
    "addresses": "://a",
    "selves": "self.a: ",
    "types": "a<b> ",
    "stars": "*&",
    "delimiters": "<｜",
    "ands": "a && ",
    "minified": "var a=function(b){return b.c(d,e)};",
    "data": "[1, 2, {'a': 3}], ",
    "hashes": "#",
    "angles": "<",
}


def texts(piece: str) -> dict[str, str]:
    """The piece in one line, in lines that are just short enough to be read, and one a line."""
    whole = piece * (SIZE // len(piece))
    line = (piece * (1_900 // len(piece))).replace("\n", " ") + "\n"
    return {
        "one line": whole.replace("\n", " "),
        "as it is": whole,
        "long lines": line * (SIZE // len(line)),
        "short lines": f"{piece.strip()}\n" * (SIZE // (len(piece.strip()) + 1)),
    }


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES)
@pytest.mark.parametrize("reading", ["outline", "head", "secret_text", "imports"])
def test_reading_a_file_is_linear(piece: str, reading: str) -> None:
    took: dict[str, float] = {}
    for name, text in texts(piece).items():
        lines = text.splitlines(keepends=True)
        if reading == "outline":
            for ending in (".py", ".ts"):
                took[f"{name}{ending}"] = seconds(partial(outline, text, ending))
        elif reading == "head":
            took[name] = seconds(partial(head, lines))
        elif reading == "secret_text":
            took[name] = seconds(partial(secret_text, text))
        else:
            took[name] = seconds(partial(resolve, "import " + text[:2_000], Path("a.ts"), {}))
    assert max(took.values()) < PATIENCE, took


@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES)
def test_judging_an_item_is_linear(piece: str) -> None:
    """A window is some 20,000 characters, an item a few hundred tokens. tree-sitter's own time is its own."""
    took: dict[str, float] = {}
    for name, text in texts(piece).items():
        code, item = text[:20_000], text[:1_000]
        for work in (without_strings, balanced):
            took[f"{name} {work.__name__}"] = seconds(partial(work, code))
        took[f"{name} open_quote"] = seconds(partial(open_quote, code, "#"))
        took[f"{name} left_open"] = seconds(partial(left_open, code, code, "//"))
        for language in ("python", "lua"):
            window = Window(code, text[:3_000], language=language)
            for cut in (trim, settled):
                took[f"{name} {language} {cut.__name__}"] = seconds(partial(cut, item, window))
    assert max(took.values()) < PATIENCE, took


def test_what_a_key_costs_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a file of 50,000 lines that much is read as of one of 3,000; and after a key hardly anything."""
    read = list[int]()

    def noted(text: str) -> bool:
        read.append(len(text))
        return secret_text(text)

    monkeypatch.setattr(f"{Files.__module__}.secret_text", noted)
    files, lines = Files((tmp_path,)), [f"def function_{n}(a, b): return other_{n}\n" for n in range(50_000)]

    def told(line: int) -> str:
        seen = line - 100, line
        spot = Spot(tmp_path / "a.py", lines, "".join(lines[line - 100 : line]), "", seen, 500)
        return "".join(collect(spot, files).values())

    assert "function_2" in told(25_000)
    assert OWN / 2 < sum(read) < OWN + 1_000
    read.clear()
    lines[25_000] = "def another(): ...\n"
    assert "function_2" in told(25_010)
    assert sum(read) < OWN / 10


def test_what_is_open_beside_is_read_once_and_a_huge_file_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[int]()

    def noted(text: str, ending: str) -> Outline:
        seen.append(len(text))
        return outline(text, ending)

    def noted_piece(text: str, ending: str) -> Contents:
        seen.append(len(text))
        return read(text, ending)

    monkeypatch.setattr(f"{Files.__module__}.outline", noted)
    monkeypatch.setattr(f"{Files.__module__}.read", noted_piece)
    huge, other = (tuple(f"def f{n}(a): ...\n" for n in range(n)) for n in (50_000, 100))
    beside = {tmp_path / "huge.py": huge, tmp_path / "other.py": other}
    files = Files((tmp_path,))
    for n in range(3):
        collect(Spot(tmp_path / "a.py", [f"x = {n}\n"], f"x = {n}\n", "", (0, 1), 500, beside), files)
    assert sorted(seen) == sorted([*[len(f"x = {n}\n") for n in range(3)], sum(map(len, other))])
