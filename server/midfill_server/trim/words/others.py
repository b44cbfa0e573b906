"""Nobody else's words: copyright, licences, authors, addresses and keys that neither file nor context holds.

A model knows such lines by heart. What is known here may be written again: a host, an address, a name.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from midfill_server.context import Window
from midfill_server.context.secrets import secret_text

from .block import WIDEST, by_lines, item_lines, up_to


@by_lines
def others_words(text: str, window: Window) -> str:
    """Up to a line that holds somebody else's words."""
    for n, line in enumerate(item_lines(text, window)):
        begun = len(window.line_start) if n == 0 else 0
        skipped = max(0, begun - WIDEST)
        part = line[skipped : skipped + 2 * WIDEST]
        if any(not _is_known(words, window) for words in words_of_others(part, begun - skipped)):
            return up_to(n, text)
    return text


def words_of_others(line: str, begun: int = 0) -> Iterator[str]:
    """What of a line belongs to somebody, in small letters. `begun`: so much of it is the user's own.

    Addresses that belong to nobody, such as example.org, are passed over.
    """
    if NOTICE.search(line) and _letters(line[begun:]):
        yield _letters(line)
    for pattern in (AUTHOR, HANDLE):
        for found in pattern.finditer(line):
            if found.end() > begun:
                yield _letters(found["name"])
    for found in URL.finditer(line):
        if found.end() > begun and "." in (host := found["host"].lower()) and not NOBODYS.search(host):
            yield host
    for found in ADDRESS.finditer(line) if "@" in line else ():
        if found.end() > begun and not NOBODYS.search(found[0].lower()):
            yield found[0].lower()
    for found in KEY.finditer(line):
        if found.end() > begun and is_random(found[0]):
            yield found[0].lower()
    if len(line) - begun > _SHORTEST_SECRET and secret_text(line):
        yield from (it.lower() for it in _LONG.findall(line[begun:]))


def _is_known(words: str, window: Window) -> bool:
    known = _known(window.prefix[: len(window.prefix) - len(window.line_start)], window)
    if not words.replace(" ", "").isalpha():  # an address, a key
        return words in known
    return words in known.split() or f" {words} " in f" {_letters(known)} "


def _known(prefix: str, window: Window) -> str:
    return known_text(prefix, window.suffix, window.elsewhere).lower()


@lru_cache(maxsize=2)
def known_text(*parts: str | tuple[str, ...]) -> str:
    """All that is known around a cursor, in one text."""
    return "\n".join(it if isinstance(it, str) else "\n".join(it) for it in parts)


def known_to(window: Window) -> str:
    """All that is known around the cursor, what stands on its line too."""
    return known_text(window.prefix, window.suffix, window.elsewhere)


def _letters(text: str) -> str:
    """Its words in small letters: no years, no signs of comments."""
    return " ".join(_WORD.findall(text)).lower()


def is_random(text: str) -> bool:
    """Whether it looks drawn by lot: digits among letters, of hexadecimal or of both cases."""
    digits = sum(map(str.isdigit, text))
    if digits < 3 or len(set(text)) < 8 or digits == len(text):
        return False
    return bool(_HEX.fullmatch(text)) or (any(map(str.isupper, text)) and any(map(str.islower, text)))


_WORD = re.compile(r"[^\W\d_]+")
NOTICE = re.compile(
    r"copyright[:,]?\s*(?:\(c\)|©|&copy;|(?:19|20)\d\d|by\b|the\b)|^\W+copyright\W*$"
    r"|copyright\s+(?-i:[A-Z])|©|\(c\)\s*(?:19|20)\d\d|SPDX-\w+|all rights reserved"
    r"|licen[sc]ed? (?:under|to you|agreement)|\b(?:under|of) the (?:terms|licen[sc]e)\b"
    r"|permission is hereby granted|redistributions? (?:and use|of source|in binary)"
    r"|this (?:file|program|software|library|code|module|package|source|work|product) "
    r"(?:is (?:part of|free|distributed|licen[sc]ed|provided|released|subject|an? [A-Z])|may be (?:used|dist)"
    r"|includes|uses software|was (?:written|created|generated) by)"
    r"|without (?:any )?warrant|warranties of any|general public licen[sc]e|apache licen[sc]e|mozilla public"
    r"|\b(?:MIT|BSD|ISC|Apache|GPL\w*|LGPL\w*|MPL)(?:[- ][\d.]+(?:-clause)?)? licen[sc]e"
    r"|for (?:full )?licen[sc](?:e|ing) (?:information|details|terms)"
    r"|see (?:the )?(?:accompanying )?licen[sc]e|you may (?:not use this|obtain a copy)"
    r"|\blicen[sc]e[\"']?\s*[:=]\s*(?:[\[{]\s*\w+\s*=\s*)?[\"'][^\"'\n]*[^\W\d_]"
    r"|\blicen[sc]e:\s+(?:MIT|BSD|ISC|Apache|A?L?GPL|MPL|Unlicense|CC0|CC-BY|Proprietary)\b"
    r"|^\W*[#*/-]\W*licen[sc]e[.:]\s*\w",
    re.IGNORECASE,
)
_PERSON = r"(?i:authors?|maintainers?|contributors?|credits?)"
AUTHOR = re.compile(
    r"(?:"
    r"(?i:@author\b)[: ]*(?=[^\n]*[^\W\d_])"
    rf"|\b_*{_PERSON}(?i:[_-]?(?:name|e?mail))?_*[\"']?\s*[:=]\s*[\[{{(\s]*(?:[\"']?name[\"']?\s*[:=]\s*)?"
    r"[\"'](?=[^\"'\n]*[^\W\d_])"
    rf"|(?:^\W*[#*/%;-]\W*|:){_PERSON}:?\s*:\s*(?=[^\n]*[^\W\d_])"
    rf"|\b{_PERSON}\s*:\s*(?=[A-Z][\w.]* +[A-Z<])"
    r"|(?i:\b(?:written|created|developed|contributed|maintained|posted|implemented) by:?) +(?=\W?[A-Z])"
    r"|^\W*[Bb]y:? +(?=[A-Z][\w.]* +[A-Z][\w.]*)"
    r")(?P<name>[^\n]*[^\W\d_][^\n]*)"
)
HANDLE = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|NOTE)\((?P<name>[\w.@-]*[a-zA-Z][\w.@-]*)\)")
URL = re.compile(
    r"(?:\b(?:https?|ftps?|git|ssh|wss?)://(?:[\w.-]+@)?|\b(?=www\.))(?P<host>[\w-]+(?:\.[\w-]+)*)"
)
ADDRESS = re.compile(r"(?<![\w./])[\w.+-]*[a-zA-Z][\w.+-]*@(?:[\w-]+\.)+[a-z]{2,12}\b(?!\()")
NOBODYS = re.compile(
    r"(?:^|[@.])(?:example|localhost|invalid|test)(?:\.\w+)?$|^\d+(?:\.\d+){3}$|^(?:www\.w3\.org|json-schema\.org)$"
)
KEY = re.compile(
    r"(?<![\w/.+-])(?:[0-9a-fA-F]{24,}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[\w+-]{32,}={0,2})(?![\w/.])"
)
_HEX = re.compile(r"[0-9a-fA-F-]+")
_LONG = re.compile(r"[\w+/=.!@#$%^-]{8,}")
_SHORTEST_SECRET = 12  # characters
