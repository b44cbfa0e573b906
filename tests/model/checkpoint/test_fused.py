"""From a checkpoint to fused 4-bit weights."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from midfill_model.checkpoint import nf4
from midfill_model.checkpoint.config import ModelError, read_config
from midfill_model.checkpoint.fused import fuse as fusing
from midfill_model.checkpoint.fused.fuse import dequantised, fuse
from midfill_model.checkpoint.fused.layout import (
    FusedMoe,
    Nf4,
    allocate,
    assert_quantised,
    named_tensors,
    sources,
)
from midfill_model.checkpoint.shapes import tensor_shapes
from midfill_model.checkpoint.weights import Checkpoint
from midfill_model.lab import synthetic
from midfill_model.lab.reference import ours

from ..small import SMALL, WHOLE_GROUPS, fused, plain_twin, write_small


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_small(tmp_path_factory.mktemp("small"))
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder


def test_every_tensor_of_the_checkpoint_is_where_its_name_says(folder: Path) -> None:
    """Row by row against the checkpoint: gate above up, latents above queries, expert e at e."""
    config, weights = fused(folder)
    moe, attention = weights.layers[1].mlp, weights.layers[1].attention
    assert isinstance(moe, FusedMoe)
    inner, rows = config.moe_intermediate_size, config.latent_dim
    places = {
        "lm_head.weight": weights.head,
        "model.layers.1.self_attn.kv_a_proj_with_mqa.weight": attention.inputs.part(slice(None, rows)),
        "model.layers.1.self_attn.q_proj.weight": attention.inputs.part(slice(rows, None)),
        "model.layers.1.self_attn.kv_b_proj.weight": attention.key_value,
        "model.layers.1.self_attn.o_proj.weight": attention.output,
        "model.layers.1.mlp.experts.3.gate_proj.weight": Nf4(
            moe.experts.gate_up.packed[3, :inner], moe.experts.gate_up.absmax[3, :inner]
        ),
        "model.layers.1.mlp.experts.2.up_proj.weight": Nf4(
            moe.experts.gate_up.packed[2, inner:], moe.experts.gate_up.absmax[2, inner:]
        ),
        "model.layers.1.mlp.experts.0.down_proj.weight": moe.experts.down.part(0),
        "model.layers.1.mlp.shared_experts.down_proj.weight": moe.shared.down,
    }
    with Checkpoint(folder) as checkpoint:
        for name, place in places.items():
            packed, absmax = nf4.quantize(checkpoint.stored(name).values)
            assert torch.equal(place.packed.reshape(-1, 1), packed), name
            assert torch.equal(place.absmax.flatten(), absmax), name
        router = checkpoint.stored("model.layers.1.mlp.gate.weight").values
    assert torch.equal(moe.router, router.float())


def test_every_matrix_is_quantised_twice_as_bitsandbytes_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tensor of the checkpoint alone, whatever it was fused with, and in whatever pieces it was read."""
    monkeypatch.setattr(fusing, "PIECE_BYTES", 5000)
    folder = write_small(tmp_path, **WHOLE_GROUPS)
    config, weights = fused(folder, double=True)
    _, plain = fused(folder)
    n_bytes = [sum(tensor.nbytes for _, tensor in named_tensors(one)) for one in (weights, plain)]
    assert n_bytes[0] < n_bytes[1]
    with Checkpoint(folder) as checkpoint:
        for source in sources(config, weights):
            for target in source.targets:
                if isinstance(target, Nf4):
                    packed, absmax = nf4.quantize(checkpoint.stored(source.name).values)
                    bytes_, groups = nf4.nest(absmax)
                    assert target.groups is not None
                    assert torch.equal(target.packed.reshape(-1, 1), packed), source.name
                    assert torch.equal(target.absmax.flatten(), bytes_), source.name
                    assert torch.equal(target.groups, groups), source.name
    fetch = dequantised(weights, config)
    values = nf4.dequantize(packed, nf4.unnest(bytes_, groups), source.shape, torch.float32)
    assert torch.equal(fetch(source.name, *source.shape), values)


def test_columns_without_whole_groups_are_not_quantised_twice(folder: Path) -> None:
    with pytest.raises(ModelError, match="no double quantisation"):
        fused(folder, double=True)


def test_a_matrix_read_in_pieces_has_the_same_bits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = fused(folder)
    monkeypatch.setattr(fusing, "PIECE_BYTES", 5000)
    _, pieces = fused(folder)
    for (name, one), (_, other) in zip(named_tensors(whole), named_tensors(pieces), strict=True):
        assert torch.equal(one, other), name


