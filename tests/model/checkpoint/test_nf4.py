import pytest
import torch

from midfill_model.checkpoint import nf4

bitsandbytes = pytest.importorskip("bitsandbytes.functional")


@pytest.mark.parametrize("shape", [(1, 64), (3, 64), (32, 384), (5, 2, 128)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_equal_to_bitsandbytes_bit_for_bit(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(len(shape))).to(dtype)
    weight.view(-1)[:3] = torch.tensor([0.0, 4.0, -4.0])
    expected, state = bitsandbytes.quantize_4bit(weight, blocksize=64, quant_type="nf4")
    packed, absmax = nf4.quantize(weight)
    assert torch.equal(packed, expected)
    assert torch.equal(absmax, state.absmax)
    values = bitsandbytes.dequantize_4bit(expected, state)
    assert torch.equal(nf4.dequantize(packed, absmax, shape, dtype), values)


@pytest.mark.parametrize("shape", [(256, 64), (64, 768), (1408, 2048)])
def test_double_quantisation_is_bitsandbytes(shape: tuple[int, ...]) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(len(shape))).to(device)
    _, state = bitsandbytes.quantize_4bit(weight, blocksize=64, quant_type="nf4", compress_statistics=True)
    _, absmax = nf4.quantize(weight)
    bytes_, groups = nf4.nest(absmax)
    assert torch.equal(nf4.dynamic_map(device), state.state2.code)
    assert torch.equal(groups[:, 0], state.state2.absmax)
    assert (groups[:, 1] == state.offset).all()
    assert torch.equal(bytes_, state.absmax if device.type == "cuda" else in_torch(absmax - state.offset))
    values = bitsandbytes.dequantize_blockwise(bytes_, state.state2) + state.offset
    torch.testing.assert_close(nf4.unnest(bytes_, groups), values, rtol=1e-6, atol=0)


def in_torch(absmax: torch.Tensor) -> torch.Tensor:
    """By bitsandbytes' own torch code: its library for CPUs misses the nearest value at times."""
    quantize = torch.ops.bitsandbytes.quantize_blockwise.default
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CompositeExplicitAutograd)
    bytes_: torch.Tensor = quantize.redispatch(keys, absmax, nf4.dynamic_map(absmax.device), 256)[0]
    return bytes_


def test_a_block_of_zeros_stays_zero() -> None:
    packed, absmax = nf4.quantize(torch.zeros(2, 64))
    assert torch.equal(nf4.dequantize(packed, absmax, (2, 64), torch.float32), torch.zeros(2, 64))
