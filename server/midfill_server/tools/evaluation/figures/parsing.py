"""Whether a file that parsed still parses with an item in its hole, where there is a grammar for it."""

from __future__ import annotations

from collections.abc import Iterator

from midfill_server.tools.evaluation.holes import Hole
from midfill_server.trim import grammar


def still_parses(hole: Hole, shown: str) -> bool | None:
    """None for nothing shown, a language without a grammar, or a file that did not parse before."""
    judge = grammar(hole.file.language)
    if not shown or judge is None or not judge.parses(hole.file.text):
        return None
    return judge.parses(hole.prefix + shown + hole.suffix)


def one_line_can_parse(hole: Hole) -> bool:
    """Whether one line in the hole can leave a file that parses: then an item of one line is judged by that.

    Tried are the hidden text, if it is one line; else any of its lines, its first and last one as one, a
    statement, and nothing. A hole from the middle of one statement to the middle of another has no such line.
    What opens a block without a body, or begins one with a comment, counts as broken.
    """
    judge = grammar(hole.file.language)
    return judge is not None and any(judge.parses(hole.prefix + it + hole.suffix) for it in _lines(hole))


def _lines(hole: Hole) -> Iterator[str]:
    first, *others = hole.hidden.split("\n")
    yield first
    if others:
        yield from (line.strip() for line in others)
        yield first + others[-1].lstrip()
        yield from ("pass" if hole.file.language == "python" else ";", "")
