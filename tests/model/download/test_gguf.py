"""`midfill download lite-gguf` and its like, against a server on this machine that speaks as the hub does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from midfill_model.checkpoint import gguf_name
from midfill_model.checkpoint.config import ModelError
from midfill_model.checkpoint.gguf_name import GgufName, resolve_gguf
from midfill_model.checkpoint.hub import HubName
from midfill_model.download import resumable as transfer
from midfill_model.download.command import Progress
from midfill_model.download.errors import DownloadError
from midfill_model.download.gguf import download_gguf

from ..tiny_gguf import write_tiny
from .hub_server import COMMIT, HubServer, serve, sha256
from .test_download import command, point_at

REPO = "someone/Tiny-GGUF"
BIG, SMALL = "Tiny-Q8_0.gguf", "Tiny-Q4_K_M.gguf"
NAME = GgufName(HubName(REPO), "Q4_K_M")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    folder = tmp_path / "repo"
    folder.mkdir()
    for name in (BIG, SMALL):
        path = write_tiny(folder / name)
        path.write_bytes(path.read_bytes() + name.encode() * 20_000)
    (folder / "README.md").write_text("# Tiny")
    with serve(REPO, folder) as server:
        point_at(server.url, tmp_path, monkeypatch)
        yield server


def test_the_command_fetches_the_one_file(server: HubServer) -> None:
    with command(f"{REPO}:Q4_K_M") as process:
        out, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    path = Path(out.strip())
    assert path.name == SMALL and path == resolve_gguf(f"{REPO}:Q4_K_M") == resolve_gguf(f"{REPO}@main")
    assert server.fetched() == {SMALL} and sha256(path) == sha256(server.folder / SMALL)
    server.requests.clear()
    assert download_gguf(GgufName(HubName(REPO, COMMIT), "Q4_K_M"), Progress) == path
    assert server.requests == []


def test_lite_gguf_is_a_pinned_name(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny(server.folder / gguf_name.LITE.wanted)
    server.repo = gguf_name.LITE.hub.repo
    path = download_gguf(gguf_name.LITE, Progress)
    assert path.name == gguf_name.LITE.wanted
    assert path == resolve_gguf("lite-gguf")


def test_an_interrupted_download_goes_on_where_it_stopped(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.cut_after[SMALL] = 70_000
    monkeypatch.setattr(transfer, "_transient", lambda _: False)
    with pytest.raises(DownloadError, match="goes on from there"):
        download_gguf(NAME, Progress)
    with pytest.raises(ModelError, match="midfill download"):
        resolve_gguf(str(NAME))
    server.requests.clear()
    assert sha256(download_gguf(NAME, Progress)) == sha256(server.folder / SMALL)
    assert server.ranges() == ["bytes=70000-"]


def test_damaged_data_is_found_and_removed(server: HubServer, tmp_path: Path) -> None:
    blobs = tmp_path / "hub" / "models--someone--Tiny-GGUF" / "blobs"
    blobs.mkdir(parents=True)
    partial = blobs / f"{sha256(server.folder / SMALL)}.incomplete"
    partial.write_bytes(b"x" * 1000)
    with pytest.raises(DownloadError, match="arrived damaged"):
        download_gguf(NAME, Progress)
    assert not partial.exists()
    assert download_gguf(NAME, Progress).exists()


REFUSED = {
    "no signs": (["<s>", "a", "b"], b"", ModelError, "cannot fill in the middle"),
    "no GGUF file": (None, b"<html>" * 1000, DownloadError, "no whole GGUF file"),
    "half a header": (None, b"GGUF\3\0\0\0", DownloadError, "no whole GGUF file"),
}


@pytest.mark.parametrize(("tokens", "content", "kind", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_could_not_run_is_refused_before_it_is_fetched(
    server: HubServer, tokens: list[str] | None, content: bytes, kind: type[Exception], message: str
) -> None:
    if tokens is None:
        (server.folder / SMALL).write_bytes(content)
    else:
        write_tiny(server.folder / SMALL, tokens)
    with pytest.raises(kind, match=message):
        download_gguf(NAME, Progress)
    assert server.ranges() == []


def test_a_kind_that_is_not_there_is_told_with_those_that_are(server: HubServer) -> None:
    with pytest.raises(DownloadError, match=rf"has no Q2_K; it has {SMALL}, {BIG}\."):
        download_gguf(GgufName(HubName(REPO), "Q2_K"), Progress)
    for path in server.folder.glob("*.gguf"):
        path.unlink()
    with pytest.raises(DownloadError, match=r"has no \.gguf file"):
        download_gguf(NAME, Progress)


def test_offline_only_the_cache_counts(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set"):
        download_gguf(NAME, Progress)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    path = download_gguf(NAME, Progress)
    server.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert download_gguf(NAME, Progress) == path
    assert server.requests == []
