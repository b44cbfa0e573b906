"""What clients send that LSP does not know, made into what it knows: an odd field costs no ghost text.

Raw parameters in, raw parameters out; pure. What cannot be guessed stays as it is, and is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from lsprotocol import types as lsp

MOST = 2**31 - 1  # of LSP's integers; some clients mean the end of a line or a file by more
AUTOMATIC = lsp.InlineCompletionTriggerKind.Automatic.value
EXPLICIT = lsp.InlineCompletionTriggerKind.Invoked.value

Raw = dict[str, Any]


def mended(method: str, params: Any) -> Any:
    """Parameters of a request or a notification that lsprotocol can read."""
    mend = _MENDS.get(method)
    return params if mend is None or not isinstance(params, dict) else mend(params)


def _initialize(params: Raw) -> Raw:
    """Of the capabilities what is used: the others may have values that came after lsprotocol."""
    known = {key: it for key, it in params.items() if key in _INITIAL}
    told = {} if params.get("capabilities") is None else params["capabilities"]
    if isinstance(told, dict):
        told = {name: _used(it, _CAPABILITIES[name]) for name, it in told.items() if name in _CAPABILITIES}
        if "notebookDocument" in told:
            told["notebookDocument"] = {"synchronization": {}}
    if isinstance(path := params.get("rootPath"), str):
        known["rootPath"] = path
    return known | {"workspaceFolders": _folders(params.get("workspaceFolders")), "capabilities": told}


def _did_change_folders(params: Raw) -> Raw:
    event = params.get("event")
    if not isinstance(event, dict):
        return params
    return {"event": {side: _folders(event.get(side)) for side in ("added", "removed")}}


def _folders(told: object) -> list[Raw]:
    """Those that have a URI; their names are not used."""
    folders = told if isinstance(told, list) else []
    uris = [it.get("uri") for it in folders if isinstance(it, dict)]
    return [{"uri": uri, "name": ""} for uri in uris if isinstance(uri, str)]


_INITIAL = ("processId", "rootUri", "initializationOptions")


def _used(told: object, keys: Mapping[str, type]) -> Raw:
    if not isinstance(told, dict):
        return {}
    return {key: it for key, kind in keys.items() if isinstance(it := told.get(key), kind)}


_CAPABILITIES: Mapping[str, Mapping[str, type]] = {
    "general": {"positionEncodings": list},
    "notebookDocument": {},
    "window": {"workDoneProgress": bool},
    "workspace": {"configuration": bool, "didChangeConfiguration": dict, "workspaceFolders": bool},
}


def _inline_completion(params: Raw) -> Raw:
    """Whatever asks and is not known to be a person is automatic, as is a context that is none."""
    told = params.get("context")
    told = told if isinstance(told, dict) else {}
    context: Raw = {"triggerKind": EXPLICIT if told.get("triggerKind") == EXPLICIT else AUTOMATIC}
    if _is_selection(selected := told.get("selectedCompletionInfo")):
        context["selectedCompletionInfo"] = selected | {"range": _range(selected["range"])}
    return _at_position(params) | {"context": context}


def _is_selection(selected: object) -> TypeGuard[Raw]:
    return (
        isinstance(selected, dict)
        and isinstance(selected.get("text"), str)
        and isinstance(selected.get("range"), dict)
    )


def _completion(params: Raw) -> Raw:
    """Who asks for a menu, and why, makes no difference."""
    return {key: it for key, it in _at_position(params).items() if key != "context"}


def _at_position(params: Raw) -> Raw:
    return params | {"position": _position(params.get("position"))}


def _did_open(params: Raw) -> Raw:
    return params | {"textDocument": _text_document(params.get("textDocument"))}


def _did_open_notebook(params: Raw) -> Raw:
    told = params.get("notebookDocument")
    return {
        "notebookDocument": _notebook(told) if isinstance(told, dict) else told,
        "cellTextDocuments": [_text_document(it) for it in _list(params.get("cellTextDocuments"))],
    }


def _notebook(told: Raw) -> Raw:
    cells = [_cell(it) for it in _list(told.get("cells"))]
    return {"uri": told.get("uri"), "notebookType": "", "version": 0, "cells": cells}


def _cell(told: Raw) -> Raw:
    kind = lsp.NotebookCellKind.Markup.value
    return {"kind": kind if told.get("kind") == kind else lsp.NotebookCellKind.Code.value} | {
        "document": told.get("document")
    }


def _did_change_notebook(params: Raw) -> Raw:
    """What its metadata are, and what running it brought, makes no difference."""
    change = params.get("change")
    cells = change.get("cells") if isinstance(change, dict) else None
    kept: Raw = {}
    if isinstance(cells, dict):
        kept["textContent"] = [_did_change_cell(it) for it in _list(cells.get("textContent"))]
        if isinstance(structure := cells.get("structure"), dict):
            kept["structure"] = _structure(structure)
    return {"notebookDocument": _versioned(params.get("notebookDocument")), "change": {"cells": kept}}


def _structure(told: Raw) -> Raw:
    array = told.get("array")
    if isinstance(array, dict):
        array = _position(array) | {"cells": [_cell(it) for it in _list(array.get("cells"))]}
    opened = [_text_document(it) for it in _list(told.get("didOpen"))]
    return {"array": array, "didOpen": opened, "didClose": _list(told.get("didClose"))}


def _did_change_cell(told: Raw) -> Raw:
    changes = [_change(it) for it in _list(told.get("changes"))]
    return {"document": _versioned(told.get("document")), "changes": changes}


def _list(told: object) -> list[Any]:
    return [it for it in told if isinstance(it, dict)] if isinstance(told, list) else []


def _text_document(told: Any) -> Any:
    """A document whose language or version is not told has none."""
    if not isinstance(told, dict):
        return told
    language = told.get("languageId")
    return _versioned(told) | {"languageId": language if isinstance(language, str) else ""}


def _did_change(params: Raw) -> Raw:
    changes = params.get("contentChanges")
    changes = [_change(it) for it in changes] if isinstance(changes, list) else changes
    return params | {"textDocument": _versioned(params.get("textDocument")), "contentChanges": changes}


def _versioned(told: Any) -> Any:
    if not isinstance(told, dict):
        return told
    version = told.get("version")
    return told | {"version": _within(version) if _is_number(version) else 0}


def _change(told: Any) -> Any:
    """A change without a range is the whole text. `rangeLength` says nothing that the range does not."""
    if not isinstance(told, dict):
        return told
    kept = {key: it for key, it in told.items() if key != "rangeLength" and it is not None}
    return kept | {"range": _range(kept["range"])} if "range" in kept else kept


def _range(told: Any) -> Any:
    return {side: _position(it) for side, it in told.items()} if isinstance(told, dict) else told


def _position(told: Any) -> Any:
    """Before the beginning is the beginning, behind the end the end."""
    if not isinstance(told, dict):
        return told
    return {key: _within(it) if _is_number(it) else it for key, it in told.items()}


def _is_number(it: object) -> TypeGuard[float]:
    return isinstance(it, int | float) and not isinstance(it, bool) and it == it  # NaN is no number


def _within(number: float) -> int:
    return int(max(0, min(number, MOST)))


_MENDS: Mapping[str, Callable[[Raw], Raw]] = {
    lsp.INITIALIZE: _initialize,
    lsp.TEXT_DOCUMENT_INLINE_COMPLETION: _inline_completion,
    lsp.TEXT_DOCUMENT_COMPLETION: _completion,
    lsp.NOTEBOOK_DOCUMENT_DID_OPEN: _did_open_notebook,
    lsp.NOTEBOOK_DOCUMENT_DID_CHANGE: _did_change_notebook,
    lsp.TEXT_DOCUMENT_DID_OPEN: _did_open,
    lsp.TEXT_DOCUMENT_DID_CHANGE: _did_change,
    lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: _did_change_folders,
}
