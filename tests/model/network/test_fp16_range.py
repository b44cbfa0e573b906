"""Weights that lead beyond fp16's 65,504 on the way: the kernels' results are finite and right all the same.

Random weights do not show it, nor do kernels in fp32: in Triton's interpreter, too, fp16 is what the vectors
between kernels are stored in here.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

pytest.importorskip("triton")

from midfill_model.checkpoint.config import Config
from midfill_model.checkpoint.fused.layout import FusedLayer, FusedMlp, FusedMoe
from midfill_model.network import deepseek
from midfill_model.network.gpu.graphs import FusedDeepseekV2

from ..small import fused, plain_twin, write_small

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
LARGEST = 65_504  # in fp16
N_TOKENS = 13

# The interpreter computes with numpy, which warns of what infinities become.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def mlps(layer: FusedLayer) -> list[FusedMlp]:
    return [layer.mlp.experts, layer.mlp.shared] if isinstance(layer.mlp, FusedMoe) else [layer.mlp]


def parts(layer: FusedLayer, factor: float, _: Config) -> None:
    """What each expert adds to the residual."""
    for mlp in mlps(layer):
        mlp.down.absmax.mul_(factor)


def activations(layer: FusedLayer, factor: float, _: Config) -> None:
    """The products of gate and up."""
    for mlp in mlps(layer):
        mlp.gate_up.absmax.mul_(factor**0.5)


def attended(layer: FusedLayer, factor: float, c: Config) -> None:
    """The heads' values."""
    rows = layer.attention.key_value.absmax.view(c.num_attention_heads, -1, c.kv_lora_rank // 64)
    rows[:, c.qk_nope_head_dim :].mul_(factor)


def latents(layer: FusedLayer, factor: float, c: Config) -> None:
    """Before they are normed."""
    layer.attention.inputs.absmax[: c.kv_lora_rank].mul_(factor)


@pytest.mark.parametrize("large", [parts, activations, attended, latents])
def test_what_passes_the_range_of_fp16_comes_out_right(
    large: Callable[[FusedLayer, float, Config], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a prefill of several tokens, and in a step of one."""
    config, weights = fused(write_small(tmp_path, num_hidden_layers=2), DEVICE)
    ids = torch.randint(0, 256, (N_TOKENS,), generator=torch.Generator().manual_seed(0)).to(DEVICE)
    seen = watched(monkeypatch)

    def plainly() -> Tensor:
        plain = plain_twin(weights, config, 64)
        return plain.forward(ids, plain.new_cache(64), 0, every_logit=True)

    plainly()
    factor = 4 * LARGEST / seen[large.__name__]
    for layer in weights.layers:
        large(layer, factor, config)
    seen.clear()
    wanted = plainly()
    assert LARGEST < seen[large.__name__] < 16 * LARGEST

    network = FusedDeepseekV2(config, weights, 64, sizes={16: 1}, half=torch.float16)
    cache = network.new_cache(64)
    several = network.forward(ids[:-1], cache, 0, every_logit=True)
    one = network.forward(ids[-1:], cache, N_TOKENS - 1, every_logit=True)
    found = torch.cat((several, one))
    assert found.isfinite().all()
    errors = (found - wanted).norm(dim=1) / wanted.norm(dim=1)
    # Of two experts with nearly equal scores rounding chooses, so one token may differ by more.
    assert errors.sort().values[:-1].max() < 1e-2 and errors[-1] < 1e-2, errors


def watched(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The largest numbers that the plain network meets, by the names above."""
    seen: dict[str, float] = defaultdict(float)

    def note(name: str, value: Tensor) -> Tensor:
        seen[name] = max(seen[name], float(value.abs().max()))
        return value

    def mlp(w: deepseek.Mlp, h: Tensor) -> Tensor:
        gate, up = w.gate_up(h).chunk(2, dim=-1)
        return note("parts", w.down(note("activations", F.silu(gate) * up)))

    monkeypatch.setattr(deepseek, "_mlp", mlp)
    for name in ("_attend_latent", "_attend_expanded"):
        attend = getattr(deepseek, name)
        monkeypatch.setattr(deepseek, name, lambda *given, f=attend: note("attended", f(*given)))
    remember = deepseek._remember

    def remembered(c: Config, w: deepseek.Attention, inputs: Tensor, *rest: Tensor) -> Tensor:
        note("latents", inputs[:, : c.kv_lora_rank])
        return remember(c, w, inputs, *rest)

    monkeypatch.setattr(deepseek, "_remember", remembered)
    return seen
