"""Rotary positions (RoPE), and how yarn stretches them over a longer context."""

import math

import torch
from torch import Tensor

from midfill_model.checkpoint.config import Config


def rotations(c: Config, context: int) -> Tensor:
    """cos + i·sin of every position and pair, complex [context, r/2]; stretched when the config says yarn."""
    pair = torch.arange(0, c.qk_rope_head_dim, 2) / c.qk_rope_head_dim  # [r/2]
    frequency = 1.0 / c.rope_theta**pair
    if c.yarn is None:
        angles = torch.outer(torch.arange(context), frequency)
        return torch.polar(torch.ones_like(angles), angles)

    def pair_turning(times: float) -> float:  # the pair that turns so often within the original context
        assert c.yarn
        wavelength = c.yarn.original_context / (times * 2 * math.pi)
        return c.qk_rope_head_dim * math.log(wavelength) / (2 * math.log(c.rope_theta))

    low = max(math.floor(pair_turning(c.yarn.beta_fast)), 0)
    high = min(math.ceil(pair_turning(c.yarn.beta_slow)), c.qk_rope_head_dim - 1)
    ramp = ((torch.arange(len(pair)) - low) / max(high - low, 0.001)).clamp(0, 1)  # 0 keep, 1 stretch
    angles = torch.outer(torch.arange(context), frequency * (1 - ramp) + frequency / c.yarn.factor * ramp)
    return torch.polar(torch.full_like(angles, c.yarn.rotation_factor), angles)
