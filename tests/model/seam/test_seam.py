"""What two processes agree on: a folder nobody else writes to, cards and healths of any kind, locks."""

import json
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
    card = seam.Card(5, "http://localhost", "/a.sock", "token", "demo", 1.5, "2", seam.PROTOCOL)
    with seam.card_in(tmp_path, card):
        assert seam.read_card(tmp_path) == card
        assert (tmp_path / seam.CARD).stat().st_mode & 0o77 == 0
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
class TestFolder:
    def test_it_is_made_private(self, tmp_path: Path) -> None:
        folder = seam.runtime_folder(str(tmp_path / "a" / "b"))
        assert folder.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
    def test_others_who_may_write_are_refused(self, tmp_path: Path, mode: int) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run").chmod(mode)
        with pytest.raises(seam.RuntimeFolderError, match="MIDFILL_RUNTIME_DIR"):
            seam.runtime_folder(str(tmp_path / "run"))

    def test_a_folder_above_that_all_may_write_to_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(0o777)
        with pytest.raises(seam.RuntimeFolderError, match="replaced by others"):
            seam.runtime_folder(str(tmp_path / "open" / "run"))
        (tmp_path / "open").chmod(0o1777)  # as /tmp
        assert seam.runtime_folder(str(tmp_path / "open" / "run"))

    def test_a_link_of_ones_own_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir(mode=0o700)
        (tmp_path / "link").symlink_to(tmp_path / "run")
        assert seam.runtime_folder(str(tmp_path / "link"))

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives a folder away")
    def test_what_belongs_to_another_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "run").mkdir(mode=0o700)
        (tmp_path / "link").symlink_to(tmp_path / "mine")
        (tmp_path / "mine").mkdir(mode=0o700)
        os.chown(tmp_path / "run", 12345, 12345)
        os.lchown(tmp_path / "link", 12345, 12345)
        for name in ("run", "link"):
            with pytest.raises(seam.RuntimeFolderError, match="another user"):
                seam.runtime_folder(str(tmp_path / name))

    @pytest.mark.parametrize("named", ["file/run", "a\0b", "~nobody-of-that-name/run"])
    def test_what_cannot_be_is_one_sentence(self, tmp_path: Path, named: str) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(seam.RuntimeFolderError, match="MIDFILL_RUNTIME_DIR"):
            seam.runtime_folder(str(tmp_path / named) if "~" not in named else named)

    def test_a_tilde_that_no_shell_expanded_and_relative_names(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MIDFILL_RUNTIME_DIR", "~/run")
        assert seam.runtime_folder() == tmp_path / "run"
        monkeypatch.setenv("MIDFILL_RUNTIME_DIR", "run")
        assert seam.runtime_folder() == tmp_path / "run"
