"""What an editor waits for: the time from the start of `midfill serve` to its first answer."""

from functools import partial


def load_lsp_types() -> None:
    """Import lsprotocol.types in half of its time.

    Three quarters of the server's start is attrs writing and compiling methods for 568 classes. Two of those
    methods are of no use to a server: it compares no messages, and must never print one: they hold user text.
    """
    import attrs

    define = attrs.define
    attrs.define = partial(define, eq=False, repr=False)
    try:
        import lsprotocol.types  # noqa: F401
    finally:
        attrs.define = define
