"""`midfill download` against a real server on this machine that speaks as the hub does."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from midfill_model.checkpoint import hub
from midfill_model.checkpoint.config import ModelError, read_config
from midfill_model.checkpoint.hub import HubName
from midfill_model.download import resumable as transfer
from midfill_model.download.command import Progress, download
from midfill_model.download.errors import DownloadError, in_one_sentence
from midfill_model.lab import synthetic
from midfill_model.process.loading import plain_network

from .hub_server import COMMIT, HubServer, serve, sha256

REPO = "someone/tiny-fim"
NAME = HubName(REPO)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In three shards, with what a repository holds beside a model."""
    folder = tmp_path_factory.mktemp("checkpoint")
    synthetic.write_checkpoint(synthetic.TINY, folder, shard_bytes=300_000)
    (folder / "tokenizer_config.json").write_text('{"chat_template": "User: {{ messages }}"}')
    for name in ("modeling_deepseek.py", "README.md", "pytorch_model.bin", "consolidated.safetensors"):
        (folder / name).write_text("raise SystemExit")
    return folder


@pytest.fixture
def server(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    folder = shutil.copytree(checkpoint, tmp_path / "repo")
    with serve(REPO, folder) as server:
        point_at(server.url, tmp_path, monkeypatch)
        yield server


def point_at(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library reads HF_ENDPOINT when it is imported, so here its constants are set, too."""
    for name, value in environment(url, tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )


def environment(url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "HF_ENDPOINT": url,
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HOME": str(tmp_path),
        "MIDFILL_CACHE_DIR": str(tmp_path / "midfill"),
    }


def shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("model-*.safetensors"))


def command(model: str, **environment: str) -> subprocess.Popen[str]:
    """As from a terminal: what a shell starts in the background ignores SIGINT, and so do its children."""
    return subprocess.Popen(
        [sys.executable, "-I", "-m", "midfill_server", "download", model],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_the_command_fetches_what_the_engine_needs_and_no_more(server: HubServer) -> None:
    with command(REPO) as process:
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    folder = Path(out.strip())
    assert folder == hub.resolve(REPO) == hub.resolve(f"{REPO}@main") == hub.resolve(f"{REPO}@{COMMIT}")
    wanted = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors.index.json"}
    wanted |= {path.name for path in shards(server.folder)}
    assert {path.name for path in folder.iterdir()} == server.fetched() == wanted
    assert all(sha256(folder / path.name) == sha256(path) for path in shards(server.folder))
    assert "0.0 GB of weights" in errors and "100 %" in errors
    plain_network(folder, read_config(folder), 64, lambda _: None)
    server.requests.clear()
    assert download(HubName(REPO, COMMIT), Progress) == folder
    assert server.requests == []


def test_a_cut_connection_is_resumed(server: HubServer) -> None:
    first = shards(server.folder)[0]
    server.cut_after[first.name] = 100_000
    folder = download(NAME, Progress)
    assert server.ranges()[:2] == [None, "bytes=100000-"]
    assert sha256(folder / first.name) == sha256(first)


def test_an_interrupted_download_goes_on_where_it_stopped(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_ATTEMPTS", 1)
    first, second, *_ = shards(server.folder)
    server.cut_after[first.name] = 0
    with pytest.raises(DownloadError, match=r"cannot be reached.*goes on from there"):
        download(NAME, Progress)
    server.cut_after[second.name] = 70_000
    monkeypatch.setattr(transfer, "_transient", lambda _: False)
    with pytest.raises(DownloadError, match="goes on from there"):
        download(NAME, Progress)
    with pytest.raises(ModelError, match=f"midfill download {REPO}"):
        hub.resolve(REPO)  # half a model is none
    server.requests.clear()
    folder = download(NAME, Progress)
    assert server.ranges() == ["bytes=70000-", *[None] * (len(shards(server.folder)) - 2)]
    assert hub.is_complete(folder)


def test_only_where_something_was_fetched_it_is_said_to_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    def said() -> str:
        with pytest.raises(DownloadError) as told, in_one_sentence(NAME):
            raise transfer.HTTP_ERROR("no network")
        return str(told.value)

    blobs = NAME.storage / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "a.incomplete").touch()
    assert said().endswith("check the network and try again.")
    (blobs / "a.incomplete").write_bytes(b"x")
    assert said().endswith("try again: what was fetched stays, and the same command goes on from there.")


def test_control_c_says_one_line_and_keeps_what_is_there(server: HubServer, tmp_path: Path) -> None:
    first = shards(server.folder)[0]
    server.pause_after[first.name] = 100_000
    with command(REPO) as process:
        partial = tmp_path / "hub" / "models--someone--tiny-fim" / "blobs" / f"{sha256(first)}.incomplete"
        while not partial.exists() or partial.stat().st_size < 100_000:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=30)[1].splitlines()
    assert process.returncode == 130
    assert errors[-1].startswith("midfill: stopped; the files fetched so far stay")
    assert len(errors) <= 3
    assert partial.stat().st_size == 100_000


def test_a_server_without_ranges_sends_all_again(server: HubServer) -> None:
    server.knows_ranges = False
    first = shards(server.folder)[0]
    server.cut_after[first.name] = 100_000
    folder = download(NAME, Progress)
    assert sha256(folder / first.name) == sha256(first)


def test_damaged_data_is_found_and_removed(server: HubServer, tmp_path: Path) -> None:
    first = shards(server.folder)[0]
    blobs = tmp_path / "hub" / "models--someone--tiny-fim" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{sha256(first)}.incomplete").write_bytes(b"x" * 1000)
    with pytest.raises(DownloadError, match="arrived damaged"):
        download(NAME, Progress)
    assert hub.is_complete(download(NAME, Progress))


REFUSED = {
    "another architecture": ({"model_type": "llama"}, "describes a 'llama' model"),
    "query LoRA": ({"q_lora_rank": 64}, "q_lora_rank = 64 is not supported"),
    "fewer ids than the tokenizer": ({"vocab_size": 100}, "tokenizer knows more ids"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_model_that_cannot_run_is_refused_before_its_weights(
    server: HubServer, changes: dict[str, object], message: str
) -> None:
    path = server.folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ModelError, match=message):
        download(NAME, Progress)
    assert server.ranges() == []
    assert "model_type" not in changes or server.fetched() == {"config.json"}


def test_tensors_that_cannot_be_read_are_refused_before_the_weights(server: HubServer) -> None:
    path = server.folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hidden_size": 128}))
    with pytest.raises(ModelError, match=r"has the shape \[384, 64\], but config.json asks for \[384, 128\]"):
        download(NAME, Progress)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hidden_size": 64, "num_hidden_layers": 4}))
    server.commit = COMMIT[::-1]
    with pytest.raises(ModelError, match=r"lacks the tensor model\.layers\.3\."):
        download(NAME, Progress)
    shards(server.folder)[0].write_bytes(b"<html>" * 100)
    with pytest.raises(DownloadError, match="is no safetensors file"):
        download(NAME, Progress)
    assert server.ranges() == []


def test_a_model_without_safetensors_is_refused(server: HubServer) -> None:
    for path in (*shards(server.folder), server.folder / "model.safetensors.index.json"):
        path.unlink()
    with pytest.raises(DownloadError, match=r"has no model\.safetensors.*safetensors files only"):
        download(NAME, Progress)


def test_a_full_disk_is_seen_before_the_weights(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 9 * 10**8, 10**8))
    with pytest.raises(DownloadError, match=r"needs 0\.3 GB more in .*make room") as error:
        download(NAME, Progress)
    assert "\n" not in str(error.value)
    assert server.ranges() == []


def test_room_for_the_packed_copy_is_wanted_too(tmp_path: Path) -> None:
    from midfill_model.checkpoint.fused.store import room_for_copy

    (tmp_path / "config.json").write_text(json.dumps(synthetic.LITE))
    config = read_config(tmp_path)
    assert 9e9 < room_for_copy(config, 31_000_000_000)[1] < 11e9
    assert room_for_copy(config, 1000)[1] == 0


REFUSALS = {
    "no such model": (404, {"X-Error-Code": "RepoNotFound"}, "shows no model someone/tiny-fim"),
    "no such revision": (404, {"X-Error-Code": "RevisionNotFound"}, "has no revision None"),
    "private": (401, {}, "hf auth login"),
    "gated": (403, {"X-Error-Code": "GatedRepo"}, "accepted its terms"),
    "broken": (500, {}, "error 500"),
}


@pytest.mark.parametrize(("status", "headers", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_the_hub_refuses_is_one_sentence(
    server: HubServer, status: int, headers: dict[str, str], message: str
) -> None:
    server.refusal = (status, headers)
    with pytest.raises(DownloadError, match=message) as error:
        download(NAME, Progress)
    assert "\n" not in str(error.value)


def test_no_network_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with command("lite", **environment(url, tmp_path)) as process:
            out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors.count("\n")) == (1, "", 1)
    assert f"The hub at {url} cannot be reached" in errors


def test_offline_only_the_cache_counts(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set: unset it"):
        download(NAME, Progress)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    folder = download(NAME, Progress)
    server.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert download(NAME, Progress) == folder
    assert server.requests == []


def test_a_newer_commit_takes_the_names_place_when_it_is_complete(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = download(NAME, Progress)
    server.commit = COMMIT[::-1]
    first = shards(server.folder)[0]
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(transfer, "_transient", lambda _: False)
    server.cut_after[first.name] = 10
    with pytest.raises(DownloadError):
        download(NAME, Progress)
    assert hub.resolve(REPO) == old
    new = download(NAME, Progress)
    assert new != old
    assert hub.resolve(REPO) == new
    assert hub.resolve(f"{REPO}@{COMMIT}") == old


@pytest.mark.parametrize(
    "text", ["lite", "/a/b", "a", "a/b/c", "../b", "a/..", "~/b", "a/b@", "a/b@../c", "a b/c", "./a/b"]
)
def test_what_is_no_hub_id(text: str) -> None:
    assert HubName.read(text) is None
