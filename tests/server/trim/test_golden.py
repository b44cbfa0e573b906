"""What the embedded model wrote in real code, ours and that of tests/languages, and what is shown of it.

golden/LANGUAGE/*.txt: the code with ║ for the cursor, then what was written, then what is shown, each behind
a line of its own. `python -m tests.server.trim.test_golden` writes the last part anew: read the diff first.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from midfill_server.context import Window
from midfill_server.trim import is_final, settled, trim

FOLDER = Path(__file__).with_name("golden")
WRITTEN, SHOWN = "\n┄┄┄ written\n", "\n┄┄┄ shown\n"


@dataclass(frozen=True, slots=True)
class Case:
    path: Path
    drawn: str
    written: str
    shown: str

    def __str__(self) -> str:
        return f"{self.path.parent.name}-{self.path.stem}"

    @property
    def window(self) -> Window:
        prefix, _, suffix = self.drawn.partition("║")
        return Window(prefix, suffix, language=self.path.parent.name)

    def trimmed(self) -> str:
        """As the front does it: it hangs up once the item is final."""
        ends = (n for n in range(len(self.written)) if is_final(self.written[:n], self.window))
        return trim(self.written[: next(ends, len(self.written))], self.window)


def read(path: Path) -> Case:
    drawn, _, rest = path.read_text("utf-8").partition(WRITTEN)
    written, _, shown = rest.partition(SHOWN)
    return Case(path, drawn, written, shown.removesuffix("\n"))


CASES = [read(path) for path in sorted(FOLDER.glob("*/*.txt"))]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_shown(case: Case) -> None:
    assert case.trimmed() == case.shown


@pytest.mark.parametrize("case", CASES, ids=str)
def test_stopping_early_changes_nothing(case: Case) -> None:
    assert trim(case.written, case.window) == case.shown


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_was_shown_while_it_grew_stays(case: Case) -> None:
    for n in range(len(case.written)):
        assert case.shown.startswith(settled(case.written[:n], case.window))


if __name__ == "__main__":
    for case in CASES:
        case.path.write_text(case.drawn + WRITTEN + case.written + SHOWN + case.trimmed() + "\n", "utf-8")
