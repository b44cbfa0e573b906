"""CUDA C++ to machine code with the NVRTC that torch brings; kept on disk by card, driver and source."""

import hashlib
import logging
import os
from importlib import resources
from pathlib import Path

from midfill_model import seam
from midfill_model.checkpoint.config import Config

from .shape import NoKernel, macros

log = logging.getLogger(__name__)

# In the order in which they build on each other.
_PARTS = (
    "shape", "numbers", "block", "feed", "vectors", "attention", "experts", "best", "step", "decode",
)  # fmt: skip


def source() -> str:
    """The parts as one text, with lines by which the compiler names the part that an error is in."""
    folder = resources.files(__package__) / "cuda"
    return "".join(f'#line 1 "{part}.cuh"\n{(folder / f"{part}.cuh").read_text("utf-8")}' for part in _PARTS)


def options(config: Config, architecture: str, profile: bool = False) -> list[str]:
    sizes = [f"-D{name}={value}" for name, value in macros(config).items()]
    return [*sizes, f"--gpu-architecture={architecture}", "--std=c++17", *(["-DPROFILE"] if profile else [])]


def machine_code(
    config: Config, architecture: str, card: str, profile: bool = False, anew: bool = False
) -> bytes:
    """The kernel for `config` on `architecture`, "sm_90"; `card`: its name and driver. NoKernel.

    `anew`: whatever is kept of it.
    """
    text, given = source(), options(config, architecture, profile)
    key = hashlib.sha256("\0".join([text, *given, card]).encode()).hexdigest()[:32]
    kept = folder() / f"{key}.cubin"
    if not anew and kept.is_file():
        return kept.read_bytes()
    code = _compiled(text, given)
    _keep(kept, code)
    return code


def folder() -> Path:
    return seam.cache_folder() / "kernels"


def _keep(path: Path, code: bytes) -> None:
    """Whole or not at all; without it the next start compiles again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(code)
        partial.replace(path)
    except OSError as error:
        reason = seam.what_stands_there(path.parent) or error.strerror
        log.warning("cannot keep a compiled kernel in %s: %s", path.parent, reason)


def _compiled(text: str, given: list[str]) -> bytes:
    try:
        from cuda.bindings import nvrtc
    except ImportError as error:
        raise NoKernel(f"cuda-bindings is not installed: {error}") from None
    try:
        _, program = nvrtc.nvrtcCreateProgram(text.encode(), b"decode.cuh", 0, [], [])
    except (RuntimeError, OSError) as error:
        raise NoKernel(f"NVRTC cannot be loaded: {error}") from None
    try:
        (result,) = nvrtc.nvrtcCompileProgram(program, len(given), [option.encode() for option in given])
        if result != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            _, size = nvrtc.nvrtcGetProgramLogSize(program)
            message = b" " * size
            nvrtc.nvrtcGetProgramLog(program, message)
            raise NoKernel(message.decode(errors="replace").strip("\0 \n") or str(result))
        _, size = nvrtc.nvrtcGetCUBINSize(program)
        code = b" " * size
        nvrtc.nvrtcGetCUBIN(program, code)
        return bytes(code)
    finally:
        nvrtc.nvrtcDestroyProgram(program)
