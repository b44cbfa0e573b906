"""Goes through a text once and tells what it leaves open, and what it closes that was not open."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from midfill_server.trim.fit.brackets import CLOSER
from midfill_server.trim.lines import columns

from . import modes
from .families import EMBEDDED, VOID, family_of
from .modes import Mode

BEFORE, ITEM, BEHIND = range(3)
"""Whose a sign is: the text's before the cursor, the item's, the text's behind the cursor."""

_TAG_BEHIND = re.compile(r"(?:[(,=?:{\[>;]|&&|\|\||\breturn|\A)\s*\Z")
_A_START = re.compile(r"(?:\A|[=(\[{,;|&]|->|\b(?:then|do|else|in))\s*\Z")
_A_COMMAND = re.compile(r"(?:\A|[;&|({!)`]|\b(?:then|do|else|if|elif|while|until|time|RUN))\s*\Z")
_DIRECTIVE = "#endif"
_BLANKS = re.compile(r"[ \t]")
_MARGIN = re.compile(r"\s*")
_PATTERN = re.compile(r"[ \t]*[^\s()]+(?:[ \t]*\|[ \t]*[^\s()]+)*\Z")  # of a case of the shell
_ENDLESS = re.compile(r"def\s+[\w.?!]+(?:\([^()\n]*\))?\s+=\s")
_CLOSER = CLOSER | {"\\[": "\\]", "\\(": "\\)", "${": "}", "#{": "}", "{$": "}"}


@dataclass(frozen=True, slots=True)
class Open:
    """Something that is open: a bracket, a word's block, a tag, a string, a comment."""

    sign: str
    closes: str
    mode: Mode
    """How what is inside is read."""
    whose: int
    kind: str = "bracket"
    margin: str = ""
    """Of the line that it is in."""
    line: int = 0
    """Where that begins in the text that was read."""
    ends_line: bool = False
    """Whether nothing follows on its line; of the item's only."""
    free: bool = False
    """Whether it may stay open."""
    lines: int = 0
    """How many were read since."""


Stack = tuple[Open, ...]
Faults = tuple[int, int, int]
"""What is left open and what closes nothing: before the cursor, in the item, behind the cursor."""


