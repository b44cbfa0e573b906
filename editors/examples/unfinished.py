"""A file to try Midfill on: `make demo` asks for the body of `__init__`."""


class Book:
    """A book in a library."""

    def __init__(self, title: str, author: str) -> None:

    def describe(self) -> str:
        """What stands on its card."""
        return f"{self.title} by {self.author}"
