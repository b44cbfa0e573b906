"""`midfill download lite --tokenizer-only`, against a server on this machine that speaks as the hub does."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from midfill_model.checkpoint import hub
from midfill_model.checkpoint.config import ModelError
from midfill_model.checkpoint.hub import LITE, HubName
from midfill_model.command_line import UsageError
from midfill_model.download.errors import DownloadError
from midfill_model.download.main import main
from midfill_model.download.tokenizer import download_tokenizer

from .hub_server import HubServer, serve
from .test_download import point_at

TOKENIZER = "tokenizer.json"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The hub's repository of Lite, in its pinned revision."""
    folder = tmp_path / "repo"
    folder.mkdir()
    shutil.copy(hub.resolve("demo") / TOKENIZER, folder)
    for name in ("config.json", "model.safetensors", "tokenizer_config.json"):
        (folder / name).write_text("no JSON")
    with serve(LITE.repo, folder) as server:
        server.commit = str(LITE.revision)
        point_at(server.url, tmp_path, monkeypatch)
        yield server


def test_the_command_fetches_this_one_file(server: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lite", "--tokenizer-only"]) == 0
    told = capsys.readouterr()
    path = Path(told.out.strip())
    assert path.read_bytes() == (server.folder / TOKENIZER).read_bytes()
    assert path.parent == hub.with_tokenizer(HubName(LITE.repo)) and path.parent.name == LITE.revision
    assert server.fetched() == {TOKENIZER}
    assert told.err == "The download is complete.\n"
    server.requests.clear()
    assert download_tokenizer(LITE) == path
    assert server.requests == []
    with pytest.raises(ModelError, match="midfill download lite"):
        hub.resolve("lite")  # a tokenizer is no model


def test_a_vocabulary_of_another_kind_is_told(server: HubServer) -> None:
    (server.folder / TOKENIZER).write_text('{"added_tokens": [{"content": "<s>", "id": 0}]}')
    with pytest.raises(ModelError, match="it is not a DeepSeek vocabulary"):
        download_tokenizer(LITE)


def test_a_model_without_one_is_told(server: HubServer) -> None:
    (server.folder / TOKENIZER).unlink()
    with pytest.raises(DownloadError, match=r"has no tokenizer\.json"):
        download_tokenizer(HubName(LITE.repo))


def test_offline_only_the_cache_counts(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set: unset it"):
        download_tokenizer(HubName(LITE.repo))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    path = download_tokenizer(HubName(LITE.repo))
    server.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert download_tokenizer(HubName(LITE.repo)) == path
    assert server.requests == []


def test_what_the_hub_refuses_is_one_sentence(server: HubServer) -> None:
    server.refusal = (500, {})
    with pytest.raises(DownloadError, match="error 500"):
        download_tokenizer(LITE)


def test_a_gguf_file_has_its_own(server: HubServer) -> None:
    for model in ("lite-gguf", "someone/Tiny-GGUF:Q4_K_M"):
        with pytest.raises(UsageError, match=r"a \.gguf file holds its tokenizer; give lite or owner/name"):
            main([model, "--tokenizer-only"])