@dataclass(slots=True)
class Scan:
    """`item`: where the item begins and ends in `text`. The text ends with a line."""

    text: str
    stack: list[Open]
    item: tuple[int, int]
    base: Mode
    cut: bool = False
    """Whether more was opened before than is seen."""
    faults: list[int] = field(default_factory=lambda: [0, 0, 0])
    heredocs: list[Open] = field(default_factory=list)

    def run(self) -> tuple[Stack, Faults]:
        at = 0
        while found := self.mode.pattern.search(self.text, at):
            act = _ACTS.get((found.lastgroup or "").rstrip("0123456789"))
            again = act(self, found) if act is not None else None  # most of it is only passed
            at = found.end() + (found.end() == found.start() == at) if again is None else again
        before, item, behind = self.faults
        return tuple(self.stack), (before, item, behind)

    @property
    def mode(self) -> Mode:
        return self.stack[-1].mode if self.stack else self.base

    # What a sign does, by the name of its group in the mode's pattern. Each may say where to go on.

    def _open(self, found: re.Match[str]) -> None:
        self._push(found, _CLOSER[found[0]], self._inside(self.mode))

    def _close_bracket(self, found: re.Match[str]) -> None:
        if not self._ends_a_pattern(found[0], found.start()):
            self._close(found[0], found.start(), strict=self.mode.family.strict)

    def _stray(self, found: re.Match[str]) -> None:
        self.faults[self._whose(found.start())] += 1

    def _string(self, found: re.Match[str]) -> None:
        quote = self.mode.quote(found.lastgroup or "")
        self._push(found, quote.closes, modes.string(quote), "string")

    def _block(self, found: re.Match[str]) -> None:
        opens, closes = self.mode.block(found.lastgroup or "")
        self._push(found, closes, modes.until(re.escape(closes), re.escape(opens)), "comment")

    def _hole(self, found: re.Match[str]) -> None:
        self._push(found, ")" if found[0].endswith("(") else "}", self._code_around(), "hole")

    def _end(self, _: re.Match[str]) -> None:
        self.stack.pop()

    def _give_up(self, found: re.Match[str]) -> int:
        """It has no end: the line has, or the next one begins."""
        self._leave(self.stack.pop())
        return found.start()

    def _again(self, found: re.Match[str]) -> int | None:
        """A comment in a comment: the item's swallows the next one of the file. Else they may be nested."""
        swallows = self.stack[-1].whose == ITEM and self._whose(found.start()) == BEHIND
        return self._give_up(found) if swallows else None

    def _line(self, _: re.Match[str]) -> None:
        self.stack += self.heredocs
        self.heredocs.clear()

    def _heredoc(self, found: re.Match[str]) -> None:
        tag = found["tag"]
        self.heredocs.append(self._opened(found, tag, modes.until(rf"^[ \t]*{tag}\b"), "heredoc"))

    def _aside(self, found: re.Match[str]) -> None:
        self._push(found, "", modes.until(self.mode.family.aside[1]), "aside", free=True)

    def _paragraph(self, _: re.Match[str]) -> None:
        """Nothing within lines goes on behind a blank one."""
        inline = ("bracket", "toggle") if self.mode.family.inline else ("toggle",)
        while self.stack and self.stack[-1].kind in inline:
            self._leave(self.stack.pop())

    def _toggle(self, found: re.Match[str]) -> None:
        if any(it.closes == found[0] and it.kind == "toggle" for it in self.stack):
            self._close(found[0], found.start())
        else:
            self._push(found, found[0], self.mode, "toggle")

    def _fence(self, found: re.Match[str]) -> None:
        closes = found[0].lstrip(" \t>")
        closes = closes[: len(closes) - len(closes.lstrip(closes[0]))]
        self._push(found, closes, modes.until(rf"^[ \t>]*{closes}{closes[0]}*[ \t]*$"), "block")

    def _begin(self, found: re.Match[str]) -> None:
        self._push(found, f"\\end{{{found['begun']}}}", self.mode, "block")

    def _end_of(self, found: re.Match[str]) -> None:
        """In braces it may be what defines an environment."""
        self._close(found[0], found.start(), strict=all(it.closes != "}" for it in self.stack))

    def _tag(self, found: re.Match[str]) -> None:
        line = self.text[self._line_start(found.start()) : found.start()]
        if not self.mode.is_code or _TAG_BEHIND.search(line):
            self._push(found, ">", modes.tag(self.mode.language), "tag")

    def _end_tag(self, found: re.Match[str]) -> None:
        self._close(f"</{_name(found[0][2:-1].strip(), self.mode)}>", found.start())

    def _begin_element(self, found: re.Match[str]) -> None:
        begun, language = self.stack.pop(), self.mode.language
        family = family_of(language)
        name = _name(begun.sign[1:], self.mode) if not self.mode.is_code else begun.sign[1:]
        if family.tags == "html" and name in VOID:
            return
        inside = modes.text(language)
        if family.tags == "html" and name in EMBEDDED:
            inside = modes.code(EMBEDDED[name], rf"</{name}\s*>")
        behind = self.text[found.end() :].partition("\n")[0]
        closes, ends_line = f"</{name}>", not behind.strip()
        self.stack.append(replace(begun, closes=closes, mode=inside, kind="element", ends_line=ends_line))

    def _word(self, found: re.Match[str]) -> None:
        words = self.mode.family.words
        assert words is not None, "there is a pattern of them"
        word, at = _BLANKS.sub("", found[0].lower() if words.ignore_case else found[0]), found.start()
        line = self.text[self._line_start(at) : at]
        if words.of_commands and not _A_COMMAND.search(line):
            return
        top = self.stack[-1] if self.stack else None
        if top is not None and top.kind == "word" and top.closes == word:
            self.stack.pop()
            if after := words.turns.get(word):
                self.stack.append(replace(top, closes=after))
        elif (after := words.again.get(word)) and top is not None and top.kind == "word":
            self.stack[-1] = replace(top, closes=after)
        elif after := words.opens.get(word):
            statement = word not in words.only_at_a_start or _A_START.search(line)
            if statement and not self._is_head(word, at, top):
                self._push(found, after, self.mode, "word")
        elif word not in words.turns or word in words.opens:
            self._close(word, at, strict=words.strict)

    def _is_head(self, word: str, at: int, top: Open | None) -> bool:
        """Whether a word opens nothing of its own: `while a do`, a method without an end."""
        if word == "def":
            return bool(_ENDLESS.match(self.text, at))
        loop = top is not None and top.sign in ("while", "until", "for") and word == "do"
        return (
            loop
            and self.mode.family.words is not None
            and top is not None
            and top.closes == "end"
            and (bool(re.search(rf"\b{top.sign}\b", self.text[self._line_start(at) : at])))
        )

    def _push(
        self,
        found: re.Match[str],
        closes: str,
        mode: Mode,
        kind: str = "bracket",
        free: bool = False,
    ) -> None:
        self.stack.append(self._opened(found, closes, mode, kind, free))

    def _opened(self, found: re.Match[str], closes: str, mode: Mode, kind: str, free: bool = False) -> Open:
        sign, at = found[0], found.start()
        whose = self._whose(at)
        if whose == BEHIND:
            return Open(sign, closes, mode, whose, kind, free=free)
        start = self._line_start(at)
        blanks = _MARGIN.match(self.text, start, at)
        depth = blanks[0] if blanks else ""
        if whose != ITEM:
            return Open(sign, closes, mode, whose, kind, depth, start, free=free)
        line_end = self.text.find("\n", found.end())
        behind = self.text[found.end() : len(self.text) if line_end < 0 else line_end]
        return Open(sign, closes, mode, whose, kind, depth, start, not behind.strip(), free)

    def _close(self, closes: str, at: int, strict: bool = True) -> None:
        for n in range(len(self.stack) - 1, -1, -1):
            opened = self.stack[n]
            if opened.closes != closes:
                continue
            crooked = self._is_crooked(opened, at)
            if crooked and self.cut:
                continue  # it closes something unseen
            inner = self.stack[n + 1 :]
            kept = [it for it in inner if _DIRECTIVE in (closes, it.closes)]  # brackets do not mind them
            for it in inner:
                if it not in kept and not (closes == "}" and it.sign.startswith("\\begin")):
                    self._leave(it)
            self.stack[n:] = kept
            self.faults[BEHIND] += crooked
            return
        self.faults[self._whose(at)] += strict

    def _is_crooked(self, opened: Open, at: int) -> bool:
        """Whether it ends behind the cursor with a line of another depth: that may end something else."""
        if opened.whose == BEHIND or self._whose(at) != BEHIND:
            return False
        line = self.text[self._line_start(at) : at]
        return not line.strip() and columns(opened.margin + "x") != columns(line + "x")

    def _leave(self, opened: Open) -> None:
        self.faults[opened.whose] += not opened.free

    def _whose(self, at: int) -> int:
        begin, end = self.item
        return BEFORE if at < begin else ITEM if at < end else BEHIND

    def _line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _inside(self, mode: Mode) -> Mode:
        """How what is between braces is read: in tags, and in text between JSX's tags, it is code."""
        if mode.family.tags == "jsx" or (mode.family.tags == "html" and "selfend" in mode.pattern.groupindex):
            return (
                mode
                if mode.is_code
                else modes.code("javascript" if mode.family.tags == "html" else mode.language)
            )
        return mode

    def _code_around(self) -> Mode:
        return next((it.mode for it in reversed(self.stack[:-1]) if it.mode.is_code), self.base)

    def _ends_a_pattern(self, sign: str, at: int) -> bool:
        """Whether it belongs to one of the shell's cases, `a)`; their `case` may be out of sight."""
        words = self.mode.family.words
        if sign != ")" or words is None or not words.of_commands:
            return False
        if any(it.closes == sign for it in self.stack[-1:]):
            return False
        inside = bool(self.stack) and self.stack[-1].closes == "esac"
        return inside or bool(_PATTERN.match(self.text[self._line_start(at) : at]))


def _name(name: str, mode: Mode) -> str:
    return name.lower() if mode.family.tags == "html" and mode.language not in ("vue", "svelte") else name


_ACTS: dict[str, Callable[[Scan, re.Match[str]], int | None]] = {
    "open": Scan._open,
    "close": Scan._close_bracket,
    "stray": Scan._stray,
    "string": Scan._string,
    "block": Scan._block,
    "hole": Scan._hole,
    "end": Scan._end,
    "selfend": Scan._end,
    "line_end": Scan._give_up,
    "broken": Scan._give_up,
    "again": Scan._again,
    "line": Scan._line,
    "heredoc": Scan._heredoc,
    "aside": Scan._aside,
    "paragraph": Scan._paragraph,
    "toggle": Scan._toggle,
    "fence": Scan._fence,
    "begin": Scan._begin,
    "end_of": Scan._end_of,
    "tag": Scan._tag,
    "tagend": Scan._begin_element,
    "endtag": Scan._end_tag,
    "leave": Scan._end_tag,
    "word": Scan._word,
}
