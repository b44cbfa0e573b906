"""The weights as the GPU's kernels read them: all matrices in NF4, fused per layer.

In shape comments: D hidden size, H heads, R latent, r rotated, n plain and v value size of a head, E experts,
I inner, V ids.
"""

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from midfill_model.checkpoint.config import Config, ModelError
from midfill_model.checkpoint.nf4 import BLOCK, GROUP, unnest


@dataclass(frozen=True, slots=True)
class Nf4:
    """A matrix, or a stack of them, in bitsandbytes' NF4 layout."""

    packed: Tensor  # uint8 [..., rows, columns // 2], high nibble = even column
    absmax: Tensor  # fp32 [..., rows, columns // 64]; if double-quantised uint8
    groups: Tensor | None = None  # then fp32 [..., groups, 2]: scale and offset of 256 blocks each

    def maxima(self) -> Tensor:
        """The absmax in fp32."""
        return self.absmax if self.groups is None else unnest(self.absmax, self.groups)

    def part(self, index: int | slice) -> "Nf4":
        """One matrix of a stack, or some rows of a matrix that are whole groups; a view."""
        groups, of_groups = self.groups, index
        if groups is not None and isinstance(index, slice) and self.absmax.dim() == 2:
            n_rows, n_blocks = self.absmax.shape
            start, stop, _ = index.indices(n_rows)
            of_groups = slice(start * n_blocks // GROUP, stop * n_blocks // GROUP)
        return Nf4(self.packed[index], self.absmax[index], None if groups is None else groups[of_groups])

    def reshaped(self, rows: int, columns: int) -> "Nf4":
        """The same memory as one matrix; one of the two sizes may be -1."""
        return Nf4(
            self.packed.view(rows, columns // 2 if columns > 0 else -1),
            self.absmax.view(rows, columns // BLOCK if columns > 0 else -1),
            None if self.groups is None else self.groups.view(-1, 2),
        )


@dataclass(frozen=True, slots=True)
class FusedAttention:
    inputs: Nf4  # [R + r + H*(n+r), D]: rows of kv_a_proj_with_mqa, then of q_proj
    latent_norm: Tensor  # [R]
    key_value: Nf4  # [H*(n+v), R]: kv_b_proj
    output: Nf4  # [D, H*v]


@dataclass(frozen=True, slots=True)
class FusedMlp:
    gate_up: Nf4  # [2*I, D], or [E, 2*I, D]: gate's rows, then up's
    down: Nf4  # [D, I], or [E, D, I]


@dataclass(frozen=True, slots=True)
class FusedMoe:
    router: Tensor  # [E, D]
    experts: FusedMlp  # stacked
    shared: FusedMlp  # right behind the others in memory: kernels count on it


@dataclass(frozen=True, slots=True)
class FusedLayer:
    norm: Tensor  # [D]
    attention: FusedAttention
    mlp_norm: Tensor  # [D]
    mlp: FusedMlp | FusedMoe


@dataclass(frozen=True, slots=True)
class FusedWeights:
    """Everything on one device and contiguous; what is not in NF4 is of one float type."""

    embedding: Tensor  # [V, D]
    layers: tuple[FusedLayer, ...]
    norm: Tensor  # [D]
    head: Nf4  # [V, D]
    n_parameters: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where one tensor of a checkpoint goes."""

    name: str
    shape: tuple[int, ...]
    targets: tuple[Nf4 | Tensor, ...]  # views of the fused weights; two only for a tied embedding

    @property
    def is_matrix(self) -> bool:
        """Whether it is kept in 4 bits."""
        return any(isinstance(target, Nf4) for target in self.targets)


def allocate(config: Config, device: torch.device, real: torch.dtype, double: bool = False) -> FusedWeights:
    """Room for the weights, not yet filled; on the device `meta` it takes none. ModelError for odd shapes.

    `double`: the absmax are quantised, too.
    """
    c = config
    room = _Room(device, real, double)
    weights = FusedWeights(
        embedding=room.real(c.vocab_size, c.hidden_size),
        layers=tuple(_layer(c, i, room) for i in range(c.num_hidden_layers)),
        norm=room.real(c.hidden_size),
        head=room.nf4(c.vocab_size, c.hidden_size),
        n_parameters=0,
    )
    every = list(sources(config, weights))
    if double and any(s.is_matrix and math.prod(s.shape) % (BLOCK * GROUP) for s in every):
        raise ModelError(f"A matrix of this model is no multiple of {BLOCK * GROUP}: no double quantisation.")
    n_parameters = sum(math.prod(source.shape) for source in every)
    return dataclasses.replace(weights, n_parameters=n_parameters)


def sources(config: Config, weights: FusedWeights) -> Iterator[Source]:
    """Every tensor of a checkpoint once, and the part of `weights` that it becomes."""
    c, tied = config, config.tie_word_embeddings
    wide = (c.vocab_size, c.hidden_size)
    heads = (weights.head,) if tied else ()
    yield Source("model.embed_tokens.weight", wide, (weights.embedding, *heads))
    for index, layer in enumerate(weights.layers):
        name = f"model.layers.{index}"
        yield Source(f"{name}.input_layernorm.weight", (c.hidden_size,), (layer.norm,))
        yield from _attention_sources(c, f"{name}.self_attn", layer.attention)
        yield Source(f"{name}.post_attention_layernorm.weight", (c.hidden_size,), (layer.mlp_norm,))
        if isinstance(layer.mlp, FusedMlp):
            yield from _mlp_sources(f"{name}.mlp", layer.mlp)
        else:
            yield from _moe_sources(c, f"{name}.mlp", layer.mlp)
    yield Source("model.norm.weight", (c.hidden_size,), (weights.norm,))
    if not tied:
        yield Source("lm_head.weight", wide, (weights.head,))


def named_tensors(part: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor below a dataclass of this file, by its path: `layers.3.attention.inputs.packed`."""
    if isinstance(part, Tensor):
        yield name, part
    elif isinstance(part, tuple):
        for index, item in enumerate(part):
            yield from named_tensors(item, f"{name}.{index}")
    elif dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            yield from named_tensors(getattr(part, field.name), f"{name}.{field.name}".lstrip("."))


def assert_quantised(weights: FusedWeights) -> None:
    """ModelError if a routed expert is not in 4 bits, which would take four times the memory unnoticed."""
    for index, layer in enumerate(weights.layers):
        if isinstance(layer.mlp, FusedMoe):
            for name, tensor in named_tensors(layer.mlp.experts, f"layers.{index}.mlp.experts"):
                if name.endswith(".packed") and tensor.dtype != torch.uint8:
                    raise ModelError(f"{name} stayed in {tensor.dtype}, not in 4 bits; please report this.")


@dataclass(frozen=True, slots=True)
class _Room:
    device: torch.device
    dtype: torch.dtype
    double: bool

    def real(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=self.dtype, device=self.device)

    def nf4(self, *shape: int) -> Nf4:
        *stack, columns = shape
        if columns % BLOCK:
            raise ModelError(
                f"A matrix of this model has {columns} columns, and 4 bits need a multiple of {BLOCK}; "
                "run it with --device cpu."
            )
        packed = torch.empty((*stack, columns // 2), dtype=torch.uint8, device=self.device)
        of_absmax = torch.uint8 if self.double else torch.float32
        absmax = torch.empty((*stack, columns // BLOCK), dtype=of_absmax, device=self.device)
        if not self.double:
            return Nf4(packed, absmax)
        *stack, rows = stack
        n_groups = rows * (columns // BLOCK) // GROUP
        return Nf4(packed, absmax, torch.empty((*stack, n_groups, 2), device=self.device))

    def mlp(self, hidden: int, inner: int, *stack: int) -> FusedMlp:
        return FusedMlp(self.nf4(*stack, 2 * inner, hidden), self.nf4(*stack, hidden, inner))


def _layer(c: Config, index: int, room: _Room) -> FusedLayer:
    hidden, heads, inner = c.hidden_size, c.num_attention_heads, c.moe_intermediate_size
    attention = FusedAttention(
        inputs=room.nf4(c.latent_dim + heads * c.qk_head_dim, hidden),
        latent_norm=room.real(c.kv_lora_rank),
        key_value=room.nf4(heads * (c.qk_nope_head_dim + c.v_head_dim), c.kv_lora_rank),
        output=room.nf4(hidden, heads * c.v_head_dim),
    )
    mlp: FusedMlp | FusedMoe
    if index < c.first_k_dense_replace:
        mlp = room.mlp(hidden, c.intermediate_size)
    else:
        every = room.mlp(hidden, inner, c.n_routed_experts + c.n_shared_experts)
        mlp = FusedMoe(
            router=room.real(c.n_routed_experts, hidden),
            experts=FusedMlp(*(w.part(slice(c.n_routed_experts)) for w in (every.gate_up, every.down))),
            shared=FusedMlp(
                every.gate_up.part(slice(c.n_routed_experts, None)).reshaped(-1, hidden),
                every.down.part(slice(c.n_routed_experts, None)).reshaped(hidden, -1),
            ),
        )
    return FusedLayer(room.real(hidden), attention, room.real(hidden), mlp)


def _attention_sources(c: Config, name: str, w: FusedAttention) -> Iterator[Source]:
    latent = slice(None, c.latent_dim)
    query = slice(c.latent_dim, None)
    yield _matrix(f"{name}.kv_a_proj_with_mqa.weight", w.inputs.part(latent))
    yield _matrix(f"{name}.q_proj.weight", w.inputs.part(query))
    yield Source(f"{name}.kv_a_layernorm.weight", (c.kv_lora_rank,), (w.latent_norm,))
    yield _matrix(f"{name}.kv_b_proj.weight", w.key_value)
    yield _matrix(f"{name}.o_proj.weight", w.output)


def _moe_sources(c: Config, name: str, w: FusedMoe) -> Iterator[Source]:
    yield Source(f"{name}.gate.weight", (c.n_routed_experts, c.hidden_size), (w.router,))
    for e in range(c.n_routed_experts):
        expert = FusedMlp(w.experts.gate_up.part(e), w.experts.down.part(e))
        yield from _mlp_sources(f"{name}.experts.{e}", expert)
    yield from _mlp_sources(f"{name}.shared_experts", w.shared)


def _mlp_sources(name: str, w: FusedMlp) -> Iterator[Source]:
    inner = w.gate_up.packed.shape[0] // 2
    yield _matrix(f"{name}.gate_proj.weight", w.gate_up.part(slice(None, inner)))
    yield _matrix(f"{name}.up_proj.weight", w.gate_up.part(slice(inner, None)))
    yield _matrix(f"{name}.down_proj.weight", w.down)


def _matrix(name: str, target: Nf4) -> Source:
    rows, half = target.packed.shape
    return Source(name, (rows, 2 * half), (target,))
