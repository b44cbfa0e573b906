"""Requests of Midfill's own, which are commands too, and what editors tell of items that were offered.

`midfill/status`, `midfill/pause`, `midfill/resume` and `midfill/restart` take no parameters, `midfill/snooze`
takes minutes. They answer the status, which also comes as the notification `midfill/statusChanged`, there
without the counts. `midfill/why` answers the last requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pygls.exceptions import JsonRpcInvalidParams

from midfill_server.editor.announce import Announcer
from midfill_server.editor.record.offers import Offers
from midfill_server.editor.record.why import WhyFile
from midfill_server.engines.choice import Choice

ACCEPTED = "midfill/didAcceptCompletionItem"
"""The command of every item; its argument is the offer's id."""

LONGEST_SNOOZE = 1440  # minutes


class Front(Protocol):
    """What the handlers here need of the server."""

    announce: Announcer
    offers: Offers
    why: WhyFile

    def pause(self, paused: bool) -> None: ...
    def snooze(self, minutes: float) -> None: ...
    async def restart(self) -> None: ...

    engine: Choice


def status(ls: Front, *_: Any) -> dict[str, object]:
    return ls.announce.as_json() | {"counts": ls.offers.as_json()}


def pause(ls: Front, *_: Any) -> dict[str, object]:
    ls.pause(True)
    return status(ls)


def resume(ls: Front, *_: Any) -> dict[str, object]:
    ls.pause(False)
    return status(ls)


def snooze(ls: Front, *arguments: Any) -> dict[str, object]:
    """`{"minutes": 30}`, or 30 as a command's argument; `midfill/resume` ends it before."""
    given = arguments[0] if arguments else None
    minutes: Any = given.get("minutes") if isinstance(given, Mapping) else given
    if type(minutes) not in (int, float) or not 0 < minutes <= LONGEST_SNOOZE:
        raise JsonRpcInvalidParams(
            f'midfill/snooze needs a number of minutes, at most {LONGEST_SNOOZE}, as in {{"minutes": 30}}'
        )
    ls.snooze(minutes)
    return status(ls)


async def restart(ls: Front, *_: Any) -> dict[str, object]:
    """Answers once a new engine listens, or cannot be started: the status says which."""
    await ls.restart()
    return status(ls)


def why(ls: Front, *_: Any) -> dict[str, list[str]]:
    """The last requests for ghost text, oldest first, a line for each: what became of it."""
    return {"requests": list(ls.why.lines)}


def accepted(ls: Front, *arguments: Any) -> None:
    for offer in arguments[:1]:
        ls.offers.accept(offer)


def did_show(ls: Front, params: Any) -> None:
    ls.offers.show(offer_of(params))


def did_partially_accept(ls: Front, params: Any) -> None:
    """`acceptedLength`, in UTF-16 units from the start of the item, is of no use so far."""
    ls.offers.accept_part(offer_of(params))


def did_focus(ls: Front, _: Any) -> None:
    ls.engine.warm_up()


def offer_of(params: Any) -> object:
    """The offer's id in {"item": {"command": {"arguments": [id]}}}; None where there is none."""
    try:
        return params["item"]["command"]["arguments"][0]
    except (TypeError, KeyError, IndexError):
        return None


COMMANDS: tuple[tuple[str, Callable[..., object]], ...] = (
    (ACCEPTED, accepted),
    ("midfill/status", status),
    ("midfill/pause", pause),
    ("midfill/resume", resume),
    ("midfill/snooze", snooze),
    ("midfill/restart", restart),
    ("midfill/why", why),
)

FEATURES: tuple[tuple[str, Callable[..., object]], ...] = (
    *COMMANDS[1:],
    ("textDocument/didShowCompletion", did_show),
    ("textDocument/didPartiallyAcceptCompletion", did_partially_accept),
    ("textDocument/didFocus", did_focus),
)
