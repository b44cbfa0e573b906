"""Gather the training text: named packages in, one deduplicated text file per split out.

Knows files, nothing of tokens. Packages marked `heldout` in `sources/` are never trained on, nor is any file
that repeats their lines.

    python -m midfill_training.text.gather.corpus fetch DIR     # pip and npm, by name and version
    python -m midfill_training.text.gather.corpus build DIR     # train, heldout_files, heldout_packages .txt
"""

from __future__ import annotations

import hashlib
import re
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path, PurePosixPath

from midfill_training.text.gather.cleaning import clean_file
from midfill_training.text.gather.packages import Source, fetch, raw_files, read_sources

END_OF_FILE = "\x00"
"""Between two files in a split: a character that no kept file contains."""
SPLITS = ("train", "heldout_files", "heldout_packages")
PROCESSES = 2

LANGUAGES = {
    ".py": "python", ".pyi": "python", ".js": "javascript", ".mjs": "javascript", ".jsx": "javascript",
    ".ts": "typescript", ".tsx": "typescript", ".mts": "typescript", ".c": "c", ".h": "c", ".cc": "cpp",
    ".cpp": "cpp", ".cxx": "cpp", ".hh": "cpp", ".hpp": "cpp", ".go": "go", ".rs": "rust", ".java": "java",
    ".rb": "ruby", ".php": "php", ".sh": "shell", ".sql": "sql", ".css": "css", ".html": "html",
    ".md": "markdown", ".toml": "config", ".yaml": "config", ".yml": "config",
}  # fmt: skip
"""By suffix, as LSP names them; `config` for the rest, with the few JSON files that people write."""
BESIDE = frozenset({"markdown", "config", "html", "css", "shell", "sql"})
"""What stands beside code: a little of it."""
_CONFIG = re.compile(
    r"(^|/)(package|tsconfig[\w.]*|composer|manifest|settings|\.?\w+rc|[\w.-]*config)\.json$"
)

SKIPPED = re.compile(
    r"(^|/)(_?vendor(ed)?|third[_-]?party|eigen[^/]*|boost|xsimd|generated|external|extern|"
    r"node_modules|locales?|i18n|migrations|versions|esm5|umd|"
    r"es2015|cjs|bundles|fixtures|testdata|snapshots|__snapshots__|cassettes|\.storybook)/"
    r"|(^|/)([^/]*[.-](min|prod|production|profiling|bundle|all|debug)[.-][^/]*|[^/]*_pb2(_grpc)?\.pyi?)$"
    r"|[0-9a-f]{16,}\.|(^|/)(changelog|changes|history|news|releases?|licen[sc]es?|notice|copying|authors|contributors|"
    r"credits|code_of_conduct|security|third[^/]*notices?)\b[^/]*$",
    re.IGNORECASE,
)
TESTS = re.compile(
    r"(^|/)(tests?|testing|__tests?__|specs?|e2e|cypress|qunit)/"
    r"|(^|/)(test_[^/]*|[^/]*_tests?\.\w+|conftest\.py|[^/]*[.-](test|tests|spec|qunit)[.-][^/]*)$",
    re.IGNORECASE,
)
_COMPILED = re.compile(
    r"^([^/]+/){0,2}(dist[^/]*|lib[^/]*|esm?[^/]*|cjs[^/]*|_[a-z]+|build[^/]*|out(put)?|fesm\d*|commonjs|module|types|"
    r"typings|web|node|browser)/"
)
"""Where npm packages that hold their sources too keep what was made of them."""
MANGLED = re.compile(r"\$[0-9a-f]{14,}\$")
"""The names that a bundler makes."""
SMALLEST, LARGEST = 200, 400_000  # characters of one file
NOVEL = 0.35
"""The share of a file's lines that must be new, so that generated clients do not drown what people wrote."""
TESTS_TO_CODE, BESIDE_TO_CODE = 1 / 3, 0.06
"""At most so many characters of tests, and of what stands beside code, for each one of a package's code."""
MOST_BESIDE = 300_000  # characters of one package; as many of `.d.ts` files


@dataclass(frozen=True, slots=True)
class File:
    """One that is worth training on; `lines` are the hashes of its longer lines."""

    path: str
    text: str
    kind: str  # code | declared | test | beside
    lines: array[int]


def build(folder: Path) -> None:
    """Write the splits, held-out packages first: their lines then count as seen."""
    write(sorted(read_sources(), key=lambda source: not source.heldout), folder)


def write(sources: Iterable[Source], folder: Path) -> None:
    """The splits of `sources`, cleaned in other processes; prints how much of each language there is."""
    sources = list(sources)
    seen: set[int] = set()
    totals: Counter[tuple[str, str]] = Counter()
    splits = {name: (folder / f"{name}.txt").open("w", encoding="utf-8", newline="") for name in SPLITS}
    with Pool(PROCESSES) as pool:
        for source, files in zip(sources, pool.imap(partial(_prepared, folder=folder), sources), strict=True):
            taken = chosen(source, files, seen)
            for file in taken:
                split = split_of(source, file)
                language = language_of(file.path)
                splits[split].write(f"{language} {source.name}/{file.path}\n{file.text}{END_OF_FILE}")
                totals[split, language] += len(file.text)
            size = sum(len(file.text) for file in taken)
            print(f"{source.name:44} {source.version:14} {size / 1e6:8.2f} MB", flush=True)
    for out in splits.values():
        out.close()
    for (split, language), size in sorted(totals.items(), key=lambda it: (it[0][0], -it[1])):
        print(f"{split:18} {language:12} {size / 1e6:9.2f} MB")


