"""Model folders, good and bad: each fault is one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from midfill_model.checkpoint import hub, nf4, weights
from midfill_model.checkpoint.config import ModelError, read_config
from midfill_model.lab import synthetic
from midfill_model.lab.reference import ours
from midfill_model.process.loading import fim_trained, gpu_lack, load_model, plain_network, read_settings
from midfill_model.process.machine import cpus

from ..tiny import YARN, write_tiny


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    raw = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in raw.items() if value is not ...}))


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def truncate(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


NORM = "model.norm.weight"
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "config not JSON": (lambda f: (f / "config.json").write_text("{"), "not valid JSON"),
    "config too deep": (lambda f: (f / "config.json").write_text("[" * 100_000), "not valid JSON"),
    "config a list": (lambda f: (f / "config.json").write_text("[]"), "does not hold a JSON object"),
    "another architecture": (lambda f: edit(f, model_type="llama"), "describes a 'llama' model"),
    "a key missing": (
        lambda f: edit(f, kv_lora_rank=...),
        "kv_lora_rank must be a whole number from 1 up, not None",
    ),
    "a key of another type": (lambda f: edit(f, rms_norm_eps="x"), "rms_norm_eps must be a number, not 'x'"),
    "query LoRA": (lambda f: edit(f, q_lora_rank=64), "q_lora_rank = 64 is not supported"),
    "another rope": (lambda f: edit(f, rope_scaling={"type": "linear"}), "rope scaling 'linear'"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
    "truncated weights": (truncate, "damaged or truncated"),
    "a tensor missing": (lambda f: rewrite(f, lambda t: t.__delitem__(NORM)), f"lacks the tensor {NORM}"),
    "another shape": (lambda f: edit(f, hidden_size=128), r"has the shape \[384, 64\], but"),
    "a shard missing": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"x": "y.safetensors"}}'),
        "y.safetensors is missing",
    ),
}


@pytest.mark.parametrize(("break_it", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_one_clear_sentence(
    tmp_path: Path, tiny_folder: Path, break_it: Callable[[Path], None], message: str
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    break_it(folder)
    with pytest.raises(ModelError, match=message) as error:
        ours(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_nf4_weights_compute_what_their_values_say(tmp_path: Path) -> None:
    """All matrices but the router in NF4, against the same values stored in full."""
    full, packed = (write_tiny(tmp_path / name) for name in ("full", "packed"))
    tensors = load_file(full / "model.safetensors")
    stored = {}
    for name, weight in tensors.items():
        if weight.ndim == 2 and "mlp.gate.weight" not in name:
            stored[name], stored[f"{name}.absmax"] = nf4.quantize(weight)
            tensors[name] = nf4.dequantize(
                stored[name], stored[f"{name}.absmax"], weight.shape, torch.float32
            )
        else:
            stored[name] = weight.bfloat16().float()
            tensors[name] = stored[name].clone()
    save_file(tensors, full / "model.safetensors")
    save_file(stored, packed / "model.safetensors")
    ids = torch.arange(50)
    logits = [network.forward(ids, network.new_cache(50), 0) for network in (ours(full), ours(packed))]
    torch.testing.assert_close(*logits)


def test_shards_and_progress(tmp_path: Path, tiny_folder: Path) -> None:
    sharded = tmp_path / "sharded"
    synthetic.write_checkpoint(synthetic.TINY, sharded, shard_bytes=100_000)
    assert len(list(sharded.glob("model-*.safetensors"))) > 2
    seen: list[float] = []
    one, other = ours(tiny_folder), plain_network(sharded, read_config(sharded), 64, seen.append)
    ids = torch.arange(20)
    torch.testing.assert_close(*(n.forward(ids, n.new_cache(20), 0) for n in (one, other)))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_name_becomes_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub.resolve("auto") == hub.resolve("demo")
    assert hub.resolve(str(tmp_path)) == tmp_path
    with pytest.raises(ModelError, match="There is no model folder"):
        hub.resolve(str(tmp_path / "none"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="`midfill download lite`"):
        hub.resolve("lite")
    with pytest.raises(ModelError, match="with: midfill download owner/name@v1"):
        hub.resolve("owner/name@v1")
    snapshots = tmp_path / "models--deepseek-ai--DeepSeek-Coder-V2-Lite-Base" / "snapshots"
    other, pinned = snapshots / "abc", snapshots / str(hub.LITE.revision)
    write_files(other, "config.json", "tokenizer.json")
    with pytest.raises(ModelError, match="or not all of it"):
        hub.resolve("lite")
    write_files(other, "model.safetensors")
    assert hub.resolve("lite") == other  # what another program fetched serves, too
    write_files(pinned, "config.json", "tokenizer.json", "model.safetensors")
    assert hub.resolve("lite") == pinned
    assert hub.resolve(f"{hub.LITE.repo}@{hub.LITE.revision}") == hub.resolve("lite")


def write_files(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("{}")


TRAINED = {
    "models--deepseek-ai--DeepSeek-Coder-V2-Lite-Base/snapshots/abc": True,
    "models--deepseek-ai--DeepSeek-Coder-V2-Lite-Instruct/snapshots/abc": False,
    "models--chat--DeepSeek-Coder-V2-Lite-Base/snapshots/abc": True,
    "DeepSeek-V2-Lite-Chat": False,
    "my-model": True,
}


@pytest.mark.parametrize(("name", "trained"), TRAINED.items())
def test_a_model_tuned_for_chat_is_known_by_its_name(
    tmp_path: Path, tiny_folder: Path, name: str, trained: bool
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / name)
    assert fim_trained(folder, *read_settings(folder)) is trained
    edit(folder, fim_trained=not trained)  # who makes a model may say so
    assert fim_trained(folder, *read_settings(folder)) is not trained


def test_a_model_without_fim_tokens_loads_and_is_known(tmp_path: Path, tiny_folder: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    raw = json.loads((folder / "tokenizer.json").read_text())
    raw["added_tokens"] = raw["added_tokens"][:2]
    (folder / "tokenizer.json").write_text(json.dumps(raw))
    loaded = load_model(str(folder), 1, "cpu")(lambda _: None)
    assert loaded.tokenizer.fim_ids is None
    assert not fim_trained(folder, loaded.network.config, loaded.tokenizer)


def test_lites_scale_of_the_softmax(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(synthetic.LITE))
    assert read_config(tmp_path).softmax_scale == pytest.approx(192**-0.5 * 1.58963, rel=1e-5)
    (tmp_path / "config.json").write_text(
        json.dumps(synthetic.TINY | {"rope_parameters": YARN | {"rope_theta": 5e4}})
    )
    config = read_config(tmp_path)
    assert config.yarn
    assert (config.rope_theta, config.yarn.factor) == (5e4, 8)


def test_other_models_of_the_family_are_read(tmp_path: Path) -> None:
    """DeepSeek-V2-Lite and the Instruct models: keys that only training used, and one group of experts."""
    unused = {"aux_loss_alpha": 0.001, "seq_aux": True, "ep_size": 1, "pretraining_tp": 1, "use_cache": True}
    groups = {"n_group": 1, "topk_group": 1, "moe_layer_freq": 1, "attention_dropout": 0.0}
    for name, raw in (("lite", synthetic.LITE), ("v2-lite", synthetic.LITE | unused | groups)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(raw))
    assert read_config(tmp_path / "lite") == read_config(tmp_path / "v2-lite")


def test_a_tensor_that_cannot_be_read_is_named(tmp_path: Path, tiny_folder: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    rewrite(folder, lambda t: t.update({NORM: t[NORM].to(torch.float8_e4m3fn)}))
    with pytest.raises(ModelError, match=f"{NORM} is stored as F8_E4M3; Midfill reads 16 and 32 bit"):
        ours(folder)


def test_a_model_that_cannot_fit_is_refused_before_it_is_read(tiny_folder: Path) -> None:
    weights.check_memory(tiny_folder, cpus.memory())
    with pytest.raises(ModelError, match="GB of memory in fp32"):
        weights.check_memory(tiny_folder, 1000)


def test_a_gpu_that_is_asked_for_and_not_there_is_one_sentence() -> None:
    if not gpu_lack():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelError, match=r"--device cuda: .*; use --device cpu"):
        load_model("demo", 1, "cuda")(lambda _: None)


def test_weights_that_compute_no_numbers_are_refused(tmp_path: Path, tiny_folder: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "spoilt")

    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        tensors["model.norm.weight"][0] = float("nan")

    rewrite(folder, spoil)
    with pytest.raises(ModelError, match="compute no numbers"):
        load_model(str(folder), n_threads=1, device="cpu")(lambda _: None)
