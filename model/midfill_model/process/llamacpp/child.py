"""The process that llama.cpp runs in: its own server, out of the wheel xllamacpp, on a private Unix socket.

Loading holds Python's lock, and what fails in ggml ends the process: so it is not the engine's own. It takes
its options as JSON in one line of stdin and ends when stdin does. It would not read while it loads, or hangs:
on Linux the system ends it with the engine.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

MARK = "midfill: "  # before each line of ours on stdout
GPU_KINDS = ("GPU", "IGPU")
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h; it counts the thread that has started us, which waits for our end


def main() -> int:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    options = json.loads(sys.stdin.readline())
    if os.getppid() != options["engine"]:  # it has ended before that
        return 1
    os.umask(0o177)  # the socket is the user's alone
    import xllamacpp

    device = "cpu" if options["device"] == "cpu" else _gpu(xllamacpp) or "cpu"
    _tell(device=device)
    if device == "cpu" and hasattr(os, "nice"):
        os.nice(10)  # the editor and its other servers go first
    server = xllamacpp.Server(_parameters(xllamacpp, options, device != "cpu"))
    _tell(address=server.listening_address)
    sys.stdin.read()
    os._exit(0)  # whatever it is at: nobody listens any more


def _tell(**news: str) -> None:
    print(f"\n{MARK}{json.dumps(news)}", flush=True)


def _gpu(xllamacpp: Any) -> str:
    """The first GPU that this build of llama.cpp can use; empty where there is none."""
    for it in xllamacpp.get_device_info():
        if it["type"].name.rpartition("_")[2] in GPU_KINDS:
            return str(it["description"] or it["name"])
    return ""


def _parameters(xllamacpp: Any, options: dict[str, Any], on_gpu: bool) -> Any:
    it = xllamacpp.CommonParams()
    it.model.path, it.offline = options["model"], True  # nothing is fetched, ever
    it.hostnames, it.port = [options["socket"]], 0
    it.verbosity = 1  # errors alone: what is told beyond may hold a user's text
    it.ui = it.endpoint_slots = False
    context = options["gpu_context" if on_gpu else "context"]
    it.n_ctx, it.n_parallel, it.kv_unified = context, options["parallel"], True
    it.n_batch = it.n_ubatch = options["gpu_batch" if on_gpu else "batch"]
    it.cache_ram_mib = options["cache_mb"]
    it.cpuparams.n_threads = it.cpuparams_batch.n_threads = options["threads"]
    it.n_gpu_layers = -1 if on_gpu else 0
    it.fit_params = on_gpu
    if options["exact"]:
        it.cache_type_k = it.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        it.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return it


if __name__ == "__main__":
    sys.exit(main())
