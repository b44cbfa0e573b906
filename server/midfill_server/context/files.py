"""The workspace's files that may be sent: names from one walk, and each one's text when it is wanted.

Runs in a worker thread. Never: ignored by git, secret, outside the workspace, through a link, large, binary.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from midfill_server.context.ignored import Ignored
from midfill_server.context.outline import Outline, outline
from midfill_server.context.secrets import secret_name, secret_text

LARGEST = 256_000  # bytes
MOST = 20_000  # files; of a larger workspace the first ones
FRESH_SECONDS = 30.0  # a new file is noticed after so long
REMEMBERED = 128  # files whose outline is kept
SOURCES = frozenset(
    word
    for line in (
        "c cc cpp cs cu cxx dart ex exs fs go groovy h hh hpp hs java jl js jsx kt kts lua m mjs ml",
        "mm mts nim php pl pm py pyi pyx r rb rs scala scm sh sol sql svelte swift ts tsx vue zig",
    )
    for word in line.split()
)
SKIPPED = frozenset(
    {"__pycache__", "_vendor", "build", "dist", "env", "node_modules", "site-packages", "target"}
    | {"third_party", "vendor", "venv"}
)


class Files:
    """What may be sent of the workspace `roots`."""

    def __init__(self, roots: tuple[Path, ...]) -> None:
        self._roots = tuple(root for root in roots if not _too_wide(root))
        self._ignored = {root: Ignored(root) for root in self._roots}
        self._listed: dict[str, list[Path]] = {}
        self._walked = -FRESH_SECONDS
        self._outlines: OrderedDict[Path, tuple[tuple[int, int], Outline]] = OrderedDict()

    def by_stem(self) -> dict[str, list[Path]]:
        """All paths, by the name that other files import them by: `a/b.py` and `a/b/__init__.py` are b."""
        if time.monotonic() - self._walked > FRESH_SECONDS:
            self._ignored = {root: Ignored(root) for root in self._roots}
            self._listed = {}
            for n, path in enumerate(path for root in self._roots for path in self._walk(root)):
                if n == MOST:
                    break
                self._listed.setdefault(stem(path), []).append(path)
            self._walked = time.monotonic()
        return self._listed

    def may_be_sent(self, path: Path) -> bool:
        """Whether neither the place nor the name forbids it."""
        root = next((root for root in self._roots if path.is_relative_to(root)), None)
        if root is None or secret_name(path.relative_to(root)):
            return False
        try:
            linked = path.resolve() != root.resolve() / path.relative_to(root)
        except OSError:
            return False
        return not linked and not self._ignored[root].file(path)

    def outline(self, path: Path) -> Outline | None:
        """What a file on the disk defines; None when it may not be sent, or is no text."""
        try:
            state = path.stat()
            stamp = (state.st_mtime_ns, state.st_size)
            known = self._outlines.pop(path, None)
            if known is None or known[0] != stamp:
                if not self.may_be_sent(path):
                    return None
                text = path.read_text("utf-8") if state.st_size <= LARGEST else ""
                known = (stamp, outline_of(path, text))
        except (OSError, UnicodeDecodeError):
            return None
        self._outlines[path] = known
        if len(self._outlines) > REMEMBERED:
            self._outlines.popitem(last=False)
        return known[1]

    def shown(self, path: Path) -> str:
        """The path as the model is told it: from the workspace's folder on."""
        root = next((root for root in self._roots if path.is_relative_to(root)), path.parent)
        return path.relative_to(root).as_posix()

    def _walk(self, root: Path) -> Iterator[Path]:
        waiting = [root]
        while waiting:
            folder = waiting.pop()
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                name, path = entry.name, folder / entry.name
                if name.startswith(".") or entry.is_symlink():
                    continue
                is_folder = entry.is_dir(follow_symlinks=False)
                wanted = name not in SKIPPED if is_folder else name.rpartition(".")[2].lower() in SOURCES
                if wanted and not self._ignored[root].here(path, is_folder):
                    if is_folder:
                        waiting.append(path)
                    elif not secret_name(path.relative_to(root)):
                        yield path


def outline_of(path: Path, text: str) -> Outline:
    """Empty for what is binary or holds a secret."""
    return outline("" if "\0" in text or secret_text(text) else text, path.suffix)


def stem(path: Path) -> str:
    return path.parent.name if path.stem in ("__init__", "index", "mod") else path.stem


def _too_wide(root: Path) -> bool:
    """The file system's root and a home folder are no workspaces."""
    return root == Path(root.anchor) or root == Path.home()
