"""What a .gguf file says of itself, and which file a name means."""

import os
from pathlib import Path

import pytest

from midfill_model import fim
from midfill_model.checkpoint.config import ModelError
from midfill_model.checkpoint.gguf import read_metadata
from midfill_model.checkpoint.gguf_name import LITE, GgufName, is_gguf, resolve_gguf

from ..tiny_gguf import TOKENS, write_tiny


def test_the_header_tells_the_model_and_its_signs(tmp_path: Path) -> None:
    found = read_metadata(write_tiny(tmp_path / "tiny.gguf"))
    assert (found.architecture, found.context, found.kind) == ("deepseek2", 4096, "Q4_K_M")
    signs = found.signs()
    assert signs is not None and signs.family is fim.DEEPSEEK
    assert [TOKENS[it] for it in (signs.prefix, signs.suffix, signs.middle or 0)] == list(fim.DEEPSEEK.signs)
    assert found.control == frozenset(range(len(fim.CONTROL)))


@pytest.mark.parametrize("family", [it for it in fim.FAMILIES if it.by_ids], ids=lambda it: it.name)
def test_every_family_is_known_by_its_signs(tmp_path: Path, family: fim.Family) -> None:
    name = "mellum-4b" if family.name == "Mellum" else "x"  # its signs are StarCoder's
    found = read_metadata(write_tiny(tmp_path / f"{name}.gguf", [*"abc", *family.signs])).signs()
    assert found is not None
    assert (found.family.signs, found.family.suffix_first) == (family.signs, family.suffix_first)


def test_a_vocabulary_without_signs_has_none(tmp_path: Path) -> None:
    assert read_metadata(write_tiny(tmp_path / "llama.gguf", ["<s>", "a", "b"])).signs() is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("DeepSeek-Coder-V2-Lite-Instruct-Q4_K_M.gguf", True),
        ("gemma-2b-it.gguf", True),
        ("DeepSeek-Coder-V2-Lite-Base-Q4_K_M.gguf", False),
        ("edit-writer.gguf", False),
    ],
)
def test_a_model_for_chat_is_known_by_its_name(tmp_path: Path, name: str, expected: bool) -> None:
    assert read_metadata(write_tiny(tmp_path / name)).is_for_chat is expected


def test_every_beginning_of_a_file_is_one_sentence(tmp_path: Path) -> None:
    whole = write_tiny(tmp_path / "whole.gguf", ["<s>", "a"]).read_bytes()
    half = tmp_path / "half.gguf"
    for n in range(len(whole)):
        half.write_bytes(whole[:n])
        with pytest.raises(ModelError, match=r"^\S+ is (no GGUF file|damaged)[^\n]*\.$"):
            read_metadata(half)


@pytest.mark.parametrize("at", [*range(4, 8), *range(9, 24)])  # at 8 a number that nobody reads
def test_numbers_that_make_no_sense_are_one_sentence(tmp_path: Path, at: int) -> None:
    broken = bytearray(write_tiny(tmp_path / "broken.gguf").read_bytes())
    broken[at : at + 8] = b"\xff" * 8
    (tmp_path / "broken.gguf").write_bytes(broken)
    with pytest.raises(ModelError, match="is damaged"):
        read_metadata(tmp_path / "broken.gguf")


FILES = [
    "M-Q2_K.gguf",
    "M-Q4_K.gguf",
    "M-Q4_K_M.gguf",
    "M-Q4_K_S.gguf",
    "M-Q8_0-00001-of-00002.gguf",
    "M-Q8_0-00002-of-00002.gguf",
    "mmproj-M-Q4_K_M.gguf",
    "README.md",
]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("", ["M-Q4_K_M.gguf"]),
        ("Q4_K_M", ["M-Q4_K_M.gguf"]),
        ("q4_k_m", ["M-Q4_K_M.gguf"]),
        ("Q4_K", ["M-Q4_K.gguf"]),
        ("Q4", []),
        ("Q8_0", ["M-Q8_0-00001-of-00002.gguf", "M-Q8_0-00002-of-00002.gguf"]),
        ("M-Q2_K.gguf", ["M-Q2_K.gguf"]),
        ("M-Q3_K.gguf", []),
    ],
)
def test_a_kind_means_one_file_or_its_parts(wanted: str, expected: list[str]) -> None:
    name = GgufName.read(f"someone/M-GGUF:{wanted}" if wanted else "someone/M-GGUF")
    assert name is not None and name.among(FILES) == expected


def test_the_only_file_needs_no_wish() -> None:
    name = GgufName.read("someone/M-GGUF")
    assert name is not None and name.among(["README.md", "model.f16.gguf"]) == ["model.f16.gguf"]


@pytest.mark.parametrize(
    "text", ["a/b:", "a/b:../c", "a/b:c/d", "/a/b:Q4_K_M", "C:\\models\\x", "demo", "a:b", "a/b: Q4", "a/b:é"]
)
def test_what_is_no_such_name(text: str) -> None:
    assert GgufName.read(text) is None


def cached(folder: Path, repo: str, *files: str, commit: str = "a" * 40) -> Path:
    snapshot = folder / f"models--{repo.replace('/', '--')}" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for name in files:
        write_tiny(snapshot / name)
    return snapshot


def test_names_are_found_in_the_hubs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = cached(tmp_path, "someone/M-GGUF", "M-Q4_K_M.gguf", "M-Q8_0-00001-of-00002.gguf")
    assert resolve_gguf("someone/M-GGUF:Q4_K_M") == snapshot / "M-Q4_K_M.gguf"
    assert is_gguf("someone/M-GGUF") and resolve_gguf("someone/M-GGUF") == snapshot / "M-Q4_K_M.gguf"
    with pytest.raises(ModelError, match=r"midfill download someone/M-GGUF:Q8_0`"):
        resolve_gguf("someone/M-GGUF:Q8_0")  # one part of two is no model
    write_tiny(snapshot / "M-Q8_0-00002-of-00002.gguf")
    assert resolve_gguf("someone/M-GGUF:Q8_0").name == "M-Q8_0-00001-of-00002.gguf"
    assert resolve_gguf(f"someone/M-GGUF@{'a' * 40}:Q4_K_M").parent == snapshot
    with pytest.raises(ModelError, match="midfill download"):
        resolve_gguf(f"someone/M-GGUF@{'b' * 40}:Q4_K_M")


def test_a_link_that_leads_nowhere_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an interrupted download, or a cleaned cache, leaves it."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = cached(tmp_path, LITE.hub.repo)
    os.symlink("nowhere", snapshot / LITE.wanted)
    assert LITE.path() is None
    with pytest.raises(ModelError, match="`midfill download lite-gguf`"):
        resolve_gguf("lite-gguf")


def test_a_hub_id_without_such_files_is_a_model_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert (
        not is_gguf("someone/model") and not is_gguf("demo") and not is_gguf("auto") and not is_gguf("/a/b")
    )
    assert is_gguf("lite-gguf") and is_gguf("/a/b.gguf") and is_gguf("someone/model:Q4_K_M")


def test_paths_are_taken_as_they_are(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "my model.gguf")
    assert resolve_gguf(str(path)) == path
    with pytest.raises(ModelError, match="There is no file"):
        resolve_gguf(str(tmp_path / "other.gguf"))
    part = write_tiny(tmp_path / "m-00001-of-00003.gguf")
    write_tiny(tmp_path / "m-00002-of-00003.gguf")
    with pytest.raises(ModelError, match=r"m-00003-of-00003\.gguf is missing"):
        resolve_gguf(str(part))
