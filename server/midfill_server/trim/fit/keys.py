"""Keys that stand there already: TOML refuses them, JSON, YAML and CSS let one of the two go."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from midfill_server.context import Window

_YAML = re.compile(r"\s*(?:- +)*(?P<key>[^\s#:'\"\[{&*!|>%@`-][^#:\n]*?|\"[^\"\n]*\"|'[^'\n]*')\s*:(?:\s|\Z)")
_JSON = re.compile(r"\s*(?P<key>\"[^\"\n]*\")\s*:")
_CSS = re.compile(r"\s*(?P<key>[\w$-]+)\s*:(?!.*[{,]\s*\Z)")
_KEYS = {
    "css": _CSS,
    "json": _JSON,
    "jsonc": _JSON,
    "less": _CSS,
    "scss": _CSS,
    "toml": re.compile(r"\s*(?P<key>\[[^\[\]\n]+\](?=\s*(?:#|\Z))|[\w.\"'-]+(?=\s*=))"),
    "yaml": _YAML,
    "dockercompose": _YAML,
}
_NEAR = 300  # lines
_NAME = re.compile(r"\s*(?:- +)*(?P<key>[^:=\n]*)")
_DASHES = re.compile(r"\s*(?:- +)*")


def known_keys(text: str, window: Window) -> str:
    """Up to a line whose key stands there already, beside it in the same table, object, mapping or rule."""
    if window.language not in _KEYS:
        return text
    blocks = _Blocks(window)
    lines = text.split("\n")
    for n, line in enumerate([window.line_start + lines[0], *lines[1:]]):
        key = _key(line, window.language)
        keys = blocks.beside(line)
        if key in keys and (n or not _by_user(window)):
            return "\n".join(lines[:n])
        if key:
            keys.add(key)
    return text


def certain_key(text: str, window: Window) -> str:
    """The same of a text that grows: without a last line that may come to begin with a known key."""
    if window.language not in _KEYS:
        return text
    head, _, line = text.rpartition("\n")
    if known_keys(head, window) != head:
        return ""
    line = line if "\n" in text else window.line_start + line
    found = _NAME.match(line)
    assert found is not None, "it matches anything"
    name, whole = _bare(found["key"]), found.end() < len(line)
    if "\n" not in text and _by_user(window):
        return text
    blocks = _Blocks(window)
    for above in (window.line_start + head).split("\n") if "\n" in text else ():
        blocks.beside(above).add(_key(above, window.language))
    known = blocks.beside(line)
    return head if any(key == name if whole else key.startswith(name) for key in known) else text


@dataclass(slots=True)
class _Blocks:
    """The blocks that a line of the item may be in, each with its keys, by the depth of these."""

    window: Window
    keys: dict[int, set[str]] = field(default_factory=dict)

    def beside(self, line: str) -> set[str]:
        """The keys that the line's key must differ from. To be asked for one line after the other."""
        window, depth = self.window, _depth(line)
        if window.language == "toml":
            if line.startswith("["):
                self.keys[0] = set()
                return self.keys.setdefault(-1, set(_tables(window)))
            return self.keys.setdefault(0, set(_siblings(window, 0)))
        if not line.strip():
            return set()
        opened = min(self.keys, default=depth) < depth  # by the cursor's line, or by the item
        by_user = opened and len(self.keys) == 1 and bool(window.line_start.strip())
        self.keys = {it: keys for it, keys in self.keys.items() if it < depth + (not _is_entry(line))}
        if depth not in self.keys:
            fresh = _is_entry(line) or (opened and not by_user)
            self.keys[depth] = set() if fresh else set(_siblings(window, depth, above=not opened))
        return self.keys[depth]


@lru_cache(maxsize=16)
def _siblings(window: Window, depth: int, above: bool = True) -> frozenset[str]:
    """The keys above and below the cursor's line that belong to the same block, as deep as `depth`."""
    language, keys = window.language, set()
    if language in ("css", "less", "scss") and depth == 0:
        return frozenset()
    for line in reversed(window.prefix.split("\n")[-_NEAR - 1 : -1] if above else ()):
        if _ends(line, depth, language, upwards=True):
            break
        if language == "toml" or _depth(line) == depth:
            keys.add(_key(line, language))
            if _is_entry(line):
                break
    for line in window.suffix.split("\n")[1:_NEAR]:
        if _ends(line, depth, language, upwards=False):
            break
        if language == "toml" or _depth(line) == depth:
            keys.add(_key(line, language))
    return frozenset(keys - {""})


def _ends(line: str, depth: int, language: str, upwards: bool) -> bool:
    """Whether a line is outside the block."""
    if not line.strip():
        return False
    if language == "toml":
        return line.startswith("[")
    return (_depth(line) if upwards else len(line) - len(line.lstrip())) < depth


@lru_cache(maxsize=4)
def _tables(window: Window) -> frozenset[str]:
    lines = (window.prefix.rpartition("\n")[0] + "\n" + window.suffix.partition("\n")[2]).split("\n")
    return frozenset(_key(line, "toml") for line in lines if line.startswith("[")) - {""}


def _by_user(window: Window) -> bool:
    """Whether the key of the cursor's line is written already, with the sign behind it."""
    return bool(_key(window.line_start, window.language))


def _key(line: str, language: str) -> str:
    """The key that a line begins with; "" for none."""
    found = _KEYS[language].match(line)
    return _bare(found["key"]) if found else ""


def _bare(key: str) -> str:
    return key.strip().strip("\"'")


def _depth(line: str) -> int:
    """In characters, behind the dashes of YAML's lists."""
    found = _DASHES.match(line)
    return found.end() if found else 0


def _is_entry(line: str) -> bool:
    return line.lstrip().startswith("- ")
