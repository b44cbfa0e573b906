"""The same code under other names, so that the model takes names from its prompt and not from memory.

Code at home has other names than the training packages. So in some samples the words that only few of those
know are changed for others of that kind, in all of the sample alike: `UserCart.add_cart(user)` becomes
`MeshQuota.add_quota(mesh)`. What many packages say (`add`, `self`, `return`) stays.

    python -m midfill_training.text.disguise train.txt words.txt
"""

from __future__ import annotations

import builtins
import keyword
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import Pool
from pathlib import Path

from midfill_training.text.gather.corpus import END_OF_FILE
from midfill_training.text.pieces import Piece, place_of

COMMON = 0.5
"""The share of a language's packages from which on a word is everyone's."""
AT_ONCE = 2_000  # files for one process
FEW = 3  # packages that a word must be in to stand for another
_WORD = re.compile(r"[A-Z]{3,}(?![a-z])|[A-Z]?[a-z]{3,}")  # `getURLPath` is get, URL, Path


@dataclass(frozen=True, slots=True)
class Words:
    """Of one language: what stays as it is, and what may stand for the rest. Lower case."""

    common: frozenset[str]
    others: tuple[str, ...]


def disguise(piece: Piece, words: Words, share: float, chance: random.Random) -> Piece:
    """`piece` with about `share` of its uncommon words changed, each for one other word everywhere."""
    mask = _Mask(words, share, chance)

    def changed(text: str) -> str:
        return _WORD.sub(lambda found: mask[found[0]], text)

    return replace(
        piece,
        text=changed(piece.text),
        path=changed(piece.path),
        head=changed(piece.head),
        others=tuple(replace(it, path=changed(it.path), text=changed(it.text)) for it in piece.others),
    )


class _Mask(dict[str, str]):
    """What each word of one sample becomes, chosen when it is first met."""

    def __init__(self, words: Words, share: float, chance: random.Random) -> None:
        self.words, self.share, self.chance = words, share, chance

    def __missing__(self, word: str) -> str:
        lower = word.lower()
        if lower in self.words.common:
            new = word
        elif word != lower:
            new = _in_the_case_of(word, self[lower])
        else:
            new = self.chance.choice(self.words.others) if self.chance.random() < self.share else word
        self[word] = new
        return new


def _in_the_case_of(word: str, new: str) -> str:
    return new.upper() if word.isupper() else new.capitalize()


def read(path: Path) -> dict[str, Words]:
    """{language: its words}; a line is `language common|other word …`."""
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for line in path.read_text("utf-8").splitlines():
        language, kind, *words = line.split()
        found[language][kind] = words
    return {
        language: Words(frozenset(words["common"]), tuple(words["other"]))
        for language, words in found.items()
    }


Said = dict[tuple[str, str], set[str]]
"""{(language, package): the words that it says}."""


def count(files: Iterable[str]) -> dict[str, Words]:
    """From files with their header lines; without the languages in which nothing could be changed."""
    return _counted([_said(files)])


def _said(files: Iterable[str]) -> Said:
    said: Said = defaultdict(set)
    for file in files:
        header, _, text = file.partition("\n")
        language, package, _ = place_of(header)
        if language in ALWAYS:
            said[language, package].update(word.lower() for word in _WORD.findall(text))
    return dict(said)


def _counted(parts: Iterable[Said]) -> dict[str, Words]:
    packages: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for part in parts:
        for (language, package), words in part.items():
            packages[language][package] |= words
    found = {language: _words(ALWAYS[language], [*of_it.values()]) for language, of_it in packages.items()}
    return {language: words for language, words in found.items() if words.others}


def _words(always: frozenset[str], packages: Sequence[set[str]]) -> Words:
    counts = Counter(word for words in packages for word in words)
    common = always | {word for word, n in counts.items() if n >= COMMON * len(packages)}
    others = sorted(word for word, n in counts.items() if n >= FEW and word not in common)
    return Words(common, tuple(others))


def _words_in(names: Iterable[str]) -> frozenset[str]:
    return frozenset(word.lower() for name in names for word in _WORD.findall(name))


_SCRIPT = "instanceof typeof debugger implements interface readonly namespace satisfies abstract keyof"
_GO = "chan defer fallthrough goto interface package range select struct append cap close complex copy delete"
_RUST = "async await crate dyn extern impl loop match macro ref static struct trait union unsafe where derive"
_JAVA = (
    "abstract assert boolean byte extends final finally implements instanceof interface native package "
    "permits protected record sealed static strictfp synchronized throws transient volatile var yield"
)
_C = "auto const default enum extern inline register restrict signed sizeof static struct typedef union"
_CPP = (
    "alignas alignof constexpr consteval decltype delete explicit friend mutable namespace noexcept operator "
    "override private protected public template thread_local typeid typename using virtual volatile std"
)
ALWAYS = {
    "python": _words_in([*keyword.kwlist, *dir(builtins), *sys.stdlib_module_names]),
    "javascript": _words_in(_SCRIPT.split()),
    "typescript": _words_in(_SCRIPT.split()),
    "go": _words_in(_GO.split()),
    "rust": _words_in(_RUST.split()),
    "java": _words_in(_JAVA.split()),
    "c": _words_in(_C.split()),
    "cpp": _words_in(f"{_C} {_CPP}".split()),
}
"""The languages whose samples are disguised, and the words of theirs that always stay."""


def main(corpus: Path, out: Path) -> None:
    files = corpus.read_text("utf-8").split(END_OF_FILE)
    with Pool() as pool:
        parts = pool.imap_unordered(_said, [files[at : at + AT_ONCE] for at in range(0, len(files), AT_ONCE)])
        counted = _counted(parts)
    lines = []
    for language, words in sorted(counted.items()):
        lines += [
            f"{language} common {' '.join(sorted(words.common))}",
            f"{language} other {' '.join(words.others)}",
        ]
        print(f"{language}: {len(words.common)} words stay, {len(words.others)} may stand for others")
    out.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
