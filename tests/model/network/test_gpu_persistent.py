"""The kernel of a whole step, stage by stage, against the twins in plain torch (kernel_twins.py).

After a run through some layers its buffers hold what the last of them computed. Each stage is given what the
kernel's own stages before it have left, so that rounding does not add up.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton")

from midfill_model.checkpoint import nf4
from midfill_model.checkpoint.config import Config
from midfill_model.checkpoint.fused.layout import FusedMoe, FusedWeights, Nf4, allocate
from midfill_model.network.gpu import graphs
from midfill_model.network.gpu.graphs import FusedDeepseekV2
from midfill_model.network.gpu.persistent import compile
from midfill_model.network.gpu.persistent.kernel import Kernel
from midfill_model.network.gpu.persistent.shape import NoKernel
from midfill_model.network.gpu.persistent.step import PersistentStep
from midfill_model.network.rotations import rotations

from . import kernel_twins as twins
from .kernel_room import assert_near
from .shapes_of_models import config_of, filled

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

CONTEXT = 9000
SHAPES: dict[str, dict[str, Any]] = {
    "lite": {"num_hidden_layers": 3, "vocab_size": 1100},
    "demo": {"num_hidden_layers": 3, "n_routed_experts": 32, "routed_scaling_factor": 5.0},
}


@dataclass(frozen=True)
class Ready:
    config: Config
    weights: FusedWeights
    network: FusedDeepseekV2
    step: PersistentStep


@pytest.fixture(scope="module", params=list(SHAPES))
def ready(request: pytest.FixtureRequest) -> Ready:
    config = config_of(request.param, **SHAPES[request.param])
    device = torch.device("cuda")
    weights = filled(config, allocate(config, device, torch.bfloat16), seed=3)
    network = FusedDeepseekV2(config, weights, CONTEXT, sizes={16: 1})
    step = PersistentStep(network._network, network._anchor, network._step)
    return Ready(config, weights, network, step)


def dense(matrix: Nf4) -> Tensor:
    rows = matrix.absmax.shape[:-1]
    return nf4.dequantize(matrix.packed, matrix.maxima(), (*rows, matrix.packed.shape[-1] * 2), torch.float32)


@pytest.mark.parametrize("position", [0, 31, 32, 1023, 8200])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_every_stage_of_a_layer(ready: Ready, position: int, n_layers: int) -> None:
    """The first layer, which is dense, and the second."""
    c, layer = ready.config, ready.weights.layers[n_layers - 1]
    cache = ready.network.new_cache(CONTEXT).normal_(0, 0.5)
    cache[:, position:] = torch.nan
    state = state_of(ready, cache, position, id_=77, vocabulary=c.vocab_size - 3)
    h = ready.weights.embedding[77].float()
    if n_layers > 1:
        ready.step.run(state, n_layers - 1)
        h = ready.step.buffers["hidden"].clone()
    rows_before = cache.clone()
    for name in ("y", "queries", "parts", "told", "attended", "scores", "act", "logits", "bests", "best"):
        ready.step.buffers[name].fill_(torch.nan)
    ready.step.run(state, n_layers)
    torch.cuda.synchronize()
    found = {name: buffer.clone() for name, buffer in ready.step.buffers.items()}
    assert not found["arrived"].any()

    attention, turns = layer.attention, rotations(c, CONTEXT).cuda()
    x = h * layer.norm.float()
    assert_near(found["y"], twins.project(dense(attention.inputs), x, h.square().sum(), c.rms_norm_eps))

    y, rank, heads = found["y"], c.kv_lora_rank, c.num_attention_heads
    up = dense(attention.key_value).view(heads, -1, rank)
    keys, values = up[:, : c.qk_nope_head_dim], up[:, c.qk_nope_head_dim :]
    wanted = twins.absorb(y[c.latent_dim :].view(heads, -1), keys, turns[position], c.softmax_scale)
    assert_near(found["queries"], wanted)
    row = twins.latent_rows(
        y[None, : c.latent_dim], layer.attention.latent_norm, turns[position : position + 1]
    )
    assert_near(cache[n_layers - 1, position], row[0])
    rows_before[n_layers - 1, position] = cache[n_layers - 1, position]
    assert torch.equal(cache.nan_to_num(), rows_before.nan_to_num())

    latents = cache[n_layers - 1, : position + 1].float()
    mixed, _, total = twins.attend_share(found["queries"].float(), latents, rank)
    mixed = mixed / total[:, None] * twins.STORED_SCALE
    n_shares = min(len(found["parts"]), -(-(position + 1) // 32))
    told = found["told"][:, :n_shares].transpose(0, 1)
    combined = twins.combine(found["parts"][:n_shares], told[..., 0], told[..., 1])
    assert_near(combined, mixed)
    assert_near(found["attended"].sum(0), twins.values(combined, values))

    attended = found["attended"].sum(0)
    h = h + dense(attention.output) @ attended / twins.STORED_SCALE
    x = h * layer.mlp_norm.float()
    normed = x * torch.rsqrt(h.square().mean() + c.rms_norm_eps)
    if isinstance(layer.mlp, FusedMoe):
        assert_near(found["scores"].sum(0), layer.mlp.router.float() @ x)
        logits = layer.mlp.router.float() @ normed
        gates, ups, downs, weights = experts(layer.mlp, logits, c)
    else:
        gates, ups = dense(layer.mlp.gate_up)[None].tensor_split(2, 1)
        downs, weights = dense(layer.mlp.down)[None], torch.ones(1, device="cuda")
    act = found["act"][: gates.shape[0] * gates.shape[1]].view(gates.shape[:2])
    assert_near(act, twins.gate_up(gates, ups, normed, weights))
    h = twins.down(h, downs, act.float(), 1 / twins.STORED_SCALE)
    assert_near(found["hidden"], h)

    x = F.rms_norm(found["hidden"], h.shape, ready.weights.norm.float(), c.rms_norm_eps)
    logits = dense(ready.weights.head) @ x
    assert_near(found["logits"], logits)
    known = found["logits"][: c.vocab_size - 3]
    assert found["best"][0].item() == int(known.argmax())
    assert found["best"][1].item() == pytest.approx(known.log_softmax(0).max().item(), abs=1e-4)


def experts(moe: FusedMoe, logits: Tensor, c: Config) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gates, ups and downs of a token's experts, and their weights; the shared ones as parts of one MLP."""
    chosen, weights = twins.choose(
        logits[None], c.num_experts_per_tok, c.n_shared_experts, c.routed_scaling_factor
    )
    routed = chosen[0, : c.num_experts_per_tok]
    gates, ups = dense(moe.experts.gate_up)[routed].tensor_split(2, 1)
    wide_gates, wide_ups = dense(moe.shared.gate_up).view(2, c.n_shared_experts, c.moe_intermediate_size, -1)
    downs = dense(moe.experts.down)[routed]
    wide_down = dense(moe.shared.down).view(c.hidden_size, c.n_shared_experts, -1).transpose(0, 1)
    return (
        torch.cat((gates, wide_gates)),
        torch.cat((ups, wide_ups)),
        torch.cat((downs, wide_down)),
        weights[0],
    )


