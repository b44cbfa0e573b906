"""llama.cpp's own HTTP server out of the wheel xllamacpp: llama_server.py MODEL.gguf [NAME=VALUE…].

It writes its address in a line to stdout, and ends when stdin does. `slots`, each with a `context` and a
cache of its own; `batch`; `exact=1`: an f32 KV cache and no flash attention; `key`: which it wants.
"""

import sys

import xllamacpp


def main(path: str, **options: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_parallel = int(options.get("slots", 1))
    params.n_ctx = params.n_parallel * int(options.get("context", 2048))
    params.n_batch = params.n_ubatch = int(options.get("batch", 256))
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.endpoint_slots, params.ui, params.cache_ram_mib = True, False, 0
    if "key" in options:
        params.api_keys = [options["key"]]
    if "exact" in options:
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)
    print(f"\nlistening at {server.listening_address}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], **dict(it.split("=", 1) for it in sys.argv[2:]))
