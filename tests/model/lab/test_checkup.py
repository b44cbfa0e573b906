"""What the doctor asks of the engine's side: model files that are whole, libraries that really run."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from midfill_model import fim
from midfill_model.checkpoint import hub
from midfill_model.lab.checkup import files, libraries
from midfill_model.lab.checkup.main import main

from ..tiny_gguf import write_tiny


def test_the_embedded_model_is_whole() -> None:
    """And its list of checksums is true: `sha256sum weights/* > SHA256SUMS` writes it anew."""
    found = files.examined("demo")
    assert found.fault == "" and found.compared > found.n_bytes > 0
    signs = {it.text: it for it in found.delimiters}
    assert signs[fim.FIM_HOLE].utf8 == "3C EF BD 9C 66 69 6D E2 96 81 68 6F 6C 65 EF BD 9C 3E"
    bos = signs[fim.BOS].id
    assert [it.id - bos for it in found.delimiters] == [0, 1, 3, 2, 4]


@pytest.fixture
def copy(tmp_path: Path, tiny_folder: Path) -> Path:
    return Path(shutil.copytree(tiny_folder, tmp_path / "copy"))


def test_a_model_folder_that_is_whole(copy: Path) -> None:
    found = files.examined(str(copy))
    assert (found.fault, found.compared) == ("", 0)  # no checksum is known of it
    assert len(found.delimiters) == len(fim.CONTROL)


def test_a_truncated_file_is_named(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "model.safetensors has" in files.examined(str(copy)).fault


@pytest.mark.parametrize("rubbish", [b"", b"x" * 100, b"\2" + bytes(7) + b"[]"])
def test_rubbish_is_no_traceback(copy: Path, rubbish: bytes) -> None:
    (copy / "model.safetensors").write_bytes(rubbish)
    assert "model.safetensors is no safetensors file" in files.examined(str(copy)).fault


def test_a_wrong_shape_is_named(copy: Path) -> None:
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(settings | {"vocab_size": settings["vocab_size"] + 1}))
    assert "has the shape" in files.examined(str(copy)).fault


@pytest.mark.parametrize("name", [hub.CONFIG, hub.TOKENIZER, "model.safetensors"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert f"{name} is missing" in files.examined(str(copy)).fault


def test_delimiters_that_are_out_of_their_row_are_told(copy: Path) -> None:
    told = json.loads((copy / hub.TOKENIZER).read_text())
    added = {it["content"]: it for it in told["added_tokens"]}
    added[fim.FIM_HOLE]["id"], added[fim.FIM_END]["id"] = added[fim.FIM_END]["id"], added[fim.FIM_HOLE]["id"]
    (copy / hub.TOKENIZER).write_text(json.dumps(told))
    assert "not in a row" in files.examined(str(copy)).fault


@pytest.mark.parametrize("listed", ["SHA256SUMS", "blobs"])
def test_one_flipped_bit_is_found(tmp_path: Path, copy: Path, listed: str) -> None:
    """By the list beside the embedded model, or by the name that the hub's cache gives a file."""
    weights = copy / "model.safetensors"
    whole = weights.read_bytes()
    known = hashlib.sha256(whole).hexdigest()
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    if listed == "blobs":
        (tmp_path / "blobs").mkdir()
        blob = weights.rename(tmp_path / "blobs" / known)
        weights.symlink_to(blob)
    else:
        (tmp_path / "SHA256SUMS").write_text(f"{known}  copy/model.safetensors\n")
        blob = weights
    assert files.examined(str(copy)).compared == len(whole)
    blob.write_bytes(flipped)
    assert "its checksum differs" in files.examined(str(copy)).fault


def test_a_model_that_was_never_fetched_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert files.examined("lite").missing and "midfill download lite" in files.examined("lite").fault
    assert files.models_of("auto") == ["demo"]
    hub.LITE.storage.mkdir()
    assert files.models_of("auto") == ["demo", "lite"]


def test_a_gguf_file_tells_its_delimiters(tmp_path: Path) -> None:
    found = files.examined(str(write_tiny(tmp_path / "tiny.gguf")))
    assert found.fault == "" and [it.text for it in found.delimiters] == list(fim.DEEPSEEK.signs)
    assert "no signs" in files.examined(str(write_tiny(tmp_path / "chat.gguf", ["a", "b"]))).fault


@pytest.mark.parametrize("name", ["torch", "safetensors", "tokenizers", "uvicorn"])
def test_a_library_that_works_says_what_it_did(name: str) -> None:
    found = libraries.tried(name)
    assert found.fault == "" and found.version and found.did


def test_a_library_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise OSError("libcudart.so.13: cannot open shared object file\nand more")

    monkeypatch.setitem(libraries.CHECKS, "torch", broken)
    assert libraries.tried("torch").fault == "libcudart.so.13: cannot open shared object file (OSError)"


def test_a_library_that_is_not_there_is_a_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(libraries.CHECKS, "no_such_library", lambda: "")
    assert libraries.tried("no_such_library") == libraries.Library("no_such_library", None)


def test_what_is_tried_is_said_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that whoever reads knows what has ended the process."""

    def ends() -> str:
        raise SystemExit(7)

    monkeypatch.setattr(sys, "argv", ["checkup"])
    monkeypatch.setattr(libraries, "CHECKS", {"tokenizers": ends})
    with pytest.raises(SystemExit):
        main()
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"about": "trying", "name": "tokenizers"}