def _prepared(source: Source, folder: Path) -> list[File]:
    return [
        File(path, text, kind_of(path, source.registry), array("Q", lines_of(text)))
        for path, text in files_of(source, folder)
    ]


def chosen(source: Source, files: list[File], seen: set[int]) -> list[File]:
    """Which files of a package are taken, in the order of their paths: code first, then a share of the rest.

    Their lines count as seen from now on. Of a held-out package, only code.
    """
    taken: list[File] = []
    size = Counter[str]()

    def take(kind: str, limit: float, order: Iterable[File]) -> None:
        for file in order:
            if size[kind] + len(file.text) <= limit and are_novel(file.lines, seen):
                taken.append(file)
                size[kind] += len(file.text)

    of = {
        kind: [file for file in files if file.kind == kind] for kind in ("code", "declared", "test", "beside")
    }
    take("code", source.limit, of["code"])
    take("declared", min(MOST_BESIDE, source.limit - size["code"]), of["declared"])
    if not source.heldout:
        code = size["code"] + size["declared"]
        take("test", code * TESTS_TO_CODE, sorted(of["test"], key=lambda file: hash_of(file.path)))
        most = min(MOST_BESIDE, code * BESIDE_TO_CODE)
        take("beside", most, sorted(of["beside"], key=lambda file: hash_of(file.path)))
    return sorted(taken, key=lambda file: file.path)


def split_of(source: Source, file: File) -> str:
    if source.heldout:
        return "heldout_packages"
    return "heldout_files" if file.kind == "code" and is_heldout(file.path) else "train"


def kind_of(path: str, registry: str) -> str:
    """What a path tells: `code`, `declared` (types alone), `test`, or `beside`, as scripts in a wheel are."""
    language = language_of(path)
    if language in BESIDE or (registry == "pypi" and language in ("javascript", "typescript")):
        return "beside"
    if TESTS.search(path):
        return "test"
    return "declared" if path.endswith((".d.ts", ".d.mts")) else "code"


def language_of(path: str) -> str:
    """ "" for files that are not looked at."""
    return LANGUAGES.get(PurePosixPath(path).suffix, "config" if _CONFIG.search(path) else "")


def is_novel(text: str, seen: set[int]) -> bool:
    """Whether enough lines are new; if so, they count as seen from now on."""
    return are_novel(lines_of(text), seen)


def are_novel(lines: Iterable[int], seen: set[int]) -> bool:
    """The same for the hashes of a file's lines."""
    lines = set(lines)
    if not lines or len(lines - seen) / len(lines) < NOVEL:
        return False
    seen |= lines
    return True


def lines_of(text: str) -> set[int]:
    return {hash_of(line) for line in set(map(str.strip, text.split("\n"))) if len(line) > 12}


def is_heldout(path: str) -> bool:
    """About one file in 250, by its path alone, so that the split outlives a new version."""
    return hash_of(path) % 250 == 0


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest(), "big")


def files_of(source: Source, folder: Path) -> Iterator[tuple[str, str]]:
    """(path, text) of each file of a source that is worth training on, in the order of the paths."""
    raw = {
        path: content
        for path, content in raw_files(source, folder)
        if language_of(path) and not SKIPPED.search(path)
    }
    made = compiled(raw) if source.registry == "npm" else frozenset()
    for path in sorted(raw.keys() - made):
        try:
            text = raw[path].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        text = text.replace("\r\n", "\n")
        if is_source_text(text) and is_source_text(text := clean_file(path, text)):
            yield path, text


def compiled(paths: Iterable[str]) -> frozenset[str]:
    """What of an npm package was made from its other files: from TypeScript, or from all that is in `src`."""
    paths = list(paths)
    script = [path for path in paths if language_of(path) in ("javascript", "typescript")]
    sources = {path for path in script if path.endswith((".ts", ".tsx", ".mts")) and ".d." not in path}
    stems = {re.sub(r"\.\w+$", "", path) for path in sources}
    stems |= {stem.removeprefix("src/") for stem in stems}
    if len(sources) < 3:
        sources = {
            path for path in script if re.match(r"([^/]+/)?(src|[Ss]ources?)/", path) and ".d." not in path
        }
    made = {path for path in script if re.sub(r"(\.d)?\.\w+$", "", path) in stems and path not in sources}
    if len(sources) >= 3:
        made |= {path for path in script if path not in sources and _COMPILED.search(path)}
    return frozenset(made)


def is_source_text(text: str) -> bool:
    """Neither empty, nor data, nor minified."""
    if not SMALLEST <= len(text) <= LARGEST or END_OF_FILE in text or "\r" in text:
        return False
    if MANGLED.search(text):
        return False
    lines = text.split("\n")
    letters = sum(map(str.isalpha, text[:20_000])) / min(len(text), 20_000)
    return max(map(len, lines)) < 1500 and len(text) / len(lines) < 90 and letters > 0.35


if __name__ == "__main__":
    {"fetch": fetch, "build": build}[sys.argv[1]](Path(sys.argv[2]))
