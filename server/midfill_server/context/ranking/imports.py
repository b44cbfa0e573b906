"""Which files of the workspace an import statement means, in whatever language. Pure text and paths.

No language's rules are followed to the letter: the longest chain of the statement's words that is the end of
a file's path counts, the nearest file first.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from midfill_server.context.files import stem

_FAMILIES = (
    "py pyi pyx",
    "js jsx ts tsx mjs mts vue svelte",
    "c cc cpp cu cxx h hh hpp m mm",
    "java kt kts scala groovy",
)
_FAMILY = {ending: family for family in _FAMILIES for ending in family.split()}
_WORDS = frozenset(
    word
    for line in (
        "from import use using pub as require require_relative include const let var local static",
        "type crate",
    )
    for word in line.split()
)


@dataclass(frozen=True, slots=True)
class Imported:
    """A file, and the names that are taken from it: none means all of it."""

    path: Path
    names: frozenset[str]


def resolve(statement: str, path: Path, by_stem: Mapping[str, Sequence[Path]]) -> list[Imported]:
    """What a statement in the file `path` imports from the workspace; `by_stem` as Files.by_stem has it."""
    found = []
    for way, names in _read(statement):
        if (hit := _nearest(way, path, by_stem)) is not None:
            found.append(Imported(hit, names))
            continue
        for name in names:  # `from . import a`: names may be files themselves
            if (hit := _nearest((*way, name), path, by_stem)) is not None:
                found.append(Imported(hit, frozenset()))
    return found


def _read(statement: str) -> list[tuple[tuple[str, ...], frozenset[str]]]:
    """(the words of the module, the names taken from it)."""
    if (python := re.match(r"from\s+([\w.]+)\s+import\s+(.*)", statement)) is not None:
        taken = re.sub(r"#.*|\bas\s+\w+", "", python[2])
        return [(tuple(filter(None, python[1].split("."))), frozenset(re.findall(r"\w+", taken)))]
    if quoted := re.findall(r"""["'<]([\w@./-]+)["'>]""", statement):
        names = frozenset(re.findall(r"\w+", re.sub(r"""(["'<]).*?["'>]""", "", statement))) - _WORDS
        return [(_way(it), names) for it in quoted]
    if statement.startswith("import ") and "{" not in statement:
        modules = [it.split(" as ")[0] for it in statement.removeprefix("import ").rstrip(";").split(",")]
        return [(tuple(re.findall(r"\w+", it)), frozenset()) for it in modules]
    words = tuple(word for word in re.findall(r"\w+", statement) if word not in _WORDS)
    return [(words, frozenset(words))]


def _way(text: str) -> tuple[str, ...]:
    parts = [part for part in text.split("/") if part not in ("", ".", "..")]
    if parts:
        parts[-1] = re.sub(r"\.(?:[cm]?[jt]sx?|hh?|hpp|vue|svelte|rb|php|dart)$", "", parts[-1])
    return tuple(parts)


def _nearest(way: tuple[str, ...], path: Path, by_stem: Mapping[str, Sequence[Path]]) -> Path | None:
    for last in range(len(way), 0, -1):
        hits = [it for it in by_stem.get(way[last - 1], ()) if it != path and _family(it) == _family(path)]
        if hits:
            return max(hits, key=lambda it: (_agreement(way[:last], it), _shared(it, path), -len(it.parts)))
        if last <= len(way) - 1:
            break  # a word or two behind the file's name may be what it defines, no more
    return None


def _agreement(way: Sequence[str], path: Path) -> int:
    parts = [*path.parent.parts, stem(path)]
    if path.stem != stem(path):
        parts.pop(-2)
    pairs = zip(reversed(way), reversed(parts), strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(way), len(parts)))


def _shared(one: Path, other: Path) -> int:
    pairs = zip(one.parts, other.parts, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), 0)


def _family(path: Path) -> str:
    ending = path.suffix[1:].lower()
    return _FAMILY.get(ending, ending)
