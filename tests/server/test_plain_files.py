"""Something else in the place of a file: a pipe is not waited for, a device not read to its end."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_model.checkpoint.config import ModelError, read_json
from midfill_model.checkpoint.gguf import read_metadata
from midfill_model.checkpoint.weights import Checkpoint
from midfill_server.context.files import Files
from midfill_server.context.ignored import Ignored
from midfill_server.editor.record import statistics, why
from midfill_server.engines.http.keys import key_for
from midfill_server.engines.http.route import Way, find_route
from midfill_server.engines.process import last_words, start
from midfill_server.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices in folders")


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)  # of holes: it takes no room


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))


KINDS: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a full device": lambda path: path.symlink_to("/dev/full"),
    "a folder": Path.mkdir,
    "a socket": unix_socket,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a huge file": huge,
}


@pytest.fixture(params=KINDS)
def put(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[Path], None]:
    """Puts something odd in a file's place."""
    monkeypatch.chdir(tmp_path)  # a socket's path may have 107 characters
    return lambda path: void(KINDS[request.param](path.relative_to(tmp_path)))


def void(_: object) -> None: ...


def test_it_is_an_error_of_the_system(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "file")
    with pytest.raises(OSError):
        seam.read_plain(tmp_path / "file", 1_000)


def test_a_link_is_followed_where_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    assert seam.read_plain(tmp_path / "link", 4) == b"text"
    with pytest.raises(OSError):
        seam.read_plain(tmp_path / "link", 4, follow=False)


def test_the_key_is_told_to_be_none(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "key")
    key, why_not = key_for(Settings(url="http://a", api_key_file=str(tmp_path / "key")), 0)
    assert key is None and str(tmp_path / "key") in why_not


async def test_certificates_are_told_to_be_none(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "ca.pem")
    with pytest.raises(OSError, match=r"midfill\.caFile: .*ca\.pem"):
        await find_route("https://a", None, Way(ca_file=str(tmp_path / "ca.pem")))


def test_statistics_are_damaged_and_begin_anew(
    tmp_path: Path, put: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_STATE_DIR", str(tmp_path))
    put(tmp_path / statistics.FILE)
    window = statistics.Statistics()
    window.on = True
    window.count("offered")
    window.write(window.take())
    if not (tmp_path / statistics.FILE).is_dir():
        assert statistics.read().events["offered"] == 1


def test_other_windows_requests_are_told(
    tmp_path: Path, put: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_RUNTIME_DIR", str(tmp_path))
    (tmp_path / f"{why.PREFIX}1").write_text("a.py:1:1\n")
    put(tmp_path / f"{why.PREFIX}2")
    assert why.last_requests() == ["a.py:1:1"]


def test_an_engine_starts_without_its_log(
    tmp_path: Path, put: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be removed makes way for a new one."""
    monkeypatch.setattr(sys, "executable", "/bin/true")
    put(tmp_path / seam.LOG)
    engine = start(tmp_path, "demo")
    assert engine.wait(30) == 0
    assert last_words(tmp_path) == last_words(tmp_path, engine.pid) == "it said nothing"
    if (tmp_path / seam.LOG).is_file():
        assert (tmp_path / seam.LOG).read_text() == f"\n{seam.MARK}starts\n"


def test_a_card_is_none(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / seam.CARD)
    assert seam.read_card(tmp_path) is None


def test_no_rule_and_no_source_is_read(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / ".gitignore")
    put(tmp_path / "odd.py")
    assert not Ignored(tmp_path).file(tmp_path / "other.py")
    outline = Files((tmp_path,)).outline(tmp_path / "odd.py")
    assert outline is None or not outline.definitions


@pytest.mark.parametrize("read", [read_json, read_metadata])
def test_a_models_file_is_one_sentence(
    tmp_path: Path, put: Callable[[Path], None], read: Callable[[Path], object]
) -> None:
    put(tmp_path / "file")
    with pytest.raises(ModelError, match="file"):
        read(tmp_path / "file")


def test_weights_are_one_sentence(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"model\.safetensors"), Checkpoint(tmp_path):
        pass
