"""The packed copy: what it saves, and every way in which it can be wrong."""

import json
import logging
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from midfill_model.checkpoint.config import ModelError, read_config
from midfill_model.checkpoint.fused import packed_copy as packed
from midfill_model.checkpoint.fused import store
from midfill_model.checkpoint.fused.layout import FusedWeights, named_tensors
from midfill_model.checkpoint.fused.store import fits_only_double, free_memory, load_fused
from midfill_model.lab import synthetic

from ...full_disk import small_disk
from ..small import WHOLE_GROUPS, write_small

CPU, GPU = torch.device("cpu"), torch.device("cuda")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIDFILL_CACHE_DIR", str(tmp_path / "cache"))
    return write_small(tmp_path / "small")


def load(
    folder: Path, seen: list[float] | None = None, device: torch.device = CPU, double: bool = False
) -> FusedWeights:
    progress = (lambda _: None) if seen is None else seen.append
    return load_fused(folder, read_config(folder), device, progress, copy_pays_from=0, double=double)


def copies(folder: Path) -> list[Path]:
    return [path for path in (folder.parent / "cache").rglob("*") if path.is_file()]


def the_copy(folder: Path) -> Path:
    (copy,) = copies(folder)
    return copy


def equal(one: FusedWeights, other: FusedWeights) -> bool:
    pairs = zip(named_tensors(one), named_tensors(other), strict=True)
    return one.n_parameters == other.n_parameters and all(
        a == b and torch.equal(x, y) for (a, x), (b, y) in pairs
    )


def test_the_second_start_reads_the_copy(folder: Path) -> None:
    """Proven by shards whose content is lost: only names, sizes and times are compared with them."""
    first = load(folder)
    for shard in folder.glob("*.safetensors"):
        stat, n_header = shard.stat(), int.from_bytes(shard.read_bytes()[:8], "little") + 8
        with shard.open("r+b") as file:
            file.seek(n_header)
            file.write(bytes(stat.st_size - n_header))
        os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert equal(first, load(folder))


def test_the_copy_is_a_plain_safetensors_file(folder: Path) -> None:
    weights = load(folder)
    stored = load_file(the_copy(folder))
    assert all(torch.equal(stored[name], tensor) for name, tensor in named_tensors(weights))


def test_progress_grows_to_one_both_times(folder: Path) -> None:
    for _ in range(2):
        seen: list[float] = []
        load(folder, seen)
        assert seen == sorted(seen)
        assert (seen[0] < 0.5, seen[-1]) == (True, 1.0)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 16
    path.write_bytes(content)


def swap_words(path: Path) -> None:
    content = bytearray(path.read_bytes())
    assert content[-8:-4] != content[-4:]
    content[-8:-4], content[-4:] = content[-4:], content[-8:-4]
    path.write_bytes(content)


def swap_tensors(path: Path) -> None:
    """Two norms of one shape: names and sizes still fit."""
    tensors, metadata = load_file(path), header(path)["__metadata__"]
    a, b = "layers.0.norm", "layers.1.norm"
    tensors[a], tensors[b] = tensors[b], tensors[a]
    save_file(tensors, path, metadata)


def other_metadata(**changes: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        save_file(load_file(path), path, header(path)["__metadata__"] | changes)

    return change


def lose_a_tensor(path: Path) -> None:
    tensors, metadata = load_file(path), header(path)["__metadata__"]
    del tensors["norm"]
    save_file(tensors, path, metadata)


def header(path: Path) -> dict[str, dict[str, str]]:
    content = path.read_bytes()
    parsed: dict[str, dict[str, str]] = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return parsed


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (flip_a_bit, "damaged (the checksum of"),
    "swapped words": (swap_words, "damaged (the checksum of"),
    "swapped tensors": (swap_tensors, "damaged (the checksum of layers.0.norm"),
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-9]), "damaged or truncated"),
    "empty": (lambda p: p.write_bytes(b""), "damaged or truncated"),
    "not safetensors": (lambda p: p.write_text("hello, I am no model"), "damaged or truncated"),
    "an older version": (other_metadata(midfill="0"), "of another version"),
    "another model's": (other_metadata(fingerprint="0"), "of another model"),
    "checksums gone": (other_metadata(checksums="{}"), "damaged"),
    "a tensor missing": (lose_a_tensor, "of another model"),
}


@pytest.mark.parametrize(("spoil", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_copy_is_built_again_with_one_warning(
    folder: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None], reason: str
) -> None:
    first, good = load(folder), the_copy(folder).read_bytes()
    spoil(the_copy(folder))
    assert equal(first, load(folder))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"is {reason}" in record.message
    assert the_copy(folder).read_bytes() == good


def test_a_changed_model_gets_a_new_copy_and_the_old_one_goes(folder: Path) -> None:
    before = (load(folder), the_copy(folder))
    for path in folder.iterdir():
        path.unlink()
    synthetic.write_checkpoint(json.loads(other_config(folder)), folder, seed=1, shard_bytes=200_000)
    after = load(folder)
    assert not equal(before[0], after)
    assert the_copy(folder) != before[1]


def other_config(folder: Path) -> str:
    return (write_small(folder.with_name("again")) / "config.json").read_text()


def test_two_folders_of_one_name_keep_their_copies(folder: Path) -> None:
    load(folder)
    twin = shutil.copytree(folder, folder.parent / "elsewhere" / folder.name)
    load(twin)
    assert len(copies(folder)) == 2


def test_a_new_revision_in_the_hubs_cache_replaces_the_copy(folder: Path) -> None:
    hub = folder.parent / "models--deepseek-ai--Small" / "snapshots"
    for revision in ("abc", "def"):
        load(shutil.copytree(folder, hub / revision))
        assert the_copy(folder).parent.name.startswith("Small-")


def test_a_small_model_gets_no_copy(folder: Path, embedded_folder: Path) -> None:
    load_fused(folder, read_config(folder), CPU, lambda _: None)
    load(embedded_folder)  # it is in NF4 already
    assert not copies(folder)


def test_leftovers_of_a_killed_start_are_removed(folder: Path) -> None:
    load(folder)
    copy = the_copy(folder)
    copy.rename(copy.with_name(copy.name + ".123"))
    load(folder)
    assert the_copy(folder) == copy


def test_a_disk_too_full_costs_the_copy_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store, "_SPARE_DISK", 1 << 60)
    load(folder)
    (record,) = caplog.records
    assert "No packed copy is kept in" in record.message
    assert "GB, and" in record.message
    assert not copies(folder)


