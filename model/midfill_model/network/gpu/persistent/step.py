"""One token through the network by the kernel: its buffers, and what it is handed."""

import torch
from torch import Tensor

from midfill_model.network.gpu.step import Step
from midfill_model.network.gpu.views import Layer, Network

from .kernel import Kernel
from .shape import check


class PersistentStep:
    """Fills the same `hidden`, `logits` and `best` as the Step whose launches it takes the place of."""

    def __init__(self, network: Network, anchor: Tensor, step: Step, profile: bool = False) -> None:
        """Compiles the kernel, or loads what is kept of it. NoKernel."""
        check(network)
        c, device = network.config, network.device
        self._kernel = Kernel(c, device, profile)
        blocks = self._kernel.n_blocks
        heads, rank = c.num_attention_heads, c.kv_lora_rank
        slots = c.num_experts_per_tok + c.n_shared_experts

        def room(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        table = torch.tensor([_pointers(layer) for layer in network.layers], device=device)
        self.buffers = {
            "layers": table,
            "embedding": network.embedding,
            "norm": network.norm,
            "head": network.head.words,
            "head_max": network.head.absmax,
            "cos": network.cos,
            "sin": network.sin,
            "anchor": anchor,
            "hidden": step.hidden,
            "y": room(c.latent_dim + heads * c.qk_head_dim),
            "queries": room(heads, c.latent_dim, dtype=torch.float16),
            "parts": room(blocks, heads, rank),
            "told": room(heads, blocks, 2),
            "attended": room(rank // 128, heads * c.v_head_dim),
            "scores": room(blocks, c.n_routed_experts),
            "act": room(max(slots * c.moe_intermediate_size, c.intermediate_size), dtype=torch.float16),
            "logits": step.logits,
            "bests": room(blocks, 4),
            "best": step.best,
            "arrived": room(1, dtype=torch.int32),
            "clocks": room(blocks, c.num_hidden_layers + 1, 20, dtype=torch.int64) if profile else room(1),
        }
        self._pointers = {name: buffer.data_ptr() for name, buffer in self.buffers.items()}
        self._numbers = {
            "epsilon": c.rms_norm_eps,
            "softmax_scale": c.softmax_scale,
            "routed_scale": c.routed_scaling_factor,
        }
        self._every_layer = c.num_hidden_layers

    def run(self, state: Tensor, n_layers: int | None = None) -> None:
        """From the token id in `state` to `logits` and `best`; for tests through the first layers alone."""
        pointers = self._pointers | {"state": state.data_ptr()}
        self._kernel.launch(pointers, self._numbers, n_layers or self._every_layer)


def _pointers(layer: Layer) -> list[int]:
    """`Layer` in shape.cuh."""
    e = layer.experts
    parts = (
        layer.norm, layer.inputs.words, layer.inputs.absmax, layer.latent_norm, layer.key_value.words,
        layer.key_value.absmax, layer.output.words, layer.output.absmax, layer.mlp_norm, e.router_as_stored,
        e.gate_up.words, e.gate_up.absmax, e.down.words, e.down.absmax,
    )  # fmt: skip
    return [part.data_ptr() for part in parts]
