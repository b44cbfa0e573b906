"""A notebook as an editor tells of it, by LSP's notebook synchronisation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
Say = Callable[[str, Json], None]


@dataclass
class Notebook:
    """Its cells, by the addresses of their documents, in their order."""

    uri: str
    say: Say
    cells: list[str] = field(default_factory=list)
    is_open: bool = False
    version: int = 1

    def open(self, items: Sequence[Json]) -> None:
        """With those text documents as its cells."""
        self.is_open, self.cells = True, [str(it["uri"]) for it in items]
        notebook = {"uri": self.uri, "notebookType": "jupyter-notebook", "version": self.version}
        notebook |= {"cells": [_cell(it) for it in self.cells]}
        self.say("notebookDocument/didOpen", {"notebookDocument": notebook, "cellTextDocuments": items})

    def close(self) -> None:
        gone = [{"uri": it} for it in self.cells]
        told = {"notebookDocument": {"uri": self.uri}, "cellTextDocuments": gone}
        self.say("notebookDocument/didClose", told)
        self.is_open, self.cells = False, []

    def insert(self, place: int, item: Json) -> None:
        self.cells.insert(place, str(item["uri"]))
        array = {"start": place, "deleteCount": 0, "cells": [_cell(str(item["uri"]))]}
        self._change({"structure": {"array": array, "didOpen": [item]}})

    def remove(self, uri: str) -> None:
        place = self.cells.index(uri)
        self.cells.remove(uri)
        array = {"start": place, "deleteCount": 1}
        self._change({"structure": {"array": array, "didClose": [{"uri": uri}]}})

    def move(self, uri: str, place: int, first_away: bool) -> None:
        """In two changes; `first_away`: it is away before it is there again, else it is twice meanwhile."""
        old, n = self.cells.index(uri), len(self.cells)
        away = {"start": old, "deleteCount": 1}
        self.cells.remove(uri)
        self.cells.insert(place := min(place, n - 1), uri)
        there = {"start": place, "deleteCount": 0, "cells": [_cell(uri)]}
        if first_away:
            self._change({"structure": {"array": away}})
            self._change({"structure": {"array": there}})
        else:
            self._change({"structure": {"array": there | {"start": place + (place > old)}}})
            self._change({"structure": {"array": away | {"start": old + (place <= old)}}})

    def type(self, uri: str, version: int, changes: Sequence[Json]) -> None:
        text = {"document": {"uri": uri, "version": version}, "changes": changes}
        self._change({"textContent": [text]})

    def _change(self, cells: Json) -> None:
        self.version += 1
        notebook = {"uri": self.uri, "version": self.version}
        self.say("notebookDocument/didChange", {"notebookDocument": notebook, "change": {"cells": cells}})


def _cell(uri: str) -> Json:
    return {"kind": 2, "document": uri}
