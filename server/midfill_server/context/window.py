"""The text around the cursor that a completion is asked for. Pure text: no LSP, no tokens, no engine.

Sizes are in characters and generous; the engine, which has the tokenizer, cuts to tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

WINDOW_CHARACTERS_PER_TOKEN = (
    6  # more than real code needs (about 4), so that the engine's budget is always filled
)
ANCHOR_LINES = 64
MAX_DOCUMENT = 2_000_000  # characters: above it a file is data, not something to write in


@dataclass(frozen=True, slots=True)
class Window:
    """The text before and after the cursor, line ends as \\n whatever the file uses."""

    prefix: str
    suffix: str
    multiline: bool = True
    """Whether more than one line may be offered at all."""
    language: str = ""
    """LSP's name of the language, as the editor gave it."""
    elsewhere: tuple[str, ...] = field(default=(), compare=False)
    """What is sent along of other files and of this one's top, as far as it was known then."""

    @property
    def line_start(self) -> str:
        """The cursor's line up to the cursor."""
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    @property
    def line_rest(self) -> str:
        """The cursor's line from the cursor on."""
        return self.suffix.partition("\n")[0]


class Unsuitable(Exception):
    """A document that no completion is offered in; the message says why."""


def window_at(
    lines: Sequence[str],
    line: int,
    index: int,
    prefix_tokens: int,
    suffix_tokens: int,
    multiline: bool = True,
    language: str = "",
) -> Window:
    """The window around character `index` of `lines[line]`. Raises Unsuitable for binary text."""
    prefix = _before(lines, line, index, prefix_tokens * WINDOW_CHARACTERS_PER_TOKEN)
    suffix = _after(lines, line, index, suffix_tokens * WINDOW_CHARACTERS_PER_TOKEN)
    if "\0" in prefix or "\0" in suffix:
        raise Unsuitable("a binary file")
    return Window(_clean(prefix), _clean(suffix), multiline, language)


def _before(lines: Sequence[str], line: int, index: int, budget: int) -> str:
    first, size = line, index
    while first > 0 and size < budget:
        first -= 1
        size += len(lines[first])
    first -= first % ANCHOR_LINES  # so that the start stays put while the user types
    text = "".join(lines[first:line]) + lines[line][:index]
    if len(text) > 2 * budget:  # lines of enormous length: the same anchoring, in characters
        stride = max(budget // 2, 1)
        text = text[(len(text) - budget) // stride * stride :]
    return text


def _after(lines: Sequence[str], line: int, index: int, budget: int) -> str:
    parts, size = [lines[line][index : index + budget]], len(lines[line]) - index
    while size < budget and line + 1 < len(lines):
        line += 1
        parts.append(lines[line])
        size += len(lines[line])
    return "".join(parts)[:budget]


def _clean(text: str) -> str:
    """One kind of line end, and no half of a surrogate pair, which UTF-8 cannot carry."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
