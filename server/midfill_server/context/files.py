"""The workspace's files that may be sent: names from one look around, and each one's text when it is wanted.

Runs in the collector's thread. Never: ignored by git, secret, outside the workspace, through a link, large,
binary, or no plain file. A file that is open in the editor passes the same gate. So does what is open and no
file of this machine, as far as its name goes: its path begins with its scheme, and is never looked for.
"""

from __future__ import annotations

import os
import stat
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

from midfill_model.seam.plain import read_plain
from midfill_server.context import git
from midfill_server.context.ignored import Excluded, Ignored, innermost
from midfill_server.context.languages.names import endings_of
from midfill_server.context.outline import Contents, Outline, outline, read
from midfill_server.context.outline.chunks import Chunks
from midfill_server.context.secrets import (
    holds_key,
    holds_whole_key,
    plain_name,
    secret_name,
    secret_text,
)

LARGEST = 256_000  # bytes
MOST = 20_000  # files; of a larger workspace the first ones
ENTRIES = 100_000  # names that are looked at
SECONDS = 3.0  # for all of them
FRESH_SECONDS = 30.0  # a new file is noticed after so long, or after RESTS times what looking took
RESTS = 20
REMEMBERED = 128  # files whose outline is kept
REMEMBERED_OPEN = 24  # open ones, with their text
SOURCES = frozenset(
    word
    for line in (
        "c cc cpp cs cu cxx dart ex exs fs go groovy h hh hpp hs java jl js jsx kt kts lua m mjs ml",
        "mm mts nim php pl pm py pyi pyx r rb rs scala scm sh sol sql svelte swift ts tsx vue zig",
    )
    for word in line.split()
)
SECRET_STEMS = frozenset({"credential", "credentials", "password", "passwords", "secret", "secrets"})
SKIPPED = frozenset(
    {"__pycache__", "_vendor", "build", "dist", "env", "node_modules", "site-packages", "target"}
    | {"third_party", "vendor", "venv"}
)
"""Folders of what nobody here wrote, or what a program made."""


@dataclass(slots=True)
class _Opened:
    """What is known of a text that the editor has. Its lines are compared by identity, which is fast."""

    lines: tuple[str, ...]
    outline: Outline | None = None
    secret: bool | None = None


