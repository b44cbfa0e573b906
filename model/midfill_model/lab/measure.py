"""What the network itself needs: memory, loading, first tokens, decode. As JSON, from a process of its own.

python -I -m midfill_model.lab.measure DIR                  # ours
python -I -m midfill_model.lab.measure DIR --transformers   # transformers and bitsandbytes as installed

No tokenizer and no HTTP take part. The prompts are random ids.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from midfill_model.checkpoint import hub
from midfill_model.generation.cache import Slot
from midfill_model.generation.completion import Loaded
from midfill_model.generation.generate import generate
from midfill_model.generation.task import Task
from midfill_model.network.protocol import Network
from midfill_model.process.loading import device_name, load_model

COLD = (256, 1024, 4096, 16_384)  # tokens
DEPTHS = (256, 1024, 8192, 32_768)
WARM_PREFIX, WARM_SUFFIXES = 3072, (128, 512)
_STEPS = 64

Figures = dict[str, Any]


def measure(folder: str, runs: int, device: str, double: bool) -> Figures:
    """Every figure of our own network."""
    started = time.perf_counter()
    loaded: Loaded = load_model(folder, torch.get_num_threads(), device, double)(lambda _: None)  # type: ignore[arg-type]
    network = loaded.network
    figures: Figures = {"load_s": round(time.perf_counter() - started, 2), "weights": network.weights_dtype}
    _complete(network, _ids(256, 0), 1)
    figures["first_completion_s"] = round(time.perf_counter() - started, 2)
    figures["cold_first_token_ms"] = {
        n: _median([_milliseconds(lambda n=n, i=i: _complete(network, _ids(n, i), 1)) for i in range(runs)])  # type: ignore[misc]
        for n in COLD
        if n < network.context
    }
    figures["warm_first_token_ms"] = {
        n: _warm(network, n, runs) for n in WARM_SUFFIXES if WARM_PREFIX + runs + n < network.context
    }
    figures["decode_tok_s"] = _decode_at_depths(network)
    if getattr(network, "one_kernel", False):
        figures["one_kernel_a_token"] = True
        network.use_single_launches()  # type: ignore[attr-defined]
        figures["decode_tok_s_in_single_launches"] = _decode_at_depths(network)
        network.use_one_kernel()  # type: ignore[attr-defined]
    figures["cancel_to_idle_ms"] = _cancel(network, runs, in_prefill=False)
    figures["cancel_in_prefill_to_idle_ms"] = _cancel(network, runs, in_prefill=True)
    return figures | {"memory": _memory(network.device), "machine": _machine(network.device)}


def measure_transformers(folder: Path, n_prompt: int, runs: int) -> Figures:
    """transformers' generate with `load_in_4bit`, which leaves the routed experts in 16 bits."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    started = time.perf_counter()
    four_bit = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )
    model = AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=four_bit, dtype=torch.bfloat16, device_map={"": 0}
    ).eval()
    figures: Figures = {"load_s": round(time.perf_counter() - started, 2)}

    def run(seed: int, n_new: int) -> None:
        prompt = torch.tensor([_ids(n_prompt, seed)], device="cuda")
        mask = torch.ones_like(prompt)
        model.generate(
            prompt,
            attention_mask=mask,
            max_new_tokens=n_new,
            min_new_tokens=n_new,
            do_sample=False,
            pad_token_id=0,
        )
        torch.cuda.synchronize()

    run(0, 4)
    firsts = [_milliseconds(lambda i=i: run(i, 1)) for i in range(runs)]  # type: ignore[misc]
    wholes = [_milliseconds(lambda i=i: run(i, 1 + _STEPS)) for i in range(3)]  # type: ignore[misc]
    rate = 1000 * _STEPS / (statistics.median(wholes) - statistics.median(firsts))
    figures["cold_first_token_ms"] = {n_prompt: _median(firsts)}
    figures["decode_tok_s"] = {n_prompt: round(rate, 1)}
    device = torch.device("cuda")
    return figures | {"memory": _memory(device), "machine": _machine(device)}


def _complete(network: Network, prompt: Sequence[int], n_new: int, slot: Slot | None = None) -> None:
    slot = slot or Slot(network.new_cache, network.context)
    for _ in generate(network, slot, Task(prompt, n_new, network.config.vocab_size)):
        pass


