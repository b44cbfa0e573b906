"""What the embedded model wrote in real code, how sure it was, and what is shown of it by default.

golden/LANGUAGE_N.txt: the code with ║ for the cursor; the tokens, each with its probability; what is shown.
`python -m tests.server.keystroke.test_golden_cuts` writes the last part anew: read the diff first.
"""

import json
import math
from pathlib import Path

import pytest

from midfill_server.context import Window
from midfill_server.keystroke.written import Shown, Written
from midfill_server.settings import Settings

FOLDER = Path(__file__).with_name("golden")
WRITTEN, SHOWN = "\n┄┄┄ written\n", "\n┄┄┄ shown\n"
FILES = sorted(FOLDER.glob("*.txt"))


def read(path: Path) -> tuple[Window, list[tuple[str, float]], str]:
    """The window, the tokens with their log-probabilities, and what is shown."""
    drawn, _, rest = path.read_text("utf-8").partition(WRITTEN)
    tokens, _, shown = rest.partition(SHOWN)
    prefix, _, suffix = drawn.partition("║")
    window = Window(prefix, suffix, language=path.stem.partition("_")[0])
    told = (line.split(" ", 1) for line in tokens.splitlines())
    return window, [(json.loads(text), math.log(float(p))) for p, text in told], shown.removesuffix("\n")


def shown_of(window: Window, tokens: list[tuple[str, float]], ended: bool) -> Shown:
    written = Written(window)
    for text, logprob in tokens:
        written = written.then(text, ((len(text), logprob),))
    shown = (written.ended(cut=False) if ended else written).shown_at(window, Settings().confidence)
    assert shown is not None
    return shown


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_shown(path: Path) -> None:
    window, tokens, wanted = read(path)
    assert shown_of(window, tokens, ended=True).text == wanted


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_shown_while_it_is_written_is_a_beginning(path: Path) -> None:
    window, tokens, wanted = read(path)
    for n in range(len(tokens)):
        shown = shown_of(window, tokens[:n], ended=False)
        assert wanted.startswith(shown.text), n
        assert not shown.final or shown.text == wanted, n


if __name__ == "__main__":
    for path in FILES:
        window, tokens, _ = read(path)
        before = path.read_text("utf-8").partition(SHOWN)[0]
        path.write_text(before + SHOWN + shown_of(window, tokens, ended=True).text + "\n", "utf-8")