class Files:
    """What may be sent of the workspace `roots`."""

    def __init__(self, roots: tuple[Path, ...], excluded: Excluded | None = None) -> None:
        self._excluded = excluded or Excluded()
        self._roots = tuple(root for root in roots if not _too_wide(root))
        self._rules: dict[Path, Ignored | set[Path]] = {}
        """Of each root: what git lists; where it cannot be asked, the rules in the folders."""
        self._asked: dict[Path, bool] = {}  # files that git did not list: whether it ignores them
        self._listed: dict[str, list[Path]] = {}
        self._stale_at = 0.0
        self._outlines: OrderedDict[Path, tuple[tuple[int, int], Outline]] = OrderedDict()
        self._open: OrderedDict[Path, _Opened] = OrderedDict()
        self._chunks = Chunks(_contents_of_piece)

    def by_stem(self) -> dict[str, list[Path]]:
        """All paths, by the name that other files import them by: `a/b.py` and `a/b/__init__.py` are b."""
        began = time.monotonic()
        if began >= self._stale_at:
            self._rules, self._asked, self._listed = {}, {}, {}
            for path in islice(self._all(began + SECONDS), MOST):
                self._listed.setdefault(stem(path), []).append(path)
            ended = time.monotonic()
            self._stale_at = ended + max(FRESH_SECONDS, RESTS * (ended - began))
        return self._listed

    def may_be_sent(self, path: Path, ending: str = "") -> bool:
        """Whether neither the place nor the name of a file forbids it, and it is source code.

        `ending`: what its name lacks to tell its language.
        """
        return _is_source(path.name + ending) and self.is_open_to_us(path)

    def is_open_to_us(self, path: Path) -> bool:
        """The same for the file that is written in, whatever its language."""
        if not path.is_absolute():
            return self._is_named_well(path)
        root = self._root_of(path)
        if root is None or not gate(path.relative_to(root)) or self._excluded.file(path):
            return False
        try:
            linked = path.resolve() != root.resolve() / path.relative_to(root)
        except (OSError, RuntimeError, ValueError):  # links in a circle; a name that is none
            return False
        return not linked and not self._is_ignored(path, root)

    def _is_named_well(self, path: Path) -> bool:
        """The same for what is no file of this machine; outside of its scheme's workspace nothing is told."""
        root = self._root_of(path)
        if root is None and any(it.parts[:1] == path.parts[:1] for it in self._roots):
            return False
        name = PurePath(*path.parts[1:]) if root is None else path.relative_to(root)
        return gate(name) and not self._excluded.file(path)

    def outline(self, path: Path) -> Outline | None:
        """What a file on the disk defines; None when it may not be sent, or is no text."""
        try:
            state = path.lstat()
            stamp = (state.st_mtime_ns, state.st_size)
            known = self._outlines.pop(path, None)
            if known is None or known[0] != stamp:
                if not stat.S_ISREG(state.st_mode) or not self.may_be_sent(path):
                    return None
                known = (stamp, outline_of(path, _text_of(path)))
        except (OSError, UnicodeDecodeError):
            return None
        self._outlines[path] = known
        if len(self._outlines) > REMEMBERED:
            self._outlines.popitem(last=False)
        return known[1]

    def outline_of_open(self, path: Path, lines: Sequence[str]) -> Outline:
        """What a text defines that the editor has; it seldom is another one than before."""
        known = self._opened(path, lines)
        if known.outline is None:
            short = sum(map(len, known.lines)) <= LARGEST
            known.outline = outline_of(path, "".join(known.lines)) if short else Outline()
        return known.outline

    def holds_secret(self, path: Path, lines: Sequence[str]) -> bool:
        """Whether a text that the editor has holds one anywhere."""
        known = self._opened(path, lines)
        if known.secret is None:
            known.secret = secret_text("".join(known.lines))
        return known.secret

    def outlines_of_own(self, path: Path, lines: Sequence[str]) -> list[tuple[int, Outline]]:
        """(where it begins in `lines`, the outline) of each piece of the file that is written in."""
        return self._chunks.outlines(lines, path.suffix)

    def _opened(self, path: Path, lines: Sequence[str]) -> _Opened:
        known = self._open.pop(path, None)
        if known is None or (known.lines is not lines and known.lines != lines):
            known = _Opened(tuple(lines))
        self._open[path] = known
        if len(self._open) > REMEMBERED_OPEN:
            self._open.popitem(last=False)
        return known

    def shown(self, path: Path) -> str:
        """The path as the model is told it: from the workspace's folder on; of several with its name."""
        root = self._root_of(path)
        shown = path.relative_to(root or path.parent).as_posix()
        if root is not None and len(self._roots) > 1:
            shown = f"{root.name}/{shown}"
        return shown.encode("utf-8", "replace").decode()  # a name may have bytes that are no text

    def _root_of(self, path: Path) -> Path | None:
        return innermost(path, self._roots)

    def _is_ignored(self, path: Path, root: Path) -> bool:
        rules = self._rules_of(root)
        if isinstance(rules, Ignored):
            return rules.file(path)
        if path not in rules and path not in self._asked:  # new, or ignored
            self._asked[path] = git.ignores(path) is not False
        return path not in rules and self._asked[path]

    def _rules_of(self, root: Path) -> Ignored | set[Path]:
        if root not in self._rules:
            listed = git.listed(root)
            self._rules[root] = Ignored(root) if listed is None else listed
        return self._rules[root]

    def _all(self, until: float) -> Iterator[Path]:
        for root in filter(Path.is_absolute, self._roots):
            rules = self._rules_of(root)
            yield from _walk(root, rules, until) if isinstance(rules, Ignored) else _of_git(root, rules)


