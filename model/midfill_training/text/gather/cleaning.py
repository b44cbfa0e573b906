"""Other people's words leave the training text: what is never seen is never written by heart.

The signs are the server's own (`trim/words/others.py`), so that what it would not show is not learned.
"""

from __future__ import annotations

import json
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
_PERSONS_NAME = re.compile(
    r"\W*@?(?i:authors?|maintainers?|contributors?|credits?|contact)\s*:\s*"
    r"(?=@?[A-Z][\w.-]* +[A-Z<(&]|@\w|\S+@)"
)
_BY_SOMEBODY = re.compile(
    r"\W*(?i:created|written|developed|implemented|ported|contributed|maintained|provided|adapted) by:? +"
    r"[A-Z][\w.]* [A-Z]"
)
_BY_ANYBODY = re.compile(
    r"\b(?i:fix|add|convert|modifi|modify|chang|updat|rewritten|improv|design|port|contribut|written|creat|report|suggest"
    r"|found|patch|submit|provid|adapt|invent|optimi[sz]|enhanc|develop|implement|maintain|work|idea|courtesy)\w*"
    r"(?: \w+){0,4}? (?:by|of|from) [A-Z][a-z]+ (?:[A-Z]\.? )?[A-Z][a-z]+\b"
)
_DISCLAIMED = re.compile(
    r"disclaims? copyright|&#169;|copyright notice and this|merchantability|in no event shall"
    r"|associated documentation files|disclaims? all warrant|software is provided",
    re.IGNORECASE,
)
"""What licences say apart from the line that gives their name: some have blank lines in them."""
_WHOLE = re.compile(r"[ \t]*/\*.*\*/[ \t]*")
_HANDLE_APART = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|NOTE) \([a-z][\w.-]*\)")
_TOP_DOCSTRING = re.compile(
    r"\A(?:[ \t]*#[^\n]*\n|[ \t]*\n)*(?P<all>[rR]?(?P<quotes>\"\"\"|''')(?P<words>.*?)(?P=quotes)\n?)", re.S
)
_LICENCE_TEXT = re.compile(
    r"permission is hereby|licen[sc]ed under|redistributions? (?:and use|of source)|without (?:any )?warrant"
    r"|copyright notice|(?:mit|bsd|apache|isc) licen[sc]e",
    re.IGNORECASE,
)
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
    text = _without_examples(_without_licence(text))
    signs = _signs_of(text)
    if not signs:
        return text
    kept = [line for block in _blocks(text.split("\n"), signs) for line in _cleaned(block)]
    return "\n".join(kept)


def clean_file(path: str, text: str) -> str:
    """`clean`, and what Markdown and a package's JSON say of people and licences in parts of their own."""
    if path.endswith(".md"):
        text = _CHAPTER.sub("", text)
    elif path.endswith(".json"):
        text = _without_people(text)
    return clean(text).lstrip("\n")


_CHAPTER = re.compile(
    r"^#+[ \t]*(?:licen[sc]|credits|authors?\b|contributors|maintainers|sponsors|backers|thanks|acknowledg)"
    r"[^\n]*\n.*?"
    r"(?=^#{1,6}[ \t]|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_PEOPLE = frozenset(
    [
        "author",
        "authors",
        "contributors",
        "maintainers",
        "license",
        "licenses",
        "repository",
        "bugs",
        "homepage",
    ]
)


def _without_people(text: str) -> str:
    try:
        told = json.loads(text)
    except ValueError:
        return text
    if not isinstance(told, dict) or not told.keys() & _PEOPLE:
        return text
    kept = {key: value for key, value in told.items() if key not in _PEOPLE}
    return json.dumps(kept, indent=2, ensure_ascii=False) + "\n"


_Line = tuple[str, int]
"""A line, and which kinds of others' words its signs allow: bits of `_SIGNS`."""

_TELLS, _NAMES, _HANDLES, _AT, _LINKS, _HASH = (1 << n for n in range(6))
_PERSONS = ("author", "maintainer", "contributor", "credit")
_WORKS = ("file", "program", "software", "library", "code", "module", "package", "source", "work", "product")
_SIGNS = {
    **dict.fromkeys(
        ("copyright", "©", "&copy;", "(c)", "spdx-", "all rights reserved", "licen", "the terms"), _TELLS
    ),
    **dict.fromkeys(
        (
            "permission is",
            "redistribution",
            "merchantab",
            "in no event",
            "associated doc",
            "warrant",
            "mozilla public",
            "you may ",
        ),
        _TELLS,
    ),
    **dict.fromkeys((f"this {work} " for work in _WORKS), _TELLS),
    **dict.fromkeys(_PERSONS, _TELLS | _NAMES),
    "__email__": _TELLS,
    "contact": _NAMES,
    "by ": _NAMES,
    "by: ": _NAMES,
    "@": _AT,
    "://": _LINKS,
    "www.": _LINKS,
    **dict.fromkeys(
        tuple(f"{word}{gap}(" for word in ("todo", "fixme", "xxx", "hack", "note") for gap in ("", " ")),
        _HANDLES,
    ),
}
"""What must stand in a line, in small letters, for each kind: far sooner found than the patterns."""
_LONG = re.compile(r"[\w+-]{24,}+")  # as short as a KEY may be


