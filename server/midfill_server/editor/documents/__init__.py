"""What the editor has open: the text of documents, and which of them are one notebook's cells."""

from midfill_server.editor.documents.notebooks import Notebooks, View
from midfill_server.editor.documents.text import Document, Documents, split_lines

__all__ = ["Document", "Documents", "Notebooks", "View", "split_lines"]