def test_a_disk_that_fills_while_the_copy_is_written_costs_the_copy_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else took what was free when it began."""
    monkeypatch.setattr(store, "_SPARE_DISK", -1 << 40)
    (folder.parent / "cache").mkdir()
    with small_disk(folder.parent / "cache"):
        assert equal(load(folder), load(folder))
        assert {record.message.partition(": ")[2] for record in caplog.records} == {
            "No space left on device."
        }
        assert not copies(folder)


def test_a_cache_folder_that_cannot_be_made_costs_the_copy_only(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder.parent / "cache").write_text("a file where the folder should be")
    load(folder)
    (record,) = caplog.records
    assert "No packed copy is kept in" in record.message


def test_a_write_that_fails_halfway_leaves_nothing(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        load(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (record,) = caplog.records
    assert "File too large" in record.message
    assert not copies(folder)


def test_too_little_gpu_memory_is_quantised_twice_then_said_with_numbers(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(synthetic.LITE))
    config = read_config(tmp_path)
    assert not fits_only_double(tmp_path, config, int(9.5 * 2**30))
    assert fits_only_double(tmp_path, config, int(8.8 * 2**30))
    with pytest.raises(ModelError, match=r"needs 8\.7 GiB .* \(7\.8 of them weights\), and 8\.0 are free"):
        fits_only_double(tmp_path, config, 8 << 30)
    (tmp_path / "config.json").write_text(json.dumps(synthetic.LITE | {"moe_intermediate_size": 64}))
    with pytest.raises(ModelError, match=r"needs \d\.\d GiB"):
        fits_only_double(tmp_path, read_config(tmp_path), 1 << 30)


def test_weights_quantised_twice_have_a_copy_of_their_own(folder: Path) -> None:
    shutil.rmtree(folder)
    plain = load(write_small(folder, **WHOLE_GROUPS))
    once = the_copy(folder)
    twice = load(folder, double=True)
    assert the_copy(folder) != once
    assert load_file(the_copy(folder))["head.absmax"].dtype == torch.uint8
    assert equal(twice, load(folder, double=True))
    assert torch.equal(twice.head.packed, plain.head.packed)
    assert equal(plain, load(folder))


@needs_gpu
def test_a_gpu_reads_its_copy_and_sees_its_damage(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = load(folder, device=GPU)
    assert equal(first, load(folder, device=GPU))
    assert not caplog.records
    flip_a_bit(the_copy(folder))
    assert equal(first, load(folder, device=GPU))
    assert "damaged (the checksum of" in caplog.text


@needs_gpu
def test_a_memory_limit_of_the_process_counts(folder: Path) -> None:
    total = torch.cuda.mem_get_info()[1]
    assert free_memory(GPU) <= total
    torch.cuda.set_per_process_memory_fraction((500 << 20) / total)
    try:
        with pytest.raises(ModelError, match=r"needs 0\.6 GiB of GPU memory .* 0\.\d are free"):
            load(folder, device=GPU)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a shard missing": (lambda f: shard(f).unlink(), "is missing; download the model again"),
    "a shard truncated": (
        lambda f: shard(f).write_bytes(shard(f).read_bytes()[:-1]),
        "is damaged or truncated",
    ),
    "another architecture": (lambda f: edit(f, model_type="llama"), "describes a 'llama' model"),
    "another shape": (lambda f: edit(f, moe_intermediate_size=128), r"has the shape \[64, 128\], but"),
}


@pytest.mark.parametrize(("break_it", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_of_the_shards_is_one_sentence_before_anything_is_read(
    folder: Path, break_it: Callable[[Path], None], message: str
) -> None:
    load(folder)  # a good copy does not hide it
    break_it(folder)
    seen: list[float] = []
    with pytest.raises(ModelError, match=message) as error:
        load(folder, seen)
    assert "\n" not in str(error.value)
    assert not seen


def shard(folder: Path) -> Path:
    return sorted(folder.glob("model-*.safetensors"))[1]


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_checksum_sees_every_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces have to count on from each other: a sum that starts anew would not see pieces exchanged."""
    monkeypatch.setattr(packed, "PIECE_BYTES", 64)
    words = torch.arange(64, dtype=torch.int32) - 20
    (plain,) = packed.checksums({"x": words}).values()
    assert plain == sum((2 * i + 1) * (i - 20) for i in range(64))
    exchanged = words.view(4, 16)[[1, 0, 2, 3]].flatten()
    assert packed.checksums({"x": exchanged})["x"] != plain
