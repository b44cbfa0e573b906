"""What git ignores, from the `.gitignore` files of a workspace. pathspec is imported when first asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


class Ignored:
    """Reads each folder's rules once. Paths must lie below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._rules: dict[Path, GitIgnoreSpec | None] = {}

    def file(self, path: Path) -> bool:
        """Whether a file is ignored, or a folder on the way to it."""
        below = path.relative_to(self._root)
        ways = [self._root.joinpath(*below.parts[:n]) for n in range(1, len(below.parts))]
        return any(self.here(way, folder=True) for way in ways) or self.here(path, folder=False)

    def here(self, path: Path, folder: bool) -> bool:
        """The same for a path whose parents are known not to be ignored; the deepest rule decides."""
        place = path.parent
        while True:
            if (rules := self._of(place)) is not None:
                told = rules.check_file(path.relative_to(place).as_posix() + ("/" if folder else "")).include
                if told is not None:
                    return told
            if place in (self._root, place.parent):
                return False
            place = place.parent

    def _of(self, folder: Path) -> GitIgnoreSpec | None:
        if folder not in self._rules:
            names = [folder / ".gitignore"]
            if folder == self._root:
                names.insert(0, folder / ".git" / "info" / "exclude")
            lines = [line for name in names for line in _lines(name)]
            self._rules[folder] = _spec(lines) if lines else None
        return self._rules[folder]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _spec(lines: list[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(lines)
