"""Random checkpoints: the same from run to run, in shards and files as on the hub."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from midfill_model.checkpoint.shapes import tensor_shapes
from midfill_model.lab import synthetic

from ..small import SMALL


def stored(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}


def test_the_seed_decides_and_the_shards_do_not(tmp_path: Path) -> None:
    written = []
    for name, seed, shard_bytes in (("a", 1, 1 << 30), ("b", 1, 100_000), ("c", 2, 1 << 30)):
        synthetic.write_checkpoint(SMALL, tmp_path / name, seed, shard_bytes)
        written.append(stored(tmp_path / name))
    one, same, other = written
    assert all(torch.equal(one[name], same[name]) for name in one | same)
    assert not any(torch.equal(one[name], other[name]) for name in one)
    assert one["lm_head.weight"].dtype == torch.bfloat16


def test_no_two_tensors_are_alike(tmp_path: Path) -> None:
    synthetic.write_checkpoint(SMALL, tmp_path)
    tensors = stored(tmp_path)
    experts = [tensors[name] for name in tensors if ".experts." in name and "gate_proj" in name]
    assert len({expert.view(torch.int16).numpy().tobytes() for expert in experts}) == len(experts) == 8


def test_the_index_names_every_tensor(tmp_path: Path) -> None:
    synthetic.write_checkpoint(SMALL, tmp_path, shard_bytes=100_000)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in stored(tmp_path).values())
    for name, file in index["weight_map"].items():
        assert name in load_file(tmp_path / file)


def test_the_command_tells_how_far_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert synthetic.main(["tiny", str(tmp_path)]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "100 % written"
    assert set(stored(tmp_path)) == dict(tensor_shapes(synthetic.TINY)).keys()
