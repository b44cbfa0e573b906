"""What counts as having waited."""

from types import SimpleNamespace

import pytest

from midfill_model.seam import lock
from midfill_model.seam.lock import LONGEST_LOOK, Patience


def test_who_has_slept_has_not_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(lock, "time", SimpleNamespace(monotonic=lambda: now))
    patience = Patience()
    for _ in range(4):
        now += 0.25
        waited = patience.seconds()
    assert waited == 1.0
    now += 3_600.0  # the lid was closed
    assert patience.seconds() == 1.0 + LONGEST_LOOK
