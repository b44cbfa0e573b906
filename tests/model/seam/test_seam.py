"""What two processes agree on: a folder nobody else writes to, cards and healths of any kind, locks."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_model import seam

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def fields_of(names: list[str]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(names), VALUES)


@given(fields_of(list(seam.Health.__dataclass_fields__)) | VALUES)
def test_any_health_is_read(raw: object) -> None:
    health = seam.read_health(raw)
    assert health.status in ("loading", "ready", "failed") and 0 <= health.progress <= 1
    assert isinstance(health.message, str) and isinstance(health.running, int)


def test_a_health_is_read_as_it_was_written() -> None:
    model = seam.Model("demo", "/x", True, False, 5, "nf4", "cpu", 4096, seam.SMALL)
    health = seam.Health(
        "ready", 1.0, "Ready.", "No GPU.", model, {"resident": 5}, 7, "1", 1, True, 2, 3, 0.5
    )
    assert seam.read_health(json.loads(json.dumps(health.as_json()))) == health


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"pid": 1}',
        '{"url": 5, "pid": 1}',
        '{"url": null, "pid": 1}',
        '{"url": "http://localhost:abc", "pid": 1}',
        '{"url": "file:///etc/passwd", "pid": 1}',
        '{"url": "http://example.org:8000", "pid": 1}',
        '{"url": "http://127.0.0.1.example.org:8000", "pid": 1}',
        '{"url": "http://localhost@example.org:8000", "pid": 1}',
        '{"url": "http://[::ffff:10.0.0.1]:8000", "pid": 1}',
        '{"url": "http://127.0.0.1:99999", "pid": 1}',
        '{"url": "https://localhost", "pid": 1}',
        '{"url": "http://localhost", "pid": 1, "socket": "/tmp/elsewhere/engine.sock"}',
        '{"url": "http://localhost", "pid": 1, "socket": "engine.sock"}',
        '{"url": "http://localhost", "pid": 1, "socket": "/engine.sock\\u0000"}',
        '{"url": "http://localhost", "pid": "1"}',
        '{"url": "http://localhost", "pid": true}',
        '{"url": "http://localhost", "pid": 1, "socket": ["a"]}',
        '{"url": "http://localhost", "pid": 1, "token": "a\\r\\nb: c"}',
    ],
)
def test_a_card_that_leads_nowhere_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / seam.CARD).write_text(text)
    assert seam.read_card(tmp_path) is None


@given(fields_of(list(seam.Card.__dataclass_fields__)))
def test_any_card_is_read(tmp_path_factory: pytest.TempPathFactory, raw: dict[str, object]) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / seam.CARD).write_text(json.dumps({"pid": 1, "url": "http://localhost"} | raw))
    card = seam.read_card(folder)
    assert card is None or card.pid > 0


@pytest.mark.skipif(sys.platform == "win32", reason="pipes in folders")
def test_a_pipe_in_place_of_the_card_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / seam.CARD)
    assert seam.read_card(tmp_path) is None


def test_a_card_is_private_and_there_while_the_engine_listens(tmp_path: Path) -> None:
    card = seam.Card(
        5, "http://localhost", str(tmp_path / "a.sock"), "token", "demo", 1.5, "2", seam.PROTOCOL
    )
    with seam.card_in(tmp_path, card):
        assert seam.read_card(tmp_path) == card
        assert (tmp_path / seam.CARD).stat().st_mode & 0o77 == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [seam.CARD, seam.SOCKET])
def test_what_vanishes_as_soon_as_the_card_is_there_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before it could even be looked at."""
    (tmp_path / seam.SOCKET).touch()
    replace = os.replace

    def replaced(*paths: Path) -> None:
        replace(*paths)
        (tmp_path / name).unlink()

    monkeypatch.setattr(os, "replace", replaced)
    with seam.card_in(tmp_path, seam.Card(5, "http://localhost", str(tmp_path / seam.SOCKET))) as lost:
        assert lost() == tmp_path / name


def test_the_lock_is_anothers_and_goes_with_its_process(tmp_path: Path) -> None:
    assert not seam.engine_lives(tmp_path)
    hold = "import sys, pathlib; from midfill_model import seam\n" + (
        "with seam.engine_lock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None and other.stdout.readline().strip() == b"held"
        assert seam.engine_lives(tmp_path)
        with pytest.raises(seam.Locked), seam.locked(tmp_path / "engine.lock"):
            pass
        other.kill()
    assert not seam.engine_lives(tmp_path)
    with seam.engine_lock(tmp_path):
        assert seam.engine_lives(tmp_path)


def test_the_log_does_not_quote_what_an_exception_says() -> None:
    secret = "SECRET_OF_THE_USER"
    try:
        try:
            raise ValueError(secret)
        except ValueError as error:
            raise RuntimeError(f"while reading {secret}") from error
    except RuntimeError:
        record = logging.LogRecord("a", logging.ERROR, "b", 1, "loading failed", None, sys.exc_info())
    told = seam.WithoutText().format(record)
    assert secret not in told
    assert "loading failed" in told and told.endswith("RuntimeError")
