"""Muon for matrices, Adam for the rest; fp32 masters, bf16 (or 4-bit-rounded) working copies.

Muon (Jordan et al. 2024): momentum, orthogonalised by Newton-Schulz; about 1.5 times Adam's progress a token
at this size. Matrices of one shape go through the iteration as one batch.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn

from midfill_model.checkpoint import nf4


class Optimizer:
    """Owns the fp32 masters. `rates` are at full speed; `step` scales them."""

    def __init__(
        self, network: nn.Module, muon: float = 0.02, adam: float = 3e-3, decay: float = 0.01
    ) -> None:
        self.work = dict(network.named_parameters())
        self.master = {name: p.detach().float().clone() for name, p in self.work.items()}
        self.muon, self.adam, self.decay = muon, adam, decay
        self.first = {name: torch.zeros_like(p) for name, p in self.master.items()}
        self.second = {n: torch.zeros_like(p) for n, p in self.master.items() if not is_matrix(n, p)}
        self.batches: dict[tuple[int, int], list[str]] = defaultdict(list)
        for name, p in self.master.items():
            if is_matrix(name, p):
                self.batches[p.shape[-2], p.shape[-1]].append(name)
        self.steps = 0
        on_gpu = next(iter(self.master.values())).is_cuda
        self._round = torch.compile(round_to_nf4, dynamic=False) if on_gpu else round_to_nf4

    @torch.no_grad()
    def step(self, speed: float, four_bit: bool) -> None:
        self.steps += 1
        momentum = min(0.95, 0.85 + self.steps / 3000)
        for shape, names in self.batches.items():
            updates = []
            for name in names:
                grad = self.work[name].grad.float()  # type: ignore[union-attr]
                self.first[name].lerp_(grad, 1 - momentum)
                updates.append(grad.lerp(self.first[name], momentum).reshape(-1, *shape))
            turned = orthogonal(torch.cat(updates))
            scale = self.muon * speed * max(1.0, shape[0] / shape[1]) ** 0.5
            for name, update in zip(names, turned.split([u.shape[0] for u in updates]), strict=True):
                master = self.master[name]
                master.mul_(1 - self.decay * self.muon * speed)
                master.add_(update.view_as(master), alpha=-scale)
        for name in self.second:
            self._adam(name, self.adam * speed)
        self.publish(four_bit)

    def _adam(self, name: str, rate: float) -> None:
        grad = self.work[name].grad.float()  # type: ignore[union-attr]
        first, second = self.first[name].lerp_(grad, 0.1), self.second[name].lerp_(grad.square(), 0.05)
        first, second = first / (1 - 0.9**self.steps), second / (1 - 0.95**self.steps)
        self.master[name].add_(first / (second.sqrt() + 1e-8), alpha=-rate)

    @torch.no_grad()
    def publish(self, four_bit: bool) -> None:
        """Masters -> working copies, rounded to NF4 in the last part, so that 4 bits cost little."""
        for name, master in self.master.items():
            self.work[name].copy_(master)
        if four_bit:
            names = [name for name in self.master if is_stored_in_4_bit(name)]
            rounded = self._round(torch.cat([self.master[name].flatten() for name in names]))
            for name, part in zip(names, rounded.split([self.master[n].numel() for n in names]), strict=True):
                self.work[name].copy_(part.view_as(self.master[name]))


def is_matrix(name: str, p: Tensor) -> bool:
    return p.ndim >= 2 and "embed" not in name and not name.endswith("mlp.gate")


def is_stored_in_4_bit(name: str) -> bool:
    return not name.endswith(("norm", "mlp.gate"))


def orthogonal(batch: Tensor) -> Tensor:
    """Newton-Schulz towards the nearest orthogonal matrices, [B, m, n], in bf16."""
    x = batch.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    turned: Tensor = x.mT if tall else x
    return turned.float()


def round_to_nf4(weight: Tensor) -> Tensor:
    """What flat weights read as once they have been stored in blocks of 64 at 4 bits."""
    blocks = weight.reshape(-1, nf4.BLOCK)
    absmax = blocks.abs().amax(dim=1, keepdim=True)
    code = torch.tensor(nf4.CODE, device=weight.device)
    edges = (code[1:] + code[:-1]) / 2
    index = torch.bucketize(blocks / absmax.clamp_min(1e-12), edges)
    return (code[index] * absmax).flatten()
