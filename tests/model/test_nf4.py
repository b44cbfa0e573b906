import pytest
import torch

from midfill_model import nf4

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


def test_a_block_of_zeros_stays_zero() -> None:
    packed, absmax = nf4.quantize(torch.zeros(2, 64))
    assert torch.equal(nf4.dequantize(packed, absmax, (2, 64), torch.float32), torch.zeros(2, 64))
