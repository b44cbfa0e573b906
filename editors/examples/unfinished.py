"""A file to try Midfill on: `make demo` asks for the body of `__init__`."""


class Point:
    """A point in the plane."""

    def __init__(self, x: float, y: float) -> None:

    def distance(self, other: "Point") -> float:
        """How far away `other` is."""
        return ((self.x - other.x) ** 2 + (self.y - other.y) ** 2) ** 0.5
