"""An engine that takes the place of one of another version: it loads while that one goes on answering.

It takes the place when the other has nothing to do, so no text is cut off, and holds the lock of those who
start engines meanwhile, so nobody starts a third. Requests that come in between are asked for once more.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from midfill_model import seam
from midfill_model.generation.requests.state import State

LOOK_SECONDS = 0.05
START_SECONDS = 120.0  # that another start may take
ASK_SECONDS = 5.0
BUSY_SECONDS = 600.0  # in which the other is never idle, or hangs
TAKEN = "Another engine has taken that place meanwhile"
END_SECONDS = 30.0  # from being asked to stop until it has: it may be a hanging one, which keeps its place


class Stays(Exception):
    """The other keeps its place; the message says why, in a sentence."""


class NotWanted(Stays):
    """Nobody wants an heir any more: no fault."""


@contextmanager
def place_of_the_other(
    folder: Path, other: seam.Card | None, state: Callable[[], State], look: Callable[[], None] = lambda: None
) -> Iterator[seam.SignOfLife]:
    """Once what `state` tells of is loaded, and `other` is idle: the engine's lock, until the end.

    `look`: called many times a second until then; it may end the process.
    Where the other was killed meanwhile, at once: a third would load the same again. Raises Stays, and
    seam.Locked where another process wants the same.
    """
    while (now := state()).status == "loading" and _lives(folder, other):
        look()
        time.sleep(LOOK_SECONDS)
    if now.status == "failed":
        raise Stays(now.message)
    with ExitStack() as place:
        with ExitStack() as start:
            lives = _start_lock(folder, start, look)

            def look_and_live() -> None:
                look()
                lives()

            _retire(folder, other, look_and_live)
            engine_lives = place.enter_context(seam.engine_lock(folder))
        seam.forget_card(folder)
        seam.note(folder)
        yield engine_lives


def _lives(folder: Path, other: seam.Card | None) -> bool:
    """Whether the other does, and not one in its place. One that was stopped, or is paused, has no heir."""
    lives = seam.engine_lives(folder)
    if (card := seam.read_card(folder)) is None:
        raise NotWanted("The engine of another version was stopped meanwhile")
    if card != other:
        raise NotWanted(TAKEN)
    if seam.is_paused(folder):
        raise NotWanted("Midfill was paused meanwhile")
    return lives


def _start_lock(folder: Path, start: ExitStack, look: Callable[[], None]) -> seam.SignOfLife:
    """Nobody else starts an engine until `start` ends. Raises seam.Locked."""
    waited, silence = seam.Patience(), seam.Silence()
    while True:
        try:
            return start.enter_context(seam.start_lock(folder, silence))
        except seam.Locked:
            if waited.seconds() > START_SECONDS:
                raise
        look()
        time.sleep(LOOK_SECONDS)


def _retire(folder: Path, other: seam.Card | None, look: Callable[[], None]) -> None:
    """Let the other end when it has nothing to do."""
    waited = seam.Patience(2 * ASK_SECONDS)
    while _lives(folder, other):
        if other is not None and not _running(other):
            _ask(other, "POST", seam.DRAIN)  # somebody may have asked it for a text just now
            break
        look()
        _look_again(waited, BUSY_SECONDS)
    waited = seam.Patience(2 * ASK_SECONDS)
    while seam.engine_lives(folder):
        if seam.read_card(folder) not in (None, other):  # one that was started by hand, say
            raise NotWanted(TAKEN)
        look()
        _look_again(waited, END_SECONDS)


def _look_again(waited: seam.Patience, longest: float) -> None:
    """Wait until the next look, or raise Stays."""
    if waited.seconds() > longest:
        raise Stays("The engine of another version does not make way: `midfill status` says how it is")
    time.sleep(LOOK_SECONDS)


def _running(card: seam.Card) -> bool:
    """Whether it writes for somebody; one that does not answer may."""
    health = _ask(card, "GET", "/health")
    return health is None or seam.read_health(health).running > 0


def _ask(card: seam.Card, method: str, path: str) -> object:
    """Its answer; None where none comes."""
    connection = _Connection(card)
    headers = {"Connection": "close"} | ({"Authorization": f"Bearer {card.token}"} if card.token else {})
    with suppress(OSError, http.client.HTTPException, ValueError):
        try:
            connection.request(method, path, headers=headers)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
    return None


class _Connection(http.client.HTTPConnection):
    """To where a card says that its engine listens."""

    def __init__(self, card: seam.Card) -> None:
        super().__init__(card.url.removeprefix("http://").rstrip("/"), timeout=ASK_SECONDS)
        self._path = card.socket

    def connect(self) -> None:
        if self._path is None:
            return super().connect()
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ASK_SECONDS)
        self.sock.connect(self._path)
