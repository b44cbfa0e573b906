"""What `.gitignore` files say, where git itself cannot be asked, and what the setting `exclude` says.

pathspec is imported when first needed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from midfill_model.seam.plain import read_plain

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

LARGEST = 100_000  # bytes of one file of rules
MOST = 2_000  # rules of one file
LONGEST = 1_000  # characters of one rule
STARS = 2  # in one name, and as many `**` in one rule: more make its regular expression slow
MOST_STARS, MOST_DEEP = 4, 3  # the same in a glob that the user wrote, of which few are tried


class Ignored:
    """The rules of the repository around `root`, of each folder read once."""

    def __init__(self, root: Path) -> None:
        self._top = next((it for it in (root, *root.parents) if (it / ".git").exists()), root)
        self._rules: dict[Path, GitIgnoreSpec | None] = {}

    def file(self, path: Path) -> bool:
        """Whether a file is ignored, or a folder on the way to it."""
        below = path.relative_to(self._top)
        ways = [self._top.joinpath(*below.parts[:n]) for n in range(1, len(below.parts))]
        return any(self.here(way, folder=True) for way in ways) or self.here(path, folder=False)

    def here(self, path: Path, folder: bool) -> bool:
        """The same for a path whose parents are known not to be ignored; the deepest rule decides."""
        place = path.parent
        while True:
            if (rules := self._of(place)) is not None:
                told = rules.check_file(path.relative_to(place).as_posix() + ("/" if folder else "")).include
                if told is not None:
                    return told
            if place in (self._top, place.parent):
                return False
            place = place.parent

    def _of(self, folder: Path) -> GitIgnoreSpec | None:
        if folder not in self._rules:
            names = [folder / ".gitignore"]
            if folder == self._top:
                config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
                names = [config / "git" / "ignore", folder / ".git" / "info" / "exclude", *names]
            lines = [line for name in names for line in _lines(name)]
            self._rules[folder] = _spec(lines) if lines else None
        return self._rules[folder]


class Excluded:
    """What the setting `exclude` says: globs as in a .gitignore, the last one that fits decides.

    A glob is tried with the path from the innermost of `roots` on, and with the whole path.
    """

    def __init__(self, globs: Sequence[str] = (), roots: Sequence[Path] = ()) -> None:
        self._rules = _spec([_in_home(glob) for glob in globs]) if globs else None
        self._roots = tuple(roots)

    def file(self, path: PurePath) -> bool:
        if self._rules is None:
            return False
        ways = [path.as_posix().lstrip("/")]
        if (root := innermost(path, self._roots)) is not None:
            ways.append(path.relative_to(root).as_posix())
        told = [it for way in ways if (it := self._rules.check_file(way)).index is not None]
        return bool(told) and max(told, key=lambda it: it.index or 0).include is True


def innermost(path: PurePath, roots: Sequence[Path]) -> Path | None:
    """The root that a path is in, of several the deepest."""
    around = (root for root in roots if path.is_relative_to(root))
    return max(around, key=lambda root: len(root.parts), default=None)


def glob_fault(glob: str) -> str | None:
    """What is wrong with a glob; None if nothing is."""
    names = glob.split("/")
    if names.count("**") > MOST_DEEP or any(name.count("*") > MOST_STARS for name in names):
        return f"may hold ** {MOST_DEEP} times at most, and * {MOST_STARS} times between two slashes"
    from pathspec import GitIgnoreSpec

    try:
        (pattern,) = GitIgnoreSpec.from_lines([glob]).patterns or (None,)
    except (ValueError, re.error):
        return "is no glob"
    return None if pattern is not None and pattern.include is not None else "is no glob"


def _in_home(glob: str) -> str:
    """`~/` as a shell reads it."""
    return re.sub(r"^(!?)~(?=/)", lambda sign: sign[1] + Path.home().as_posix(), glob)


def _lines(path: Path) -> list[str]:
    """The rules in a plain file: git follows no link here either, and a device has no end."""
    try:
        lines = read_plain(path, LARGEST, follow=False).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [rule for line in lines[:MOST] if len(line) <= LONGEST and (rule := _simple(line))]


def _simple(rule: str) -> str:
    """The rule, or one that is quick and ignores more; of an exception that is slow, nothing."""
    names = rule.split("/")
    deep = [n for n, name in enumerate(names) if name == "**"]
    slow = any(name != "**" and name.count("*") > STARS for name in names) or len(deep) > STARS
    if slow and rule.startswith("!"):
        return ""
    if len(deep) > STARS:
        names = names[: deep[STARS - 1] + 1]
    return "/".join(it if it == "**" or it.count("*") <= STARS else _one_star(it) for it in names)


def _one_star(name: str) -> str:
    return f"{name.partition('*')[0]}*{name.rpartition('*')[2]}"


def _spec(lines: list[str]) -> GitIgnoreSpec | None:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except (ValueError, re.error):  # a rule that is none: leave out whatever does not compile
        return GitIgnoreSpec.from_lines([line for line in lines if _compiles(line)])


def _compiles(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True
