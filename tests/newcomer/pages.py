"""What README and the editors' pages tell a newcomer to do, read out of their Markdown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fence:
    """A block of code: the heading above it, the word behind its ```, and what it holds."""

    heading: str
    info: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its commands."""
        return [line for line in self.text.splitlines() if line.strip() and not line.startswith("#")]


def fences(markdown: str) -> Iterator[Fence]:
    heading, inside, info = "", list[str](), ""
    is_inside = False
    for line in markdown.splitlines():
        if line.lstrip().startswith("```"):
            if is_inside:
                yield Fence(heading, info, "\n".join(inside) + "\n")
            is_inside, info, inside = not is_inside, line.strip().removeprefix("```"), []
        elif is_inside:
            inside.append(line)
        elif line.startswith("#"):
            heading = line.strip("# ")


def first(markdown: str, info: str, holds: str) -> Fence:
    """The first block of this kind that holds a text; AssertionError when the page has none."""
    found = next((it for it in fences(markdown) if it.info == info and holds in it.text), None)
    assert found is not None, f"no block of {info} holds {holds!r}"
    return found


def in_line(markdown: str, pattern: str) -> str:
    """The first `code` within a text that matches; AssertionError when there is none."""
    found = [it for it in re.findall(r"`([^`\n]+)`", markdown) if re.fullmatch(pattern, it)]
    assert found, f"no code in the text is like {pattern!r}"
    return str(found[0])


def page_for(readme: Path, editor: str) -> Path:
    """The page that README's table of editors leads to."""
    row = re.search(rf"^\| *{editor}\b.*$", readme.read_text("utf-8"), re.MULTILINE)
    assert row is not None, f"README has no row for {editor}"
    link = re.search(r"\]\(([^)#]+)", row[0])
    assert link is not None, f"README's row for {editor} leads nowhere"
    return readme.parent / link[1]
