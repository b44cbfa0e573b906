"""`python -m tests.languages.table`: what the embedded model's users see at the ordinary places, by language.

Prints each item for the eye, then a table; with `--explicit`, as somebody sees it who asks with a key.
"""

import argparse
import asyncio
import re
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

from midfill_server.tools.lsp_client import Editor
from midfill_server.tools.private_engine import private_engine

from . import Position, positions
from .balance import is_worse

COLUMNS = ("shown", "right so far", "unbalanced", "too deep", "a line again", "taken back")
FOREIGN = re.compile(r"copyright|spdx|licen[cs]e|\S+@\S+\.\S+|https?://", re.I)


async def ask(editor: Editor, at: Position, uri: str, explicit: bool) -> tuple[str, list[str]]:
    """The item, and what was seen while it grew."""
    editor.open(uri, at.prefix + at.suffix, at.language)
    line, column = at.prefix.count("\n"), len(at.prefix) - at.prefix.rfind("\n") - 1
    pending = editor.complete(uri, line, column, explicit=explicit, grow=lambda _: None)
    text = await pending.text()
    editor.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
    return text, list(pending.partials)


def faults(at: Position, item: str, partials: list[str]) -> list[str]:
    """The columns that this item counts in."""
    found = ["shown"] if item.strip() else []
    if not found:
        return found
    rest = at.hidden + at.suffix
    if " ".join(rest.split()).startswith(" ".join(item.split())):
        found.append("right so far")
    before, after = at.prefix + at.suffix, at.prefix + item + at.suffix
    if "right so far" not in found and is_worse(
        before, after, at.prefix + at.hidden + at.suffix, at.language
    ):
        found.append("unbalanced")
    if _too_deep(at, item):
        found.append("too deep")
    if _again(at, item):
        found.append("a line again")
    if any(not later.startswith(sooner) for sooner, later in pairwise([*partials, item])):
        found.append("taken back")
    return found


def _too_deep(at: Position, item: str) -> bool:
    """Whether a line is more than a unit deeper than the one above it."""
    lines = (at.prefix.rpartition("\n")[2] + item).split("\n")
    above = [line for line in at.prefix.split("\n")[:-1] if line.strip()][-1:]
    depths = [_depth(line) for line in [*above, *lines] if line.strip()]
    unit = 1 if "\n\t" in at.prefix else 4
    return any(deeper - depth > unit for depth, deeper in pairwise(depths))


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _again(at: Position, item: str) -> bool:
    """Whether a line of words, new with the item, stands within three lines of the cursor, or in the item."""
    lines = [line.strip() for line in (at.prefix.rpartition("\n")[2] + item).split("\n")]
    near = [line.strip() for line in at.prefix.split("\n")[-4:-1] + at.suffix.split("\n")[1:4]]
    hidden = [line.strip() for line in at.hidden.split("\n")]
    new = [line for line in lines if len(re.findall(r"\w", line)) > 3 and line not in hidden]
    return any(line in near for line in new) or max(Counter(new).values(), default=0) > 1


async def main(explicit: bool, languages: list[str]) -> None:
    table: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        async with private_engine("demo"), Editor() as editor:
            root = Path(name)
            await editor.initialize({"model": "demo", "statistics": False}, root=root)
            for at in positions():
                if languages and at.language not in languages:
                    continue
                uri = (root / at.name).as_uri()
                item, partials = await ask(editor, at, uri, explicit)
                found = faults(at, item, partials)
                table.setdefault(at.language, Counter()).update([*found, "places"])
                if item:
                    told = ", ".join(found[1:]) + (" FOREIGN" if FOREIGN.search(item) else "")
                    print(f"{at.language}: {at.prefix.rpartition(chr(10))[2]!r} ║ {item!r} ({told})")
    print(f"\n{'':16}", *(f"{it:>13}" for it in ("places", *COLUMNS)))
    for language, counts in [*table.items(), ("all", sum(table.values(), Counter()))]:
        print(f"{language:16}", *(f"{counts[it]:13}" for it in ("places", *COLUMNS)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--explicit", action="store_true")
    parser.add_argument("languages", nargs="*")
    options = parser.parse_args()
    asyncio.run(main(options.explicit, options.languages))
