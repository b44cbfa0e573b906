"""What became of the texts that were offered: counted for `midfill/status` and for the statistics.

The texts themselves are remembered in memory alone, to see whether an accepted one is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

REMEMBERED = 256  # offers; a user decides within a few
KEPT_SECONDS = 30.0


@dataclass(slots=True)
class _Offer:
    uri: str
    text: str  # the cursor's line up to the cursor, and the item: with \n line ends
    events: set[str] = field(default_factory=set)  # what has happened to it, so that it counts once


class Offers:
    """Each offer has an id, which the editor sends back when the user has seen or accepted it.

    `tell` hears of each event by its name in the statistics; `document` gives the text of an open file.
    """

    def __init__(self, tell: Callable[[str], None], document: Callable[[str], str | None]) -> None:
        self.shown = self.accepted = self.partly_accepted = 0
        self._tell, self._document = tell, document
        self._ids = count(1)
        self._known: dict[str, _Offer] = {}

    def new(self, uri: str, text: str) -> str:
        """`text`: the item behind what stands before it in its line."""
        offer = str(next(self._ids))
        self._known[offer] = _Offer(uri, text)
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        self._tell("offered")
        return offer

    def grow(self, offer: str, text: str) -> None:
        if offer in self._known:
            self._known[offer].text = text

    def show(self, offer: object) -> None:
        self.shown += self._first(offer, "shown") is not None

    def accept(self, offer: object) -> None:
        if (accepted := self._first(offer, "accepted")) is not None:
            self.accepted += 1
            asyncio.get_running_loop().call_later(KEPT_SECONDS, self._judge, accepted)

    def accept_part(self, offer: object) -> None:
        self.partly_accepted += self._first(offer, "partlyAccepted") is not None

    def as_json(self) -> dict[str, int]:
        return {"shown": self.shown, "accepted": self.accepted, "partlyAccepted": self.partly_accepted}

    def _judge(self, offer: _Offer) -> None:
        """Whether an accepted item still stands where it was put; of a closed file nobody knows."""
        if (text := self._document(offer.uri)) is not None:
            self._tell("kept" if offer.text in text else "changed")

    def _first(self, offer: object, event: str) -> _Offer | None:
        """The offer, if this is news of one that is known; anything may come from an editor."""
        known = self._known.get(offer) if isinstance(offer, str) else None
        if known is None or event in known.events:
            return None
        known.events.add(event)
        self._tell(event)
        return known
