"""Other people's words leave the training text: what is never seen is never written by heart.

The signs are the server's own (`trim/words/others.py`), so that what it would not show is not learned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from midfill_server.trim.words.others import (
    ADDRESS,
    AUTHOR,
    HANDLE,
    KEY,
    NOBODYS,
    NOTICE,
    URL,
    is_random,
)

_COMMENT = re.compile(r"[ \t]*(?:#(?!!)|//|/\*|\*(?!\w)|--|<!--|\.\. |%|;)")
_OPENS, _CLOSES = re.compile(r"[ \t]*(?:/\*|<!--)"), re.compile(r"\*/|-->")
_TOLD = re.compile(r"[\w ]*[\"']?__(?:author|copyright|license|email|credits|maintainer)__|[ \t]*@author")
_IMPORTS = re.compile(r"^[ \t]*(?:from|import)[ \t]+\.*(\w+)", re.M)
_DOCSTRING = re.compile(r"(?P<quotes>\"\"\"|''').*?(?P=quotes)", re.S)
_EXAMPLE_OF = re.compile(r"^[ \t]*>>> (?:from|import) (\w+)", re.M)
_EXAMPLES = re.compile(r"(?:^[ \t]*>>>.*\n(?:[ \t]*(?!>>>)[^\s\"'].*\n)*)+", re.M)
_BARE_HEADING = re.compile(
    r"^[ \t]*Examples?:*[ \t]*\n(?:[ \t]*[-=~]{3,}[ \t]*\n)?(?:[ \t]*\n)*(?=[ \t]*(?:\"\"\"|'''|\Z))", re.M
)


def clean(text: str) -> str:
    """`text` without notices, authors, addresses, keys, and examples of libraries that it does not import.

    Comments go as a whole, for half a licence is none; in code, which must stay whole, another address stands
    where one was.
    """
    kept = [line for lines in _blocks(_without_examples(text).split("\n")) for line in _cleaned(lines)]
    return "\n".join(kept)


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Comments that belong together, and each other line by itself."""
    block: list[str] = []
    inside = False
    for line in lines:
        inside = inside or bool(_OPENS.match(line))
        if inside or _COMMENT.match(line):
            block.append(line)
            inside = inside and not _CLOSES.search(line)
            if not inside and _CLOSES.search(line):
                yield block
                block = []
            continue
        if block:
            yield block
            block = []
        yield [line]
    if block:
        yield block


def _cleaned(lines: list[str]) -> list[str]:
    """One block: nothing where it is a notice; else without the lines, or the words, of others."""
    comment = bool(_COMMENT.match(lines[0]))
    if comment and NOTICE.search("\n".join(lines)):
        return []
    kept = [line for line in lines if not (_is_told(line) or (comment and _names_somebody(line)))]
    if comment and kept and len(kept) < len(lines) and not any(map(_has_words, kept)):
        return []
    return [_with_other_addresses(line) for line in kept]


def _is_told(line: str) -> bool:
    """Whether a line says in the file's own name whose it is; in a docstring a notice does, too."""
    return bool(_TOLD.match(line)) or (NOTICE.search(line) is not None and not _is_code(line))


def _is_code(line: str) -> bool:
    return re.search(r"[=(){}\[\];]|\"\"\"|'''", re.sub(r"\([cC]\)", "", line)) is not None


def _names_somebody(line: str) -> bool:
    return any(pattern.search(line) for pattern in (AUTHOR, HANDLE, ADDRESS)) and not _CLOSES.search(line)


def _has_words(line: str) -> bool:
    return any(map(str.isalnum, line))


def _with_other_addresses(line: str) -> str:
    line = URL.sub(lambda it: _nobodys(it, it["host"], "example.com"), line)
    line = ADDRESS.sub(lambda it: _nobodys(it, it[0], "name@example.com"), line)
    return KEY.sub(lambda it: "0" * len(it[0]) if is_random(it[0]) else it[0], line)


def _nobodys(found: re.Match[str], words: str, other: str) -> str:
    if "." not in words or NOBODYS.search(words.lower()):
        return found[0]
    return found[0].replace(words, other, 1)


def _without_examples(text: str) -> str:
    imported = {*_IMPORTS.findall(re.sub(r">>>.*", "", text))}

    def shown(docstring: re.Match[str]) -> str:
        words = docstring[0]
        if all(module in imported for module in _EXAMPLE_OF.findall(words)):
            return words
        return _BARE_HEADING.sub("", _EXAMPLES.sub("", words))

    return _DOCSTRING.sub(shown, text) if ">>>" in text else text
