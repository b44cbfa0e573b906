"""The kernels against the plain network with the same 4-bit values, in fp32, so that every difference shows.

Triton's interpreter has to be switched on before Triton is loaded, hence a process of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("triton")

# The interpreter takes a minute for these: no size is larger than its kernels' paths need.
TWO_LAYERS = {"num_hidden_layers": 2, "intermediate_size": 64}
WAYS: dict[str, dict[str, Any]] = {
    "as in Lite": TWO_LAYERS,
    "odd sizes": TWO_LAYERS
    | {
        "hidden_size": 192,
        "num_attention_heads": 6,
        "n_routed_experts": 5,
        "num_experts_per_tok": 3,
        "n_shared_experts": 1,
        "routed_scaling_factor": 2.5,
    },
    "quantised twice": TWO_LAYERS
    | {
        "intermediate_size": 128,
        "moe_intermediate_size": 128,
        "qk_nope_head_dim": 64,
        "qk_rope_head_dim": 64,
        "v_head_dim": 64,
    },
    "dense and tied": TWO_LAYERS | {"first_k_dense_replace": 2, "tie_word_embeddings": True},
}
LIFTED = {"as in Lite", "odd sizes"}
"""Here attention lifts keys and values out of the latents."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[dict[str, float]]]]:
    """A minute each on one core: as many at once as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {way: pool.submit(in_interpreter, tmp_path_factory.mktemp("way"), way) for way in WAYS}


@pytest.mark.parametrize("way", WAYS)
def test_kernels_equal_the_plain_network(runs: dict[str, Future[dict[str, float]]], way: str) -> None:
    """Logits of a step and of a prefill, after one that was given up; the next step's id; the cache."""
    errors = runs[way].result()
    assert set(errors) == {"step", "prefill", "cache", "log-probabilities"}
    assert {name: error for name, error in errors.items() if not error < 1e-4} == {}


def test_keys_and_values_are_lifted_only_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from midfill_model.network.gpu import graphs

    from ..small import fused, write_small

    monkeypatch.setattr(graphs, "LIFTED_POSITIONS", 40)
    config, weights = fused(write_small(tmp_path, num_hidden_layers=1))
    network = graphs.FusedDeepseekV2(config, weights, 64, sizes={16: 1, 32: 1}, lifted_from=32)
    ways = [network._way(n, start) for n, start in ((1, 0), (16, 0), (17, 23), (17, 24), (32, 8), (32, 9))]
    assert ways == [(1, False), (16, False), (32, True), (32, False), (32, True), (32, False)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("lifted_from", [16, 2000])
def test_every_size_of_prefill_on_a_gpu(tmp_path: Path, lifted_from: int) -> None:
    """Lite's shape, two layers, in fp16: each graph and way of attention against the plain network."""
    from midfill_model.lab import synthetic
    from midfill_model.network.gpu.graphs import SIZES, FusedDeepseekV2
    from midfill_model.network.protocol import Cancelled

    from ..small import fused, plain_twin, write_small

    changes = synthetic.LITE | {"num_hidden_layers": 2, "vocab_size": 1024, "bos_token_id": 1000}
    config, weights = fused(write_small(tmp_path, 1 << 30, **changes), "cuda", torch.bfloat16)
    plain = plain_twin(weights, config, 2500)
    network = FusedDeepseekV2(config, weights, 2500, sizes=dict.fromkeys(SIZES, 1), lifted_from=lifted_from)
    caches = plain.new_cache(2500), network.new_cache(2500)
    ids = torch.randint(0, 1000, (2400,), generator=torch.Generator().manual_seed(0)).cuda()
    start = 0
    for n in (1, 1, 16, 60, 130, 1, 250, 520, 1, 1000, 1):
        part = ids[start : start + n]
        wanted = plain.forward(part, caches[0], start, every_logit=True)
        runs = [network.forward(part, caches[1], start, every_logit=True) for _ in range(4)]
        errors = (runs[0] - wanted).norm(dim=1) / wanted.norm(dim=1)
        # Of two experts with nearly equal scores rounding chooses, so a few may differ by more.
        assert errors.quantile(0.9) < 5e-3, (n, start, errors)
        if n > 1:  # a cancel between the two layers leaves nothing behind
            with pytest.raises(Cancelled):
                network.next_token(part.tolist(), caches[1], start, 1024, lambda: True)
            runs.append(network.forward(part, caches[1], start, every_logit=True))
        assert all(torch.equal(runs[1], run) for run in runs[2:]), (n, start)  # replays of the same graphs
        start += n


def in_interpreter(folder: Path, way: str) -> dict[str, float]:
    program = [sys.executable, "-W", "ignore::RuntimeWarning", __file__, str(folder), way]
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(Path(__file__).parents[1])}
    run = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    errors: dict[str, float] = json.loads(run.stdout)
    return errors


def compare(folder: Path, way: str) -> dict[str, float]:
    import torch
    from small import fused, plain_twin, write_small  # type: ignore[import-not-found]

    from midfill_model.network.gpu.graphs import FusedDeepseekV2
    from midfill_model.network.protocol import Cancelled

    config, weights = fused(write_small(folder, **WAYS[way]), double=way == "quantised twice")
    plain = plain_twin(weights, config, 64)
    network = FusedDeepseekV2(config, weights, 64, sizes={16: 1}, lifted_from=16 if way in LIFTED else 17)
    caches = plain.new_cache(64), network.new_cache(64)
    torch.manual_seed(0)
    ids = torch.randint(0, 256, (13,))
    caches[1].zero_()
    with pytest.raises(Cancelled):  # in the middle: of two layers the first was computed, the second was not
        network.next_token(ids[:12].tolist(), caches[1], 0, 300, lambda: True)
    assert caches[1][0, :12].all() and not caches[1][1].any()
    errors = {}
    for name, start, stop in (("step", 0, 1), ("prefill", 1, 12)):
        wanted = plain.forward(ids[start:stop], caches[0], start, every_logit=True)
        got = network.forward(ids[start:stop], caches[1], start, every_logit=True)
        errors[name] = float((got - wanted).norm() / wanted.norm())
    wanted = plain.forward(ids[12:], caches[0], 12)
    best = network.next_token(ids[12:].tolist(), caches[1], 12, 300)
    among = network.best_of([7, 300, 11])
    assert best.id == int(wanted[:300].argmax())
    assert among.id == (7, 300, 11)[int(wanted[[7, 300, 11]].argmax())]
    told = torch.cat((torch.tensor([best.log_probability, among.log_probability]), network.scores(300)))
    every = wanted[:300].log_softmax(0)
    likely = torch.cat((torch.stack((every.max(), wanted[[7, 300, 11]].log_softmax(0).max())), every))
    errors["log-probabilities"] = float((told - likely).norm() / likely.norm())
    errors["cache"] = float((caches[1][:, :13] - caches[0][:, :13]).norm() / caches[0][:, :13].norm())
    return errors


if __name__ == "__main__":
    print(json.dumps(compare(Path(sys.argv[1]), sys.argv[2])))
