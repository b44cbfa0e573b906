"""The language server: LSP on one side, a completion engine on the other. Never imports torch."""

__version__ = "0.1.0"