def _signs_of(text: str) -> dict[int, int]:
    """{where a line starts: the kinds whose signs it holds}; only lines with signs."""
    low = text.lower()
    if len(low) != len(text):  # a letter whose small form is longer: places would not agree
        low = "".join(small if len(small := it.lower()) == 1 else it for it in text)
    found: dict[int, int] = {}
    for sign, kind in _SIGNS.items():
        at = low.find(sign)
        while at >= 0:
            start = low.rfind("\n", 0, at) + 1
            found[start] = found.get(start, 0) | kind
            end = low.find("\n", at)
            at = low.find(sign, end) if end >= 0 else -1
    for word in _LONG.finditer(text):
        if sum(map(str.isdigit, word[0])) >= 3:
            start = low.rfind("\n", 0, word.start()) + 1
            found[start] = found.get(start, 0) | _HASH
    return found


def _blocks(lines: list[str], signs: dict[int, int]) -> Iterator[list[_Line]]:
    """Comments that belong together, and each other line by itself."""
    block: list[_Line] = []
    inside = False
    start = 0
    for line in lines:
        marked = line, signs.get(start, 0)
        start += len(line) + 1
        inside = inside or bool(_OPENS.match(line))
        if inside or _COMMENT.match(line):
            block.append(marked)
            inside = inside and not _CLOSES.search(line)
            if not inside and _CLOSES.search(line) and not _WHOLE.fullmatch(line):  # a box has such lines
                yield block
                block = []
            continue
        if block:
            yield block
            block = []
        yield [marked]
    if block:
        yield block


def _cleaned(block: list[_Line]) -> list[str]:
    """One block: nothing where it is a notice; else without the lines, or the words, of others."""
    lines = [line for line, _ in block]
    signs = 0
    for _, sign in block:
        signs |= sign
    if not signs:
        return lines
    comment = bool(_COMMENT.match(lines[0]))
    if comment and signs & _TELLS and _is_notice("\n".join(lines)):
        return []
    kept = [it for it in block if not (it[1] and (_is_told(it) or (comment and _names_somebody(it))))]
    if comment and kept and len(kept) < len(lines) and not any(_has_words(line) for line, _ in kept):
        return []
    return [_with_other_addresses(it) if it[1] else it[0] for it in kept]


def _is_told(marked: _Line) -> bool:
    """Whether a line says in the file's own name whose it is; in a docstring a notice does, too."""
    line, signs = marked
    if signs & _NAMES and (_PERSONS_NAME.match(line) or _BY_SOMEBODY.match(line)) and not _is_code(line):
        return True
    if not signs & _TELLS:
        return False
    return bool(_TOLD.match(line)) or (_is_notice(line) and (line.lstrip()[:1] == "<" or not _is_code(line)))


def _is_notice(text: str) -> bool:
    return NOTICE.search(text) is not None or _DISCLAIMED.search(text) is not None


def _is_code(line: str) -> bool:
    return re.search(r"[=(){}\[\];]|\"\"\"|'''", re.sub(r"\([cC]\)", "", line)) is not None


def _names_somebody(marked: _Line) -> bool:
    line, signs = marked
    looked_for = (
        (AUTHOR, _NAMES),
        (HANDLE, _HANDLES),
        (_HANDLE_APART, _HANDLES),
        (_BY_ANYBODY, _NAMES),
        (ADDRESS, _AT),
    )
    found = any(signs & sign and pattern.search(line) for pattern, sign in looked_for)
    return found and (_CLOSES.search(line) is None or _WHOLE.fullmatch(line) is not None)


def _has_words(line: str) -> bool:
    return any(map(str.isalnum, line))


def _with_other_addresses(marked: _Line) -> str:
    line, signs = marked
    if signs & _LINKS:
        line = URL.sub(lambda it: _nobodys(it, it["host"], "example.com"), line)
    if signs & _AT:
        line = ADDRESS.sub(lambda it: _nobodys(it, it[0], "name@example.com"), line)
    if signs & _HASH:
        line = KEY.sub(lambda it: "0" * len(it[0]) if is_random(it[0]) else it[0], line)
    return line


def _nobodys(found: re.Match[str], words: str, other: str) -> str:
    if "." not in words or NOBODYS.search(words.lower()):
        return found[0]
    return found[0].replace(words, other, 1)


def _without_licence(text: str) -> str:
    """The first docstring without its licence and what follows: some of those lines alone look like code."""
    top = _TOP_DOCSTRING.match(text)
    if top is None or not _LICENCE_TEXT.search(top["words"]):
        return text
    paragraphs = re.split(r"(\n[ \t]*\n)", top["words"])
    first = next((n for n, it in enumerate(paragraphs) if NOTICE.search(it) or _LICENCE_TEXT.search(it)), 0)
    kept = "".join(paragraphs[:first]).rstrip()
    docstring = f"{top['quotes']}{kept}\n{top['quotes']}\n" if re.search(r"\w", kept) else ""
    return text[: top.start("all")] + docstring + text[top.end("all") :]


def _without_examples(text: str) -> str:
    imported = {*_IMPORTS.findall(re.sub(r">>>.*", "", text))}

    def shown(docstring: re.Match[str]) -> str:
        words = docstring[0]
        if all(module in imported for module in _EXAMPLE_OF.findall(words)):
            return words
        return _BARE_HEADING.sub("", _EXAMPLES.sub("", words))

    return _DOCSTRING.sub(shown, text) if ">>>" in text else text
