"""Up to T tokens through the network at once, over static buffers: one CUDA graph serves every request."""

from typing import Any

import torch
from torch import Tensor

from midfill_model.network.gpu import attention_kernels, step_kernels
from midfill_model.network.gpu.step import STATE, power_of_two
from midfill_model.network.gpu.views import Experts, Layer, Network, Words

from . import lifted_kernels
from . import prefill_kernels as kernels


class Prefill:
    """The buffers of T tokens, and the launches that fill them."""

    def __init__(self, network: Network, anchor: Tensor, n_tokens: int, lifted: Tensor | None = None) -> None:
        """`lifted` [S, H*(n+v)]: room for keys and values, for requests that end within S positions."""
        c, device = network.config, network.device
        self.network = network
        self.n_tokens = n_tokens
        self._anchor = anchor
        self._lifted = lifted
        half = network.cache_type
        heads, rank, width = c.num_attention_heads, c.kv_lora_rank, c.hidden_size
        slots = c.num_experts_per_tok + c.n_shared_experts
        n_pairs = n_tokens * slots
        n_experts = c.n_routed_experts + c.n_shared_experts
        inner = max(layer.experts.slots * _whole_chunks(layer.experts.inner) for layer in network.layers)
        rows = n_tokens * heads
        self._splits = _splits(rows) if network.fast else 1
        self._block = attention_block(device)

        def room(*shape: int, dtype: torch.dtype = half) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=device)

        self.hidden = room(n_tokens, width, dtype=torch.float32)
        self._dense_tiles = tiles(n_tokens, network.fast, experts=False)
        self._expert_tiles = tiles(n_tokens, network.fast, experts=True)
        self._normed = room(n_tokens, _whole_chunks(width))
        self._plain = room(n_tokens, width, dtype=torch.float32)
        self._inputs = room(n_tokens, c.latent_dim + heads * c.qk_head_dim, dtype=torch.float32)
        self._plain_queries = room(n_tokens, heads, c.qk_nope_head_dim)
        self._key_value = room(heads, c.qk_nope_head_dim + c.v_head_dim, rank)
        self._queries = room(n_tokens, heads, c.latent_dim)
        self._mixed = room(n_tokens, heads, rank)
        self._parts = room(self._splits, rows, rank, dtype=torch.float32) if self._splits > 1 else self._mixed
        self._lifted_splits = 1 if lifted is None else lifted_splits(n_tokens, network.fast)
        shares = self._lifted_splits if self._lifted_splits > 1 else 0
        self._head_parts = room(shares, n_tokens, heads, c.v_head_dim, dtype=torch.float32)
        self._head_lse = room(shares, n_tokens, heads, 2, dtype=torch.float32)
        self._lse = room(self._splits, rows, 2, dtype=torch.float32)
        self._attended = room(n_tokens, _whole_chunks(heads * c.v_head_dim))
        self._scores = room(n_tokens, max(1, c.n_routed_experts), dtype=torch.float32)
        self._chosen = room(n_pairs, dtype=torch.int32)
        self._weights = room(n_pairs, dtype=torch.float32)
        self._pairs = room(n_experts, n_pairs, dtype=torch.int32)
        self._count = room(n_experts, dtype=torch.int32)
        self._activations = room(n_tokens * inner)
        self._expert_out = room(n_pairs, width)
        n_tiles = n_pairs // self._expert_tiles["BM"] + n_experts
        self._tile_expert = room(n_tiles, dtype=torch.int32)
        self._tile_first = room(n_tiles, dtype=torch.int32)

    def run(self, state: Tensor, first: int, stop: int, lifts: bool = False) -> None:
        """The layers from `first` on; after the last one its residuals are in `hidden`.

        `state` [STATE + T] holds the request, then its ids, which layer 0 begins with. `lifts`: attention
        goes over keys and values that are lifted out of the latents, not over these.
        """
        network = self.network
        slots = network.layers[first - 1].experts.slots if first else 0  # of a layer whose output is in parts
        if not first:
            self.hidden.copy_(network.embedding[state[STATE:]])
        for index, layer in enumerate(network.layers[first:stop], first):
            self._norm(layer.norm, slots, state)
            self._attend(index, layer, state, lifts)
            self._norm(layer.mlp_norm, 0, state, plain=layer.experts.n_routed > 0)
            self._mix(layer.experts, state)
            slots = layer.experts.slots
        if stop == len(network.layers):
            self._norm(network.norm, slots, state)

    def _norm(self, gamma: Tensor, slots: int, state: Tensor, plain: bool = False) -> None:
        width = self.network.config.hidden_size
        kernels.norm_rows[(self.n_tokens,)](
            self.hidden, self._expert_out, gamma, self._normed, self._plain, state,
            self.network.config.rms_norm_eps,
            SLOTS=slots, D=width, BLOCK=power_of_two(width), PLAIN=plain, num_warps=8,
        )  # fmt: skip

    def _attend(self, index: int, layer: Layer, state: Tensor, lifts: bool) -> None:
        c, network, anchor = self.network.config, self.network, self._anchor
        heads, rank, rope, plain = (
            c.num_attention_heads,
            c.kv_lora_rank,
            c.qk_rope_head_dim,
            c.qk_nope_head_dim,
        )
        unit = 16 // anchor.element_size()
        self._multiply(self._normed, layer.inputs, self._inputs, add=False)
        kernels.turn_rows[(self.n_tokens,)](
            self._inputs, layer.latent_norm, network.cos, network.sin, state, anchor, index,
            self._plain_queries, self._queries, heads,
            R=rank, ROPE=rope, PLAIN=plain, BH=power_of_two(heads), BP=power_of_two(plain), UNIT=unit,
            num_warps=4,
        )  # fmt: skip
        n_rows = heads * (plain + c.v_head_dim)
        kernels.expand[(n_rows // 16, rank // 64)](
            layer.key_value.words, layer.key_value.scales, network.code, self._key_value,
            K=rank, BN=16, FAST=network.fast, num_warps=4,
        )  # fmt: skip
        if lifts:
            self._attend_heads(index, state)
        else:
            self._attend_latents(index, state)
        self._multiply(self._attended, layer.output, self.hidden, add=True)

    def _attend_latents(self, index: int, state: Tensor) -> None:
        c, network, anchor = self.network.config, self.network, self._anchor
        heads, rank, rope, plain = (
            c.num_attention_heads,
            c.kv_lora_rank,
            c.qk_rope_head_dim,
            c.qk_nope_head_dim,
        )
        unit = 16 // anchor.element_size()
        keys, values = self._key_value.split_with_sizes((plain, c.v_head_dim), 1)  # [H, n, R], [H, v, R]
        queries = (self._plain_queries.transpose(0, 1) @ keys).transpose(0, 1)
        largest = torch.finfo(queries.dtype).max  # bounded while copied: in the kernel it cost a fifth
        torch.clamp(queries, -largest, largest, out=self._queries[..., :rank])
        rows = self.n_tokens * heads
        block = self._block
        kernels.attend_rows[(-(-rows // block), self._splits)](
            self._queries, state, anchor, index, c.softmax_scale, self._parts, self._lse, rows, heads,
            R=rank, ROPE=rope, BM=block, BS=block, SPLITS=self._splits, UNIT=unit, FAST=network.fast,
            num_warps=8, num_stages=2,
        )  # fmt: skip
        if self._splits > 1:
            attention_kernels.combine[(rows, 1)](
                self._parts, self._lse, self._mixed, rows, R=rank, SPLITS=self._splits, BLOCK=rank, PDL=False
            )
        width = heads * c.v_head_dim
        kernels.join_heads[(self.n_tokens,)](
            self._mixed.transpose(0, 1) @ values.mT, self._attended, self.n_tokens,
            V=c.v_head_dim, N=width, BLOCK=power_of_two(width), num_warps=8,
        )  # fmt: skip

    def _attend_heads(self, index: int, state: Tensor) -> None:
        c, network, anchor = self.network.config, self.network, self._anchor
        lifted = self._lifted
        assert lifted is not None
        heads, n_columns = c.num_attention_heads, lifted.shape[1]
        unit, sizes = 16 // anchor.element_size(), {"R": c.kv_lora_rank, "ROPE": c.qk_rope_head_dim}
        lift, tile = lifted_tiles(network.device)
        lifted_kernels.lift[(-(-n_columns // lift["BN"]), -(-len(lifted) // lift["BS"]))](
            state, anchor, index, self._key_value, lifted, n_columns, UNIT=unit, FAST=network.fast,
            **sizes, **lift,
        )  # fmt: skip
        value, splits = c.v_head_dim, self._lifted_splits
        lifted_kernels.attend_heads[(-(-self.n_tokens // tile["BM"]), heads, splits)](
            self._plain_queries, self._queries, lifted, state, anchor, index, c.softmax_scale, self._attended,
            self._head_parts, self._head_lse, self.n_tokens, heads, PLAIN=c.qk_nope_head_dim, VALUE=value,
            BP=power_of_two(c.qk_nope_head_dim), BV=power_of_two(value), SPLITS=splits, UNIT=unit,
            FAST=network.fast, **sizes, **tile,
        )  # fmt: skip
        if splits > 1:
            lifted_kernels.combine_heads[(self.n_tokens,)](
                self._head_parts, self._head_lse, self._attended, state, self.n_tokens, heads, VALUE=value,
                BH=power_of_two(heads), BV=power_of_two(value), SPLITS=splits, num_warps=8,
            )  # fmt: skip

    def _multiply(self, x: Tensor, matrix: Words, out: Tensor, add: bool) -> None:
        rows, blocks = matrix.absmax.shape
        tile = self._dense_tiles
        kernels.multiply[(-(-rows // tile["BN"]), -(-self.n_tokens // tile["BM"]))](
            x, matrix.words, matrix.scales, self.network.code, out, out, self.n_tokens, rows,
            K=64 * blocks, ADD=add, **tile,
        )  # fmt: skip

    def _mix(self, e: Experts, state: Tensor) -> None:
        network, n_tokens = self.network, self.n_tokens
        c, width, n_pairs = network.config, network.config.hidden_size, self.n_tokens * e.slots
        n_experts = e.n_routed + e.n_shared
        if e.n_routed:
            torch.mm(self._plain, e.router.T, out=self._scores)
        step_kernels.choose[(n_tokens,)](
            self._scores, state, self._chosen, self._weights, c.routed_scaling_factor, E=e.n_routed,
            TOP=e.n_chosen, SHARED=e.n_shared, EXPERTS=power_of_two(max(2, e.n_routed)),
            SLOTS=power_of_two(e.slots),
            PDL=False,
        )  # fmt: skip
        tile = self._expert_tiles
        block = tile["BM"]
        n_tiles = n_pairs // block + n_experts
        where = (self._tile_expert, self._tile_first, self._count, self._pairs)
        kernels.gather_pairs[(n_experts,)](
            self._chosen, self._pairs, self._count, self._tile_expert, self._tile_first, n_pairs, n_tiles,
            EXPERTS=power_of_two(n_experts + 1), BM=block, BT=power_of_two(n_pairs // block + 1), BLOCK=1024,
        )  # fmt: skip
        kernels.gate_up_pairs[(-(-2 * _whole_chunks(e.inner) // tile["BN"]), n_tiles)](
            self._normed, e.gate_up.words, e.gate_up.scales, network.code, *where, self._weights,
            self._activations, n_pairs, e.inner, E=e.n_routed,
            SLOTS=e.slots, SHARED=e.n_shared, K=width, **tile,
        )  # fmt: skip
        kernels.down_pairs[(-(-width // tile["BN"]), n_tiles)](
            self._activations, e.down.words, e.down.scales, network.code, *where, self._expert_out, n_pairs,
            width, E=e.n_routed, SHARED=e.n_shared, K=e.inner, **tile,
        )  # fmt: skip


def tiles(n_tokens: int, fast: bool, experts: bool) -> dict[str, Any]:
    """BM tokens times BN rows of weights: what was fastest on Hopper.

    An expert gets few of the tokens, and each of its tiles expands its weights anew.
    """
    if not fast:
        return {"BM": 16, "BN": 32, "FAST": False, "STAGES": 1}
    more: dict[str, Any] = {"FAST": True, "STAGES": 3, "num_warps": 4}
    if n_tokens <= 64:
        rows, columns = (16, 64 if n_tokens <= 16 else 128) if experts else (16 if n_tokens <= 16 else 32, 64)
    elif n_tokens <= 528:
        rows, columns = 32 if n_tokens <= 144 else 64, 64
    elif experts:  # so that two programs of an SM take turns: one decodes while the other's products run
        rows, columns = 128, 128
        more |= {"STAGES": 2, "num_warps": 8, "maxnreg": 128}
    else:
        rows, columns = 128, 64
    return {"BM": rows, "BN": columns, **more}


def lifted_tiles(device: torch.device) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tiles of `lift`, and of `attend_heads`: as `attention_block` says."""
    if device.type != "cuda":
        return {"BS": 16, "BN": 32, "BK": 32, "STAGES": 1}, {"BM": 16, "BS": 16, "STAGES": 1}
    tile = {"BM": 64, "BS": attention_block(device), "STAGES": 2, "num_warps": 4}
    return {"BS": 128, "BN": 128, "BK": 64, "STAGES": 3, "num_warps": 8}, tile


def lifted_splits(n_tokens: int, fast: bool) -> int:
    return 2 if not fast else 4 if n_tokens <= 144 else 2 if n_tokens <= 272 else 1


def attention_block(device: torch.device) -> int:
    """How many (token, head) rows, and positions, `attend_rows` takes at a time.

    64 of both take 216 KB of shared memory at Lite's shape, which data centres' GPUs have from Hopper on; 32
    take 74, and all others since Ampere have 99.
    """
    if device.type != "cuda":
        return 16
    return 64 if torch.cuda.get_device_capability(device)[0] in (9, 10) else 32


def _whole_chunks(columns: int) -> int:
    return -(-columns // 128) * 128


def _splits(rows: int) -> int:
    """Shares of the positions: few (token, head) rows alone would leave most of a GPU idle."""
    return 8 if rows < 4096 else 4 if rows < 8192 else 1