def gate(path: PurePath) -> bool:
    """Whether the name of a file, its path from the workspace's folder on, lets it be sent. Pure."""
    *folders, name = path.parts or ("",)
    hidden = any(part.startswith(".") for part in path.parts)
    return bool(name) and not hidden and SKIPPED.isdisjoint(folders) and not secret_name(path)


def is_secret(path: PurePath, *texts: str) -> bool:
    """Whether a file is a secret itself: by its path from the workspace's folder on, or by a key in it. Pure.

    Source code that deals with secrets, such as `password_reset.py`, is none, but `secrets.py` may be.
    """
    stem, _, ending = path.name.lower().rpartition(".")
    if ending in SOURCES and stem and not stem.startswith(".") and stem not in SECRET_STEMS:
        return False
    return secret_name(path) or any(map(holds_key, texts))


def stays_here(path: PurePath, *texts: str) -> bool:
    """Whether a file may go to no `url`, by its path from the workspace's folder on and what is sent. Pure.

    A secret itself; settings, data and prose that hold one; source code that is named as one or has a key.
    """
    if is_secret(path, *texts) or plain_name(path):
        return True
    return any(map(holds_whole_key if _is_source(path.name) else secret_text, texts))


def source_ending(language: str) -> str:
    """How source code of a language ends, with the dot; "" for one that is none."""
    return next((f".{it}" for it in endings_of(language) if it in SOURCES), "")


def outline_of(path: Path, text: str) -> Outline:
    """Empty for what is binary, holds a secret, or is too long to be worth it."""
    told = len(text) <= LARGEST and "\0" not in text and not secret_text(text)
    return outline(text if told else "", path.suffix)


def _contents_of_piece(text: str, ending: str) -> Contents | None:
    """None for what holds a secret, or is too long to be worth looking."""
    return None if len(text) > LARGEST or secret_text(text) else read("" if "\0" in text else text, ending)


def stem(path: Path) -> str:
    return path.parent.name if path.stem in ("__init__", "index", "mod") else path.stem


def _walk(root: Path, ignored: Ignored, until: float) -> Iterator[Path]:
    """The nearest folders first, so that a workspace that is too large is seen from its top."""
    waiting, left = deque([root]), ENTRIES
    while waiting and left > 0:
        folder = waiting.popleft()
        try:
            with os.scandir(folder) as entries:
                found = sorted(islice(entries, left), key=lambda entry: entry.name)
        except OSError:
            continue
        left -= len(found)
        for entry in found:
            if time.monotonic() > until:
                return
            path, is_folder = folder / entry.name, entry.is_dir(follow_symlinks=False)
            if is_folder:
                wanted = not entry.name.startswith(".") and entry.name not in SKIPPED
            else:
                wanted = _is_source(entry.name) and entry.is_file(follow_symlinks=False)
                wanted = wanted and gate(path.relative_to(root))
            if not wanted or ignored.here(path, is_folder):
                continue
            if is_folder:
                waiting.append(path)
            else:
                yield path


def _of_git(root: Path, listed: Iterable[Path]) -> Iterator[Path]:
    sources = (path for path in listed if _is_source(path.name) and gate(path.relative_to(root)))
    yield from sorted(sources, key=lambda path: (len(path.parts), path))


def _is_source(name: str) -> bool:
    return name.rpartition(".")[2].lower() in SOURCES


def _text_of(path: Path) -> str:
    """Of a plain file. OSError for a larger one."""
    return read_plain(path, LARGEST, follow=False).decode("utf-8")


def _too_wide(root: Path) -> bool:
    """The file system's root and a home folder are no workspaces."""
    return root == Path(root.anchor) or root == Path.home()
