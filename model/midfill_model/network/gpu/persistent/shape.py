"""The sizes that the kernel is compiled for, and which models, weights and cards it takes."""

import torch

from midfill_model.checkpoint.config import Config
from midfill_model.checkpoint.nf4 import CODE
from midfill_model.network.gpu.views import Network

_HOPPER = 9  # the first cards with room for the kernel in an SM's shared memory: 227 KB
_BLOCKS = range(32, 257)  # one an SM: a block answers for at most 64 rows, and all blocks' numbers fit


class NoKernel(Exception):
    """Why a step cannot be one kernel here; the launches of gpu/step.py do the same then."""


def macros(c: Config) -> dict[str, str]:
    """What the source calls its sizes."""
    sizes = {
        "D": c.hidden_size,
        "HEADS": c.num_attention_heads,
        "R": c.kv_lora_rank,
        "ROPE": c.qk_rope_head_dim,
        "PLAIN": c.qk_nope_head_dim,
        "VALUE": c.v_head_dim,
        "E": c.n_routed_experts,
        "TOP": c.num_experts_per_tok,
        "SHARED": c.n_shared_experts,
        "I": c.moe_intermediate_size,
        "DENSE_I": c.intermediate_size,
        "LAYERS": c.num_hidden_layers,
        "DENSE_LAYERS": c.first_k_dense_replace,
        "V": c.vocab_size,
    }
    return {name: str(size) for name, size in sizes.items()} | {"NF4_CODE": ",".join(f"{v!r}f" for v in CODE)}


def check(network: Network) -> None:
    """NoKernel for a model's shape or weights that the kernel does not know."""
    c = network.config
    width, values = c.hidden_size, c.num_attention_heads * c.v_head_dim
    slots = c.num_experts_per_tok + c.n_shared_experts
    unknown = {
        "hidden_size": width % 128 or not _whole_pieces(width) or (width > 1024) != (values > 1024),
        "num_attention_heads": c.num_attention_heads > 16,
        "num_hidden_layers": c.num_hidden_layers > 32,
        "kv_lora_rank": c.kv_lora_rank % 128 or c.kv_lora_rank > 512,
        "qk_rope_head_dim": c.qk_rope_head_dim % 16 or c.qk_rope_head_dim > 64,
        "qk_nope_head_dim": c.qk_nope_head_dim > 128,
        "v_head_dim": c.v_head_dim % 64 or not _whole_pieces(values),
        "n_routed_experts": c.n_routed_experts not in (32, 64),
        "n_shared_experts": not c.n_shared_experts,
        "moe_intermediate_size": c.moe_intermediate_size % 64 or slots * c.moe_intermediate_size > 11_264,
        "intermediate_size": c.intermediate_size % 64 or c.intermediate_size > 11_264,
    }
    for name, is_unknown in unknown.items():
        if is_unknown:
            raise NoKernel(f"it is not made for {name} {getattr(c, name)}")
    if network.head.absmax.dtype != torch.float32:
        raise NoKernel("the absmax are quantised, too")
    if network.embedding.dtype != torch.bfloat16 or network.cache_type != torch.float16:
        raise NoKernel(f"it is not made for {network.embedding.dtype} and {network.cache_type}")


def _whole_pieces(columns: int) -> bool:
    """A row is a piece of at most 1,024 columns, or two whole ones."""
    return columns <= 1024 or columns == 2048


def check_card(major: int, n_multiprocessors: int) -> None:
    """NoKernel for a card that is too old, or has too few or too many multiprocessors."""
    if major < _HOPPER:
        raise NoKernel("the card is older than NVIDIA's Hopper")
    if n_multiprocessors not in _BLOCKS:
        raise NoKernel(f"it is not made for {n_multiprocessors} multiprocessors")
