"""The weights as the kernels take them: words of eight nibbles, and each layer's place in the network."""

from dataclasses import dataclass

import torch
from torch import Tensor

from midfill_model.checkpoint.config import Config
from midfill_model.checkpoint.fused.layout import FusedLayer, FusedMoe, FusedWeights, Nf4
from midfill_model.checkpoint.nf4 import dynamic_map
from midfill_model.network.rotations import rotations

from .codebook import code_table


@dataclass(frozen=True, slots=True)
class Words:
    """An NF4 matrix, or a stack, by its 32-bit words of eight columns."""

    words: Tensor  # int32 [..., rows, columns // 8]
    absmax: Tensor  # fp32 [..., rows, columns // 64], or bytes
    scales: tuple[Tensor, ...]  # what kernels take: absmax; if those are bytes, the groups and the map, too


@dataclass(frozen=True, slots=True)
class Experts:
    """`n_routed` experts to choose `n_chosen` of, and `n_shared` more that every token takes.

    The shared ones lie right behind the routed ones in memory. A dense layer is one shared expert.
    """

    n_routed: int
    n_chosen: int
    n_shared: int
    inner: int
    gate_up: Words
    down: Words
    router: Tensor  # fp32 [E, D]
    router_in_planes: Tensor  # [E, 8, D/8], for vectors in plane order
    router_as_stored: Tensor  # [E, D]

    @property
    def slots(self) -> int:
        """How many experts a token takes."""
        return self.n_chosen + self.n_shared


@dataclass(frozen=True, slots=True)
class Layer:
    norm: Tensor  # [D]
    inputs: Words  # [R + r + H*(n+r), D]
    latent_norm: Tensor  # [R]
    key_value: Words  # [H*(n+v), R]
    output: Words  # [D, H*v]
    mlp_norm: Tensor  # [D]
    experts: Experts


@dataclass(frozen=True, slots=True)
class Network:
    """What the kernels read, all of it constant."""

    config: Config
    embedding: Tensor  # [V, D]
    layers: tuple[Layer, ...]
    norm: Tensor  # [D]
    head: Words  # [V, D]
    code: Tensor  # codebook.code_table
    cos: Tensor  # fp32 [context, r/2]
    sin: Tensor
    cache_type: torch.dtype
    fast: bool  # on a GPU; otherwise in Triton's interpreter

    @property
    def device(self) -> torch.device:
        return self.embedding.device


def prepare(config: Config, weights: FusedWeights, context: int, half: torch.dtype | None = None) -> Network:
    """Views of the fused weights, the routers in plane order, and the tables of the rotations.

    `half`: what caches and vectors between kernels are stored in, if not fp16 on a GPU and fp32 elsewhere.
    """
    device = weights.embedding.device
    turns = rotations(config, context)
    fast = device.type == "cuda"
    return Network(
        config=config,
        embedding=weights.embedding,
        layers=tuple(_layer(config, layer) for layer in weights.layers),
        norm=weights.norm,
        head=words(weights.head),
        code=code_table(fast, device),
        cos=turns.real.contiguous().to(device),
        sin=turns.imag.contiguous().to(device),
        cache_type=half or (torch.float16 if fast else torch.float32),
        fast=fast,
    )


def _layer(c: Config, layer: FusedLayer) -> Layer:
    return Layer(
        norm=layer.norm,
        inputs=words(layer.attention.inputs),
        latent_norm=layer.attention.latent_norm,
        key_value=words(layer.attention.key_value),
        output=words(layer.attention.output),
        mlp_norm=layer.mlp_norm,
        experts=_experts(c, layer),
    )


def _experts(c: Config, layer: FusedLayer) -> Experts:
    mlp = layer.mlp
    if isinstance(mlp, FusedMoe):
        router = mlp.router
        in_planes = router.view(len(router), -1, 8).transpose(1, 2).contiguous()
        numbers = (c.n_routed_experts, c.num_experts_per_tok, c.n_shared_experts, c.moe_intermediate_size)
        return Experts(
            *numbers, words(mlp.experts.gate_up), words(mlp.experts.down), router.float(), in_planes, router
        )
    none = layer.norm.new_empty(1)
    return Experts(0, 0, 1, c.intermediate_size, words(mlp.gate_up), words(mlp.down), none, none, none)


def words(matrix: Nf4) -> Words:
    scales: tuple[Tensor, ...] = (matrix.absmax,)
    if matrix.groups is not None:
        scales = (matrix.absmax, matrix.groups, dynamic_map(matrix.absmax.device))
    return Words(matrix.packed.view(torch.int32), matrix.absmax, scales)