def test_what_comes_back_is_the_checkpoint_but_for_the_rounding(folder: Path) -> None:
    config, weights = fused(folder, real=torch.bfloat16)
    fetch = dequantised(weights, config)
    with Checkpoint(folder) as checkpoint:
        for name, shape in tensor_shapes(SMALL):
            wanted, found = checkpoint.read(name, shape), fetch(name, *shape)
            assert found.dtype == torch.float32
            # Half of the widest gap in the code, 0.152, times the block's largest value.
            assert (wanted - found).abs().max() <= 0.153 * wanted.abs().max(), name
            if len(shape) == 1 or "embed" in name or "mlp.gate." in name:
                assert torch.equal(wanted, found), name


@pytest.mark.parametrize("tied", [False, True])
def test_counted_and_named_like_the_checkpoint(tmp_path: Path, tied: bool) -> None:
    folder = write_small(tmp_path, tie_word_embeddings=tied)
    config, weights = fused(folder)
    names = {source.name: source.shape for source in sources(config, weights)}
    assert names == dict(tensor_shapes(SMALL | {"tie_word_embeddings": tied}))
    assert weights.n_parameters == ours(folder).n_parameters


def test_lite_takes_less_than_nine_gigabytes(tmp_path: Path) -> None:
    """Arithmetic on the exact shape, without a byte of it."""
    (tmp_path / "config.json").write_text(json.dumps(synthetic.LITE))
    weights = allocate(read_config(tmp_path), torch.device("meta"), torch.bfloat16)
    assert weights.n_parameters == 15_706_484_224
    n_bytes = sum(tensor.nbytes for _, tensor in named_tensors(weights))
    assert 8.4 < n_bytes / 2**30 < 8.6
    twice = allocate(read_config(tmp_path), torch.device("meta"), torch.bfloat16, double=True)
    assert 0.66 < (n_bytes - sum(tensor.nbytes for _, tensor in named_tensors(twice))) / 2**30 < 0.72


def test_the_embedded_models_bits_are_taken_over(embedded_folder: Path) -> None:
    config, weights = fused(embedded_folder)
    with Checkpoint(embedded_folder) as checkpoint:
        for source in sources(config, weights):
            stored = checkpoint.stored(source.name)
            for target in source.targets:
                if isinstance(target, Nf4):
                    assert stored.absmax is not None
                    assert torch.equal(target.packed.reshape(-1, 1), stored.values), source.name
                    assert torch.equal(target.absmax.flatten(), stored.absmax), source.name
    twin, plain = plain_twin(weights, config, 64), ours(embedded_folder, 64)
    ids = torch.arange(50) * 13
    torch.testing.assert_close(*(n.forward(ids, n.new_cache(50), 0) for n in (twin, plain)))


def test_a_routed_expert_in_16_bit_is_noticed(folder: Path) -> None:
    _, weights = fused(folder)
    assert_quantised(weights)
    last = weights.layers[-1]
    assert isinstance(last.mlp, FusedMoe)
    down = last.mlp.experts.down
    wide = replace(down, packed=torch.zeros(4, 128, 64, dtype=torch.bfloat16))
    mlp = replace(last.mlp, experts=replace(last.mlp.experts, down=wide))
    layers = (*weights.layers[:-1], replace(last, mlp=mlp))
    with pytest.raises(ModelError, match=r"layers\.2\.mlp\.experts\.down\.packed stayed in torch\.bfloat16"):
        assert_quantised(replace(weights, layers=layers))


def test_columns_that_are_no_whole_blocks_are_refused(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match=r"has 32 columns, .* multiple of 64; run it with --device cpu"):
        fused(tiny_folder)


def test_a_wrong_last_tensor_is_found_before_the_first_is_read(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    shard = sorted(tmp_path.glob("model-*.safetensors"))[-1]
    save_file(load_file(shard) | {"lm_head.weight": torch.zeros(320, 128)}, shard)
    seen: list[float] = []
    with pytest.raises(ModelError, match=r"lm_head.weight has the shape \[320, 128\], but .* \[384, 128\]"):
        fuse_to_cpu(tmp_path, seen)
    assert not seen


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("real", [torch.float32, torch.bfloat16])
def test_a_gpu_gives_the_same_bits(folder: Path, embedded_folder: Path, real: torch.dtype) -> None:
    for source in (folder, embedded_folder):
        (_, here), (_, there) = fused(source, "cpu", real), fused(source, "cuda", real)
        for (name, one), (_, other) in zip(named_tensors(here), named_tensors(there), strict=True):
            assert other.is_cuda
            assert torch.equal(one, other.cpu()), name


def test_progress_grows_to_one(folder: Path) -> None:
    seen: list[float] = []
    fuse_to_cpu(folder, seen)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def fuse_to_cpu(folder: Path, seen: list[float]) -> None:
    with Checkpoint(folder) as checkpoint:
        fuse(read_config(folder), checkpoint, torch.device("cpu"), torch.float32, seen.append)
