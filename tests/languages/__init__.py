"""Ordinary places in 20 languages: parts of real files that no model of ours was trained on.

In each file about twelve texts stand between ⟦ and ⟧. At each of these places that text is hidden, and the
cursor is there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True, slots=True)
class Position:
    """A cursor between `prefix` and `suffix`, where `hidden` stood."""

    path: Path
    prefix: str
    hidden: str
    suffix: str

    @property
    def language(self) -> str:
        """LSP's name: the file's."""
        return self.path.name.partition(".")[0]

    @property
    def name(self) -> str:
        """The file's, as it would be among sources."""
        return self.path.stem


def positions() -> Iterator[Position]:
    """All of them, language by language."""
    for path in sorted(FILES.iterdir()):
        text = path.read_text("utf-8")
        for found in re.finditer("⟦([^⟧]*)⟧", text):
            before, behind = text[: found.start()], text[found.end() :]
            yield Position(path, _plain(before), found[1], _plain(behind))


def _plain(text: str) -> str:
    return re.sub("[⟦⟧]", "", text)
