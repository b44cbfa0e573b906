"""What became of the texts that were offered: counted in memory, told in `midfill/status`, kept nowhere."""

from __future__ import annotations

from itertools import count

REMEMBERED = 256  # offers; a user decides within a few


class Offers:
    """Each offer has an id, which the editor sends back when the user has seen or accepted it."""

    def __init__(self) -> None:
        self.shown = self.accepted = self.partly_accepted = 0
        self._ids = count(1)
        self._known: dict[str, set[str]] = {}  # what has happened to each, so that it counts once

    def new(self) -> str:
        offer = str(next(self._ids))
        self._known[offer] = set()
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return offer

    def show(self, offer: object) -> None:
        self.shown += self._first(offer, "shown")

    def accept(self, offer: object) -> None:
        self.accepted += self._first(offer, "accepted")

    def accept_part(self, offer: object) -> None:
        self.partly_accepted += self._first(offer, "partly accepted")

    def as_json(self) -> dict[str, int]:
        return {"shown": self.shown, "accepted": self.accepted, "partlyAccepted": self.partly_accepted}

    def _first(self, offer: object, event: str) -> bool:
        """Whether this is news of an offer that is known; anything may come from an editor."""
        events = self._known.get(offer) if isinstance(offer, str) else None
        if events is None or event in events:
            return False
        events.add(event)
        return True
