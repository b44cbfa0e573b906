"""What may happen to the older engine while its heir loads, with real locks and cards."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from midfill_model import seam
from midfill_model.generation.requests.state import State
from midfill_model.process.life import succession
from midfill_model.process.life.succession import NotWanted, Stays, place_of_the_other
from midfill_model.seam import lock


class Idle(BaseHTTPRequestHandler):
    """What an engine that has nothing to do answers."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *_: object) -> None:
        pass


LOADING, READY = State("loading"), State("ready")


class Engine:
    """At the seam; it does not answer, as one that hangs."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.folder, self.lock, self.card = folder, ExitStack(), ExitStack()
        self.lock.enter_context(seam.engine_lock(folder))
        seam.forget_card(folder)
        self.told = seam.Card(pid, "http://localhost", str(folder / seam.SOCKET))
        (folder / seam.SOCKET).touch()
        self.card.enter_context(seam.card_in(folder, self.told))

    def end(self) -> None:
        self.card.close()
        self.lock.close()

    def is_killed(self) -> None:
        self.lock.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return seam.runtime_folder(tmp_path / "run")


@pytest.fixture
def older(folder: Path) -> Iterator[Engine]:
    engine = Engine(folder, os.getpid())
    yield engine
    engine.end()


def loads_while(act: Callable[[], object], then: State = LOADING) -> Callable[[], State]:
    """The state of an heir that loads; at its second look `act` has happened."""
    first = iter((LOADING,))

    def state() -> State:
        if (now := next(first, None)) is not None:
            return now
        act()
        return then

    return state


def test_one_that_was_stopped_has_no_heir(folder: Path, older: Engine) -> None:
    """`midfill stop` while it loads: it does not load on."""
    with (
        pytest.raises(Stays, match="stopped"),
        place_of_the_other(folder, older.told, loads_while(older.end)),
    ):
        raise AssertionError("it has the place")
    assert not seam.engine_lives(folder)


@pytest.mark.parametrize("then", [LOADING, READY])
def test_none_goes_on_to_load_while_all_pauses(folder: Path, older: Engine, then: State) -> None:
    """`midfill pause` while it loads: nobody is to have that memory, and the older one is asleep."""
    pause = loads_while(lambda: seam.pause(folder), then)
    with pytest.raises(NotWanted, match="paused"), place_of_the_other(folder, older.told, pause):
        raise AssertionError("it has the place")
    assert seam.engine_lives(folder)


def test_another_may_be_faster_once_the_older_one_has_ended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was started by hand, say: it has the place, and no older one hangs."""
    monkeypatch.setattr(succession, "END_SECONDS", 1.0)
    with ExitStack() as rest, HTTPServer(("127.0.0.1", 0), Idle) as server:
        Thread(target=server.serve_forever).start()
        rest.callback(server.shutdown)
        card = seam.Card(os.getpid(), f"http://127.0.0.1:{server.server_port}")
        older = rest.enter_context(ExitStack())
        older.enter_context(seam.engine_lock(folder))
        older.enter_context(seam.card_in(folder, card))
        others: list[Engine] = []

        def look() -> None:
            if not others:
                older.close()
                others.append(Engine(folder, os.getpid() + 1))
                rest.callback(others[0].end)

        place = place_of_the_other(folder, card, lambda: READY, look)
        with pytest.raises(NotWanted, match="Another engine"), place:
            raise AssertionError("it has the place")


def test_one_that_was_killed_has_its_heir_at_once(folder: Path, older: Engine) -> None:
    """Who looks for an engine finds the one that loads already, and starts no third."""
    with place_of_the_other(folder, older.told, loads_while(older.is_killed)):
        assert seam.engine_lives(folder) and seam.read_card(folder) is None
    assert not seam.engine_lives(folder)


@pytest.mark.parametrize("others", ["is frozen", "goes on"])
def test_who_is_frozen_while_it_starts_an_engine_does_not_keep_the_place_from_an_heir(
    folder: Path, older: Engine, monkeypatch: pytest.MonkeyPatch, others: str
) -> None:
    monkeypatch.setattr(lock, "START_SILENCE", 0.3)
    monkeypatch.setattr(lock, "SIGN_SECONDS", 0.0)
    monkeypatch.setattr(succession, "START_SECONDS", 1.0)
    with seam.start_lock(folder) as lives, ExitStack() as place:
        look = lives if others == "goes on" else lambda: None
        heir = place_of_the_other(folder, older.told, loads_while(older.is_killed, READY), look)
        if others == "goes on":
            with pytest.raises(seam.Locked):
                place.enter_context(heir)
        else:
            place.enter_context(heir)
            assert seam.engine_lives(folder) and seam.holder_of(seam.lock_file(folder)) == os.getpid()


@pytest.mark.parametrize("then", [LOADING, READY])
def test_an_engine_that_was_started_meanwhile_stays(folder: Path, older: Engine, then: State) -> None:
    """It may be of the heir's own version: it does not end for one that is no better."""
    newer: list[Engine] = []

    def is_started_again() -> None:
        if not newer:
            older.is_killed()
            newer.append(Engine(folder, 1))

    with (
        pytest.raises(Stays, match="Another engine"),
        place_of_the_other(folder, older.told, loads_while(is_started_again, then)),
    ):
        raise AssertionError("it has the place")
    card = seam.read_card(folder)
    assert card is not None and card.pid == 1
    newer[0].end()
