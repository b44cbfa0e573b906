"""One token through the network: nine launches a layer over static buffers, for a CUDA graph to hold."""

from typing import Any

import torch
from torch import Tensor

from . import attention_kernels
from . import step_kernels as kernels
from .views import Experts, Layer, Network, Words

STATE = 8  # int64: cache offset, cache capacity, start, vocabulary, tokens, row to enter with, 2 unused
_BLOCK = 1024  # ids that one program looks through for the best


class Step:
    """The buffers of one token, and the launches that fill them."""

    def __init__(self, network: Network, anchor: Tensor, overlap: bool) -> None:
        c, device = network.config, network.device
        self.network = network
        self._anchor = anchor  # cache addresses count from here, in units of 16 bytes
        self._splits = 64 if network.fast else 2  # shares of the positions that attention works on at once
        self._pdl: dict[str, Any] = {"PDL": overlap} | ({"launch_pdl": True} if overlap else {})
        self._fast = {"FAST": network.fast}
        self._vocabulary = len(network.embedding)
        half = network.cache_type
        heads, rank, width = c.num_attention_heads, c.kv_lora_rank, c.hidden_size
        slots = max(layer.experts.slots * layer.experts.inner for layer in network.layers)

        def room(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self.hidden = room(width)
        self._x, self._ssq = room(width), room(width)
        self._inputs = room(c.latent_dim + heads * c.qk_head_dim)
        self._queries = room(heads, c.latent_dim, dtype=half)
        self._parts, self._lse = room(self._splits, heads, rank), room(self._splits, heads, 2)
        self._mixed = room(heads, rank, dtype=half)
        self._attended = room(heads * c.v_head_dim, dtype=half)
        self._normed = room(width, dtype=half)
        self._scores = room(max(1, c.n_routed_experts))
        self._chosen = room(c.num_experts_per_tok + c.n_shared_experts, dtype=torch.int32)
        self._weights = room(c.num_experts_per_tok + c.n_shared_experts)
        self._activations = room(slots, dtype=half)
        self.logits = room(self._vocabulary)
        n_blocks = -(-self._vocabulary // _BLOCK)
        self._highest, self._odds = room(n_blocks), room(n_blocks)
        self._where = room(n_blocks, dtype=torch.int32)
        self.best = room(2, dtype=torch.float64)  # the id, which is exact in it, and its log-probability

    def run(self, state: Tensor) -> None:
        """From the token id in `state` to `logits` and `best`."""
        network = self.network
        self._enter(network.embedding, state, network.layers[0].norm)
        for index, layer in enumerate(network.layers):
            last = index + 1 == len(network.layers)
            self._attend(index, layer, state)
            self._mix(layer.experts, network.norm if last else network.layers[index + 1].norm, state)
        self._choose(state)

    def finish(self, rows: Tensor, state: Tensor) -> None:
        """`logits` and `best` of one row of final residuals [T, D]; `state` says which."""
        self._enter(rows, state, self.network.norm)
        self._choose(state)

    def _enter(self, rows: Tensor, state: Tensor, gamma: Tensor) -> None:
        width = rows.shape[1]
        self._n_parts = -(-width // 256)
        kernels.enter[(self._n_parts,)](
            rows, state[5:], gamma, self.hidden, self._x, self._ssq, D=width, BLOCK=256, PDL=False
        )

    def _project(self, matrix: Words, out: Tensor) -> None:
        rows, blocks = matrix.absmax.shape
        n_rows = 4
        kernels.project[(-(-rows // n_rows),)](
            self._x, self._ssq, self._n_parts, self.network.config.rms_norm_eps,
            matrix.words, matrix.scales, self.network.code, out, rows,
            K=64 * blocks, PARTS=power_of_two(self._n_parts), BN=n_rows, NH=half_blocks(blocks),
            num_warps=2, **self._fast, **self._pdl,
        )  # fmt: skip

    def _attend(self, index: int, layer: Layer, state: Tensor) -> None:
        c, network, anchor = self.network.config, self.network, self._anchor
        heads, rank, rope, plain = (
            c.num_attention_heads,
            c.kv_lora_rank,
            c.qk_rope_head_dim,
            c.qk_nope_head_dim,
        )
        unit = {"UNIT": 16 // anchor.element_size()}
        self._project(layer.inputs, self._inputs)
        parts = rank // 64
        attention_kernels.absorb[(heads, parts + 1)](
            self._inputs, layer.latent_norm, layer.key_value.words, layer.key_value.scales, network.code,
            network.cos, network.sin, state, anchor, index, c.softmax_scale, self._queries,
            R=rank, ROPE=rope, PLAIN=plain, VALUE=c.v_head_dim, PARTS=parts, num_warps=1,
            **unit, **self._fast, **self._pdl,
        )  # fmt: skip
        attention_kernels.attend[(self._splits,)](
            self._queries, state, anchor, index, self._parts, self._lse, heads,
            R=rank, ROPE=rope, BH=max(16, power_of_two(heads)), BS=32, SPLITS=self._splits, num_warps=8,
            **unit, **self._fast, **self._pdl,
        )  # fmt: skip
        block = min(64, rank)
        attention_kernels.combine[(heads, rank // block)](
            self._parts, self._lse, self._mixed, heads, R=rank, SPLITS=self._splits, BLOCK=block, **self._pdl
        )
        n_rows = 16
        attention_kernels.values[(heads, c.v_head_dim // n_rows)](
            self._paired(self._mixed), layer.key_value.words, layer.key_value.scales, network.code,
            self._attended, heads,
            R=rank, PLAIN=plain, VALUE=c.v_head_dim, BN=n_rows, NH=half_blocks(rank // 64), num_warps=2,
            **self._fast, **self._pdl,
        )  # fmt: skip
        self._add(self._attended, layer.output, layer.mlp_norm, 0, 0, 1, 1 / kernels.STORED_SCALE.value)

    def _mix(self, experts: Experts, next_norm: Tensor, state: Tensor) -> None:
        network = self.network
        c, width = network.config, network.config.hidden_size
        e = experts
        kernels.route[(max(1, -(-e.n_routed // 4)),)](
            self._x, self._ssq, self._n_parts, c.rms_norm_eps, e.router_in_planes, self._normed, self._scores,
            e.n_routed, D=width, PARTS=power_of_two(self._n_parts), BLOCK=power_of_two(width), BE=4,
            num_warps=4, **self._pdl,
        )  # fmt: skip
        if e.n_routed:
            kernels.choose[(1,)](
                self._scores, state, self._chosen, self._weights, c.routed_scaling_factor, E=e.n_routed,
                TOP=e.n_chosen, SHARED=e.n_shared, EXPERTS=power_of_two(max(2, e.n_routed)),
                SLOTS=power_of_two(e.slots), num_warps=4, **self._pdl,
            )  # fmt: skip
        n_rows = 2
        kernels.gate_up[(-(-e.inner // n_rows), e.slots)](
            self._paired(self._normed), self._chosen, self._weights, e.gate_up.words, e.gate_up.scales,
            network.code, self._activations, e.inner, E=e.n_routed, SHARED=e.n_shared, K=width,
            BN=n_rows, NH=half_blocks(width // 64), num_warps=n_rows, **self._fast, **self._pdl,
        )  # fmt: skip
        scale = 1 / kernels.STORED_SCALE.value
        self._add(self._activations, e.down, next_norm, e.n_routed, e.n_chosen, e.n_shared, scale)

    def _add(
        self, x: Tensor, matrix: Words, gamma: Tensor, routed: int, chosen: int, shared: int, scale: float
    ) -> None:
        """The residual grows by the matrices' products; the next norm's input is made ready."""
        width, blocks = matrix.absmax.shape[-2:]
        n_rows = 4
        self._n_parts = width // n_rows
        kernels.down[(self._n_parts,)](
            self._paired(x), self._chosen, matrix.words, matrix.scales, self.network.code, gamma, self.hidden,
            self._x, self._ssq, scale, E=routed, TOP=chosen, SHARED=shared, D=width, K=64 * blocks, BN=n_rows,
            NH=half_blocks(blocks * (chosen + shared)), num_warps=n_rows, **self._fast, **self._pdl,
        )  # fmt: skip

    def _paired(self, x: Tensor) -> Tensor:
        """A vector in pair order as `pairs` reads it."""
        return x.view(torch.int32) if self.network.fast else x

    def _choose(self, state: Tensor) -> None:
        self._project(self.network.head, self.logits)
        blocks = self._highest, self._odds, self._where
        n_blocks = len(self._where)
        kernels.best_of_block[(n_blocks,)](self.logits, state, *blocks, BLOCK=_BLOCK, **self._pdl)
        kernels.best_of_all[(1,)](*blocks, self.best, n_blocks, PARTS=power_of_two(n_blocks), **self._pdl)


def power_of_two(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()


def half_blocks(blocks: int) -> int:
    """Half blocks that a program takes at a time: a warp's width, unless a row is shorter."""
    return min(32, power_of_two(2 * blocks))
