"""A file to try Midfill on: `make demo` asks for the body of `remove`."""

from dataclasses import dataclass, field


@dataclass
class Inventory:
    """How many of each thing there are."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, count: int = 1) -> None:
        """Put `count` of `name` in."""
        if count < 1:
            raise ValueError("count must be positive")
        self.counts[name] = self.counts.get(name, 0) + count

    def names(self) -> list[str]:
        """The things there are, in the order of the alphabet."""
        return sorted(self.counts)

    def total(self) -> int:
        """How many things there are altogether."""
        return sum(self.counts.values())

    def remove(self, name: str, count: int = 1) -> None:
        """Take `count` of `name` out."""
