"""The kernel of a whole step without a GPU: what it is compiled from, what is kept, when it is taken."""

import ctypes
import logging
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("triton")

from midfill_model.checkpoint import hub
from midfill_model.checkpoint.config import read_config
from midfill_model.network.gpu.persistent import choice, kernel, shape, step
from midfill_model.network.gpu.persistent import compile as compiling
from midfill_model.network.gpu.persistent.shape import NoKernel

from .shapes_of_models import config_of

LITE = config_of("lite")


def network_of(config: Any, absmax: torch.dtype = torch.float32, half: torch.dtype = torch.float16) -> Any:
    head = SimpleNamespace(absmax=torch.empty(1, dtype=absmax))
    return SimpleNamespace(
        config=config, head=head, embedding=torch.empty(1, dtype=torch.bfloat16), cache_type=half
    )


def test_lite_and_the_embedded_model_have_shapes_that_it_is_made_for() -> None:
    for config in (LITE, read_config(hub.resolve("demo"))):
        shape.check(network_of(config))


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": 4096},
        {"hidden_size": 1536},
        {"num_attention_heads": 32},
        {"kv_lora_rank": 576},
        {"v_head_dim": 96},
        {"n_routed_experts": 160},
        {"num_experts_per_tok": 7},
        {"intermediate_size": 12_288},
        {"num_hidden_layers": 60},
    ],
)
def test_other_shapes_are_refused_by_name(change: dict[str, Any]) -> None:
    with pytest.raises(NoKernel, match=r"not made for \w+ \d+"):
        shape.check(network_of(replace(LITE, **change)))


def test_weights_and_caches_of_other_types_are_refused() -> None:
    with pytest.raises(NoKernel, match="absmax"):
        shape.check(network_of(LITE, absmax=torch.uint8))
    with pytest.raises(NoKernel, match="float32"):
        shape.check(network_of(LITE, half=torch.float32))


@pytest.mark.parametrize(("major", "n"), [(8, 128), (9, 16), (9, 300)])
def test_cards_that_it_cannot_run_on_are_refused(major: int, n: int) -> None:
    with pytest.raises(NoKernel):
        shape.check_card(major, n)
    shape.check_card(9, 132)


# What Python hands over is what the source takes.


def members(name: str) -> list[str]:
    """The names in a struct of the source, in order."""
    (body,) = re.findall(rf"^struct {name} {{.*?\n(.*?)^}};", compiling.source(), re.MULTILINE | re.DOTALL)
    lines = re.sub(r"//.*", "", body).split(";")
    return [
        re.sub(r".*[\s*]", "", part) for line in lines if line.strip() for part in line.strip().split(",")
    ]


def test_arguments_are_those_of_the_source() -> None:
    handed = [name for name, *_ in kernel._Args._fields_]
    assert handed == members("Args")
    assert ctypes.sizeof(kernel._Args) == 8 * len(kernel.POINTERS) + 4 * (len(kernel.NUMBERS) + 1)


def test_a_layer_has_as_many_pointers_as_the_source_says() -> None:
    part = SimpleNamespace(
        data_ptr=lambda: 0,
        words=SimpleNamespace(data_ptr=lambda: 0),
        absmax=SimpleNamespace(data_ptr=lambda: 0),
    )
    experts = SimpleNamespace(router_as_stored=part, gate_up=part, down=part)
    names = ("norm", "inputs", "latent_norm", "key_value", "output", "mlp_norm")
    layer: Any = SimpleNamespace(**dict.fromkeys(names, part), experts=experts)
    assert len(step._pointers(layer)) == len(members("Layer")) == kernel.LAYER_POINTERS


def test_every_size_that_the_source_names_is_given() -> None:
    given = shape.macros(LITE)
    source = compiling.source()
    for name in given:
        assert re.search(rf"\b{name}\b", source), name
    assert given["NF4_CODE"].count(",") == 15


# What is compiled is kept.


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The options of each compilation; a cache folder of the test's own."""
    calls: list[list[str]] = []

    def compile_(text: str, given: list[str]) -> bytes:
        calls.append(given)
        return b"code %d" % len(calls)

    monkeypatch.setattr(compiling, "_compiled", compile_)
    monkeypatch.setenv("MIDFILL_CACHE_DIR", str(tmp_path / "cache"))
    return calls


def test_a_kernel_is_compiled_once_for_a_card_a_driver_and_a_source(
    compiled: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compiling.machine_code(LITE, "sm_90", "H100, driver 13000")
    assert compiling.machine_code(LITE, "sm_90", "H100, driver 13000") == first
    assert len(compiled) == 1
    assert "--gpu-architecture=sm_90" in compiled[0]
    compiling.machine_code(LITE, "sm_90", "H100, driver 13010")
    compiling.machine_code(replace(LITE, num_hidden_layers=26), "sm_90", "H100, driver 13000")
    monkeypatch.setattr(compiling, "source", lambda: "another")
    compiling.machine_code(LITE, "sm_90", "H100, driver 13000")
    assert len(compiled) == 4


def test_what_is_kept_can_be_compiled_anew(compiled: list[list[str]]) -> None:
    first, second = (compiling.machine_code(LITE, "sm_90", "H100", anew=anew) for anew in (False, True))
    assert first != second == compiling.machine_code(LITE, "sm_90", "H100")


def test_a_cache_that_cannot_be_written_is_no_obstacle(
    compiled: list[list[str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert compiling.machine_code(LITE, "sm_90", "H100, driver 13000") == b"code 1"
    assert "cannot keep a compiled kernel" in caplog.text


# Which way is taken.


def trial(seconds: float, error: float = 0.0) -> choice.Trial:
    logits = torch.ones(len(choice.IDS), 100)
    return choice.Trial(seconds, logits + error)


def test_the_kernel_is_taken_where_it_is_faster_and_agrees() -> None:
    assert choice.why_launches(trial(2.0), trial(1.0, 0.001)) == ""
    assert "ms" in choice.why_launches(trial(1.0), trial(1.0))
    assert "differ" in choice.why_launches(trial(2.0), trial(1.0, 0.2))
    assert "differ" in choice.why_launches(trial(2.0), trial(1.0, torch.nan))


def test_a_token_whose_experts_are_others_does_not_decide() -> None:
    kernel = trial(1.0)
    kernel.logits[3] = -1
    assert choice.why_launches(trial(2.0), kernel) == ""


def test_a_trial_takes_each_id_and_what_it_leaves() -> None:
    logits = torch.zeros(3)
    found = choice.tried(lambda id_: logits.fill_(id_), logits)  # type: ignore[arg-type]
    assert found.logits[:, 0].tolist() == list(choice.IDS)
    assert found.seconds > 0
