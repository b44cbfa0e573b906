"""The compiled kernel on the device: how much of the card it takes, and its launch."""

import ctypes
from collections.abc import Mapping
from typing import Any

import torch

from midfill_model.checkpoint.config import Config

from .compile import machine_code
from .shape import NoKernel, check_card

THREADS = 512
LAYER_POINTERS = 14
_RING_BYTES = 16 * 3 * 4 * 512
_TABLE_END = 0x20000  # of shared memory
_RESERVED = 1024  # bytes of it that the system keeps at its start

POINTERS = (
    "layers", "embedding", "norm", "head", "head_max", "cos", "sin", "state", "anchor", "hidden", "y",
    "queries", "parts", "told", "attended", "scores", "act", "logits", "bests", "best", "arrived", "clocks",
)  # fmt: skip
NUMBERS = ("epsilon", "softmax_scale", "routed_scale")


class _Args(ctypes.Structure):
    """`Args` in shape.cuh."""

    _fields_ = (
        *((name, ctypes.c_uint64) for name in POINTERS),
        *((name, ctypes.c_float) for name in NUMBERS),
        ("layer_count", ctypes.c_int),
    )


class Kernel:
    """A loaded `decode_step`. It is never unloaded: it stays as long as the engine, as the weights do."""

    def __init__(self, config: Config, device: torch.device, profile: bool = False) -> None:
        """NoKernel where the card, its driver or NVRTC cannot have it."""
        card = torch.cuda.get_device_properties(device)
        check_card(card.major, card.multi_processor_count)
        try:
            from cuda.bindings import driver
        except ImportError as error:
            raise NoKernel(f"cuda-bindings cannot be loaded: {error}") from None
        self._driver: Any = driver
        torch.cuda.synchronize(device)  # from now on this thread has torch's context
        version = self._ask(driver.cuDriverGetVersion())
        reserved = driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK
        if self._ask(driver.cuDeviceGetAttribute(reserved, torch.cuda.current_device())) != _RESERVED:
            raise NoKernel(f"{card.name} lays shared memory out in another way")
        architecture = f"sm_{card.major}{card.minor}"
        wanted = config, architecture, f"{card.name}, driver {version}", profile
        try:
            module = self._ask(driver.cuModuleLoadData(machine_code(*wanted)))
        except NoKernel:  # what was kept may be damaged
            module = self._ask(driver.cuModuleLoadData(machine_code(*wanted, anew=True)))
        self._function = self._ask(driver.cuModuleGetFunction(module, b"decode_step"))
        layers = config.num_hidden_layers * LAYER_POINTERS * 8
        self._shared_bytes = _TABLE_END - _RESERVED + _RING_BYTES + -(-layers // 16) * 16
        limit = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        self._ask(driver.cuFuncSetAttribute(self._function, limit, self._shared_bytes))
        fitting = driver.cuOccupancyMaxActiveBlocksPerMultiprocessor(
            self._function, THREADS, self._shared_bytes
        )
        if self._ask(fitting) < 1:
            raise NoKernel(f"{card.name} has too little shared memory")
        self.n_blocks = card.multi_processor_count  # one each, so that all run at the same time

    def launch(self, pointers: Mapping[str, int], numbers: Mapping[str, float], n_layers: int) -> None:
        """On torch's current stream. Cooperative: the driver starts all blocks or none. NoKernel."""
        args = _Args(**pointers, **numbers, layer_count=n_layers)
        parameters = (ctypes.c_void_p * 1)(ctypes.addressof(args))
        launched = self._driver.cuLaunchCooperativeKernel(
            self._function, self.n_blocks, 1, 1, THREADS, 1, 1, self._shared_bytes,
            torch.cuda.current_stream().cuda_stream, ctypes.addressof(parameters),
        )  # fmt: skip
        self._ask(launched)

    def _ask(self, answer: tuple[Any, ...]) -> Any:
        result, *values = answer
        if result != self._driver.CUresult.CUDA_SUCCESS:
            raise NoKernel(f"the driver says {result.name}")
        return values[0] if values else None