def _warm(network: Network, n_suffix: int, runs: int) -> dict[str, float]:
    """The first token after one more key: the prefix but for its last token is in the cache."""
    prefix, suffix = _ids(WARM_PREFIX, 1), _ids(n_suffix, 2)
    slot = Slot(network.new_cache, network.context)
    _complete(network, [*prefix, *suffix], 1, slot)
    times = []
    for key in range(runs):
        prefix = [*prefix, key]
        prompt = [*prefix, *suffix]
        times.append(_milliseconds(lambda prompt=prompt: _complete(network, prompt, 1, slot)))  # type: ignore[misc]
    return _median(times)


def _decode_at_depths(network: Network) -> dict[int, float]:
    return {n: _decode(network, n) for n in DEPTHS if n + _STEPS < network.context}


def _decode(network: Network, depth: int) -> float:
    """Tokens a second behind `depth` tokens. What they were changes nothing: the cache holds noise."""
    cache = network.new_cache(depth + _STEPS + 1)
    cache.normal_(0, 0.5)
    for _ in range(2):  # the second run is a graph
        network.next_token([1], cache, depth, network.config.vocab_size)
    started = time.perf_counter()
    for step in range(_STEPS):
        network.next_token([1], cache, depth + step, network.config.vocab_size)
    return round(_STEPS / (time.perf_counter() - started), 1)


def _cancel(network: Network, runs: int, in_prefill: bool) -> dict[str, float]:
    """From a cancel by another thread, in the middle of a prefill or of decoding, until the device idles."""
    n_prompt = min(4096, network.context // 2) if in_prefill else 256
    times = []
    for run in range(runs):
        cancelled = threading.Event()
        moment: list[float] = []

        def cancel(cancelled: threading.Event = cancelled, moment: list[float] = moment) -> None:
            moment.append(time.perf_counter())
            cancelled.set()

        slot = Slot(network.new_cache, network.context)
        vocabulary = network.config.vocab_size
        task = Task(_ids(n_prompt, run), 500, vocabulary, cancelled=cancelled.is_set)
        steps = generate(network, slot, task)
        if not in_prefill:
            next(steps)
        timer = threading.Timer(0.02 + 0.0033 * run, cancel)
        timer.start()
        for _ in steps:
            pass
        network.synchronize()
        times.append(1000 * (time.perf_counter() - moment[0]))
    return _median(times)


def _ids(n: int, seed: int) -> list[int]:
    numbers = torch.Generator().manual_seed(seed)
    ids: list[int] = torch.randint(0, 10_000, (n,), generator=numbers).tolist()
    return ids


def _milliseconds(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - started)


def _median(times: list[float]) -> dict[str, float]:
    figures = {"median": statistics.median(times), "best": min(times), "worst": max(times)}
    return {name: round(value, 2) for name, value in figures.items()}


def _memory(device: torch.device) -> dict[str, float]:
    """GiB: what torch holds, the most it held, and what the whole device has in use."""
    if device.type != "cuda":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return {"peak_gib": round(peak / 2**30, 2)}
    free, total = torch.cuda.mem_get_info(device)
    figures = {
        "resident_gib": torch.cuda.memory_allocated(device),
        "peak_gib": torch.cuda.max_memory_allocated(device),
        "device_in_use_gib": total - free,
    }
    return {name: round(n_bytes / 2**30, 2) for name, n_bytes in figures.items()}


def _machine(device: torch.device) -> dict[str, str]:
    versions = {"device": device_name(device), "date": time.strftime("%Y-%m-%d")}
    for package in ("torch", "triton", "transformers", "bitsandbytes"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the network of a model folder.")
    parser.add_argument("folder", help="demo, lite, or a model folder")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--double-quant", action="store_true", help="quantise the absmax, too")
    parser.add_argument("--transformers", action="store_true", help="measure theirs, on a GPU")
    options = parser.parse_args()
    if options.transformers:
        print(json.dumps(measure_transformers(hub.resolve(options.folder), 1024, options.runs)))
    else:
        print(json.dumps(measure(options.folder, options.runs, options.device, options.double_quant)))


if __name__ == "__main__":
    main()
