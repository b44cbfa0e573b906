"""What clients of copilot-language-server ask beside LSP, so that they work when pointed at `midfill serve`.

Nobody has to sign in here: every question about that is answered as if the user had. Names and shapes are
those of copilot-language-server, and of the older agent that copilot.el and copilot.lua were written for.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams

from midfill_server import __version__
from midfill_server.editor import commands as requests
from midfill_server.editor.protocol import Protocol
from midfill_server.engines.status import State, Status

USER = "local"
"""Who is signed in: nobody but who sits there."""

ACCEPTED = "github.copilot.didAcceptCompletionItem"


class Front(requests.Front, typing.Protocol):
    """What the handlers here need of the server."""

    protocol: Protocol

    def command(self, command_name: str) -> Callable[..., Any]: ...
    async def answer(self, uri: str, position: lsp.Position, explicit: bool) -> list[str]: ...


def is_spoken_by(options: object) -> bool:
    """Whether a client's initialization options are those that copilot-language-server asks for."""
    return isinstance(options, Mapping) and not options.keys().isdisjoint(("editorInfo", "editorPluginInfo"))


def welcome(ls: Front) -> None:
    """Tell such a client the status in its words, and take the command that some of them send unasked.

    Nobody else hears of it: VS Code would take it for a second Copilot.
    """
    ls.command(ACCEPTED)(requests.accepted)
    ls.announce.mirror = lambda status: ls.protocol.notify("didChangeStatus", status_in_its_words(status))


def status_in_its_words(status: Status) -> dict[str, object]:
    """kind: Normal, Warning, Error, or Inactive, when no completions are to be expected."""
    kind = "Normal"
    if status.state is State.FAILED:
        kind = "Error"
    elif status.paused or status.snoozed_until or status.state is State.OFF:
        kind = "Inactive"
    elif status.warning:
        kind = "Warning"
    busy = status.state is State.LOADING or (status.state is State.STARTING and bool(status.message))
    return {"kind": kind, "busy": busy, "message": status.message or status.warning}


async def completions(ls: Front, params: Any) -> dict[str, object]:
    """`getCompletions`, the older agent's way to ask for ghost text."""
    return await _completions(ls, params, explicit=False)


async def cycling(ls: Front, params: Any) -> dict[str, object]:
    """`getCompletionsCycling`: the user wants to see others, too."""
    return await _completions(ls, params, explicit=True)


async def _completions(ls: Front, params: Any, explicit: bool) -> dict[str, object]:
    try:
        document = params["doc"]
        uri, place, version = document["uri"], document["position"], document.get("version")
        position = lsp.Position(int(place["line"]), int(place["character"]))
        texts = await ls.answer(str(uri), position, explicit=explicit)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise JsonRpcInvalidParams("Invalid parameters for getCompletions") from error
    here = {"line": position.line, "character": position.character}
    found = [
        {
            "uuid": ls.offers.new(str(uri), text),
            "text": text,
            "displayText": text,
            "position": here,
            "range": {"start": here, "end": here},
            "docVersion": version,
        }
        for text in texts
    ]
    return {"completions": found}


def shown(ls: Front, params: Any) -> str:
    ls.offers.show(_uuid(params))
    return "OK"


def accepted(ls: Front, params: Any) -> str:
    ls.offers.accept(_uuid(params))
    return "OK"


def _uuid(params: Any) -> object:
    return params.get("uuid") if isinstance(params, Mapping) else None


def _always(answer: object) -> Callable[..., object]:
    def handler(ls: Front, _: Any) -> object:
        return answer

    return handler


FEATURES: tuple[tuple[str, Callable[..., object]], ...] = (
    ("checkStatus", _always({"status": "OK", "user": USER})),
    ("signIn", _always({"status": "AlreadySignedIn", "user": USER})),
    ("signInInitiate", _always({"status": "AlreadySignedIn", "user": USER})),
    ("signInConfirm", _always({"status": "OK", "user": USER})),
    ("signOut", _always({"status": "NotSignedIn"})),
    ("setEditorInfo", _always("OK")),
    ("getVersion", _always({"version": __version__})),
    ("getCompletions", completions),
    ("getCompletionsCycling", cycling),
    ("notifyShown", shown),
    ("notifyAccepted", accepted),
    ("notifyRejected", _always("OK")),
)
