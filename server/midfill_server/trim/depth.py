"""How deep the lines of an item are: as deep as their place, each block by one unit of the file."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from midfill_server.context import Window

from .fit.brackets import without_strings
from .lines import margin

_TAB = 4  # columns
_LONGEST = 8  # columns that may be a unit
_NEAR = 100  # lines above and below the cursor that tell the unit
_ANY = 1 << 16

_OPENS = re.compile(r"[{:\[]\Z|\b(?:do|then|else|begin)\Z|=>\Z")
_BRACES = re.compile(r"[{}]")
_ENDED = re.compile(r"[;}]\Z")
_LABEL = re.compile(r"(?:case|default|public|private|protected)\b.*:")
_DASHES = re.compile(r"(?:- )*")
_PROSE = frozenset({"markdown", "plaintext", "restructuredtext", "latex", "asciidoc"})
_TABS = frozenset({"go", "makefile"})


def indentation(text: str, window: Window) -> str:
    """No blanks before an item on a line that is indented already; blocks one unit deeper than their openers.

    Tabs where the file has tabs. A line that is shown less deep takes along what stands below at its depth.
    """
    start = window.line_start
    begun = bool(start.strip())
    depths = _Depths(window, "" if begun else _line_above(window))
    first, *others = text.split("\n")
    if begun:
        depths.begin(start + first)
    elif not first.strip():
        first = ""
    elif start:
        whole = depths.shown(start + first, most=depths.deepest_at(start))
        first = whole.removeprefix(start) if whole.startswith(start) else whole.lstrip()
    else:
        first = depths.shown(first)
    return "\n".join([first, *(depths.shown(line) if line.strip() else line for line in others)])


@dataclass(slots=True)
class _Depths:
    """Goes through an item's lines."""

    window: Window
    above: str
    """The line above, as deep as it was written."""
    less: list[tuple[int, int]] = field(default_factory=list)
    """From which depth on lines are shown less deep, and by how much."""
    braces: list[int] = field(default_factory=list)
    """How deep the lines are that opened the braces which are open."""
    tab: int = 0
    """How many blanks a tab is, where the item has blanks and the file tabs."""

    def begin(self, line: str) -> None:
        self._opened(line, _columns(margin(line)))

    def shown(self, line: str, most: int | None = None) -> str:
        """As it is shown. `most`: its depth at most, in columns, where the line above does not tell."""
        unit, own, code = unit_of(self.window), margin(line), line.lstrip()
        if unit == "\t" and own.startswith(" "):
            self.tab = self.tab or (_TAB if len(own) % _TAB == 0 else 2)
            own = "\t" * (len(own) // self.tab) + " " * (len(own) % self.tab)
        depth = _columns(own)
        self.less = [(deep, by) for deep, by in self.less if deep <= depth]
        by = self.less[-1][1] if self.less else 0
        over = depth - (self._deepest(unit, depth) if most is None else most)
        if code.startswith("}") and self.braces:
            by = max(by, depth - self.braces[-1])
        elif over > 0:
            by += over
            self.less.append((depth, by))
        if by or (unit and unit != "\t" and "\t" in own):
            own = _blanks(depth - by, unit)
        self._opened(_blanks(depth, unit) + code, depth - by)
        return own + code

    def _opened(self, line: str, depth: int) -> None:
        """`depth`: how deep it is shown."""
        self.above = line
        for brace in _BRACES.findall(without_strings(line)):
            if brace == "{":
                self.braces.append(depth)
            elif self.braces:
                self.braces.pop()

    def deepest_at(self, start: str) -> int:
        """How deep the cursor's line may be: as it is, unless its blanks are too few for what is above."""
        depth, above, unit = _columns(start), _columns(margin(self.above)), unit_of(self.window)
        opens = bool(_OPENS.search(self.above.rstrip()))
        if depth % (_columns(unit) or _TAB) or (opens and depth <= above):
            return max(depth, self._deepest(unit, depth) if opens else above)
        return depth

    def _deepest(self, unit: str, written: int) -> int:
        """How deep a line may be that follows, and was written so deep."""
        line = self.above.strip()
        depth = _columns(margin(self.above))
        if not line or self.window.language in _PROSE:
            return _ANY
        if _OPENS.search(line):
            dashes = _DASHES.match(line)
            depth += dashes.end() if dashes else 0
            step = written - depth
            return depth + (_columns(unit) if unit else step if step < _LONGEST else _TAB)
        if _ENDED.search(line) and not _LABEL.match(line):
            return depth
        return _ANY  # it may go on there


@lru_cache(maxsize=4)
def unit_of(window: Window) -> str:
    """What the file's blocks are indented by: a tab or some blanks; "" where nothing tells."""
    above = [line for line in window.prefix.split("\n")[-_NEAR:-1] if line.strip()]
    below = [line for line in window.suffix.split("\n")[1:_NEAR] if line.strip()]
    steps = Counter(step for lines in ([*above, window.line_start + "x"], below) for step in _steps(lines))
    for step, _ in steps.most_common(1):
        return step
    return "\t" if window.language in _TABS else ""


def _steps(lines: list[str]) -> Iterator[str]:
    for (outer, one), (inner, _) in pairwise((margin(line), line) for line in lines):
        step = inner[len(outer) :]
        plain = step == "\t" or (step and len(step) <= _LONGEST and not step.strip(" "))
        if plain and inner.startswith(outer) and _OPENS.search(one.rstrip()[-8:]):
            yield step


def _line_above(window: Window) -> str:
    lines = window.prefix[: len(window.prefix) - len(window.line_start)].rstrip()
    return lines[lines.rfind("\n") + 1 :]


def _columns(blanks: str) -> int:
    return len(blanks.expandtabs(_TAB))


def _blanks(columns: int, unit: str) -> str:
    if unit == "\t":
        return "\t" * (columns // _TAB) + " " * (columns % _TAB)
    return " " * columns