def state_of(ready: Ready, cache: Tensor, position: int, id_: int, vocabulary: int) -> Tensor:
    where = ready.network._where(cache)
    return torch.tensor((*where, position, vocabulary, 1, id_, 0, 0), device="cuda")


def test_a_run_leaves_the_same_every_time_and_agrees_with_the_launches(ready: Ready) -> None:
    """Bit by bit the same; and near to what the single launches compute."""
    cache = ready.network.new_cache(CONTEXT).normal_(0, 0.5)
    for position in (3, 700):
        state = state_of(ready, cache, position, 5, ready.config.vocab_size)
        runs = []
        for _ in range(20):
            ready.step.run(state)
            runs.append(ready.step.buffers["logits"].clone())
        assert all(torch.equal(runs[0], run) for run in runs)
        ready.network._step.run(state)
        assert (ready.step.buffers["logits"] - runs[0]).norm() < 2e-2 * runs[0].norm()


def test_it_is_taken_at_the_first_start(ready: Ready) -> None:
    network = ready.network
    assert not network.one_kernel
    network.warm_up()
    assert network.one_kernel
    cache = network.new_cache(64)
    assert network.next_token([3], cache, 0, 500) == network.next_token([3], cache, 0, 500)
    network.use_single_launches()
    assert not network.one_kernel


def test_single_launches_stay_where_it_cannot_be_had(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise NoKernel("for a test")

    network = FusedDeepseekV2(ready.config, ready.weights, 64, sizes={16: 1})
    monkeypatch.setattr(graphs, "PersistentStep", refuse)
    network.warm_up()
    assert not network.one_kernel
    assert network.next_token([3], network.new_cache(64), 0, 500).id < 500


def test_a_damaged_copy_of_it_is_compiled_anew(
    ready: Ready, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MIDFILL_CACHE_DIR", str(tmp_path))
    Kernel(ready.config, torch.device("cuda"))
    (kept,) = compile.folder().iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(b"damaged")
    Kernel(ready.config, torch.device("cuda"))
    assert kept.read_bytes() == whole
