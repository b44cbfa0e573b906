"""Definitions, and which of them stand in which: by indentation, from top to bottom. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import InitVar, dataclass, field
from typing import NamedTuple

NAME = re.compile(r"[^\W\d]\w+")
SELF = "self."  # so an attribute begins


@dataclass(frozen=True, slots=True)
class Definition:
    """`text` is its signature with its indentation, without its body; or a passage, which has no name."""

    name: str
    line: int
    text: str
    owner: "Definition | None" = None
    """The class or the like that it stands in."""
    lead: InitVar[str] = ""
    """Lines before it, whose names count: what follows lines like the cursor's is what is wanted there."""
    names: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self, lead: str) -> None:
        object.__setattr__(self, "names", frozenset(NAME.findall(f"{lead}\n{self.text}")))

    @property
    def is_attribute(self) -> bool:
        return self.text.startswith(SELF, len(self.text) - len(self.text.lstrip(" \t")))

    def standing_in(self, owner: "Definition | None") -> "Definition":
        return self if owner is self.owner else self._with(self.line, owner)

    def moved(self, by: int) -> "Definition":
        """With what it stands in, `by` lines down."""
        return self._with(self.line + by, self.owner and self.owner.moved(by))

    def _with(self, line: int, owner: "Definition | None") -> "Definition":
        it = object.__new__(Definition)  # its names need not be looked for again
        object.__setattr__(it, "name", self.name)
        object.__setattr__(it, "line", line)
        object.__setattr__(it, "text", self.text)
        object.__setattr__(it, "owner", owner)
        object.__setattr__(it, "names", self.names)
        return it


class Found(NamedTuple):
    """A line that defines something, or (None) that only ends what is indented as far or farther."""

    indent: int
    definition: Definition | None = None
    opens: bool | None = None
    """What may stand in it: members, which others see; or what is local to it; None: nothing."""


class Frame(NamedTuple):
    """What the lines below, if they are indented farther, stand in."""

    indent: int
    owner: Definition | None
    """None: a function, whose names nobody else sees."""


def owned(
    found: Iterable[Found], around: list[Frame], attributes: set[tuple[str, str]]
) -> Iterator[Definition]:
    """What of `found` others see, with its owners.

    `around` is what the first of them stands in, and in the end what would follow the last one does.
    `attributes`, (the owner's name, its own), are those that are known; new ones are added.
    """
    for indent, definition, opens in found:
        while around and around[-1].indent >= indent:
            around.pop()
        if definition is None:
            continue
        owner = next((it.owner for it in reversed(around) if it.owner is not None), None)
        if definition.is_attribute:
            if owner is None or (owner.name, definition.name) in attributes:
                continue
            attributes.add((owner.name, definition.name))
        elif (indent and not around) or not all(it.owner for it in around):
            continue  # local to a function
        yield (definition := definition.standing_in(owner))
        if opens is not None:
            around.append(Frame(indent, definition if opens else None))
