"""Which model on which device: `auto` is resolved here, and the network is made ready to run."""

import gc
import os
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from midfill_model import seam
from midfill_model.checkpoint import hub, weights
from midfill_model.checkpoint.config import Config, ModelError, read_config
from midfill_model.command_line import AUTO, DEMO, LITE
from midfill_model.generation.completion import Loaded
from midfill_model.generation.engine import Load, State
from midfill_model.generation.tokens import Tokenizer
from midfill_model.network.deepseek import DeepseekV2
from midfill_model.network.protocol import Network

from .engines import short_name
from .machine import cpus, memory

Device = Literal["auto", "cpu", "cuda"]

_LONGEST_CONTEXT = 33_792  # tokens: 32,768 and what comes behind; an editor's prompt is far shorter
_LONG_PROMPTS_FROM = 16_384  # tokens of context
_AMPERE = (8, 0)  # the first GPUs with bf16 and asynchronous copies
_TUNED_FOR_CHAT = {"instruct", "chat"}  # words of a model's name
_GPU_PAYS_FROM = 1_000_000_000  # bytes of weights; a smaller model answers sooner without a GPU's start


def load_model(model: str, n_threads: int, device: Device = "auto", double: bool = False) -> Load:
    """How the engine's thread will load `auto`, `demo`, `lite`, a folder or a hub id.

    `double`: quantise twice on a GPU, whether or not its memory is that small.
    """

    def load(progress: Callable[[float], None]) -> Loaded:
        if device == "cuda" and (lack := gpu_lack()):
            raise ModelError(f"--device cuda: {lack}; use --device cpu.")
        folder, reason = _folder(model, device)
        config, tokenizer = read_settings(folder)
        context = min(config.max_position_embeddings, _LONGEST_CONTEXT)
        on_gpu = device == "cuda" or (device == "auto" and _large(folder) and not gpu_lack())
        if on_gpu:
            network = _on_gpu(folder, config, context, double, progress)
        else:
            network = _on_cpu(folder, config, context, n_threads, progress)
        network.warm_up()
        _check_numbers(folder, network, tokenizer.size)
        budgets = seam.LARGE if context >= _LONG_PROMPTS_FROM else seam.SMALL
        name = short_name(model)
        if model == AUTO and folder != hub.resolve(DEMO):
            name = LITE
        return Loaded(name, folder, network, tokenizer, *budgets, reason=reason)

    return load


def _check_numbers(folder: Path, network: Network, vocabulary: int) -> None:
    """ModelError where weights are so damaged that what they compute is no number: it would be shown."""
    network.next_token([0], network.new_cache(1), 0, vocabulary)
    if network.scores(vocabulary).isnan().any():
        raise ModelError(
            f"{folder}: the weights are damaged, they compute no numbers; download the model again."
        )


def told(state: State) -> seam.Health:
    """Of the model that is loaded what /health tells; nothing before."""
    if (loaded := state.loaded) is None:
        return seam.Health()
    network = loaded.network
    model = seam.Model(
        id=loaded.name,
        path=str(loaded.folder),
        fim=loaded.tokenizer.fim_ids is not None,
        fim_trained=fim_trained(loaded.folder, network.config, loaded.tokenizer),
        parameters=network.n_parameters,
        dtype=network.weights_dtype,
        device=device_name(network.device),
        context=network.context,
        budgets=seam.Budgets(loaded.prefix_tokens, loaded.suffix_tokens, loaded.context_tokens),
        trained_in=network.config.trained_in,
    )
    return seam.Health(reason=loaded.reason, model=model, memory=memory.held(network.device))


class Told:
    """`told`, and of an engine that sleeps, or wakes up, what was true of its model before."""

    def __init__(self) -> None:
        self._last = seam.Health()
        self._device = torch.device("cpu")

    def __call__(self, state: State) -> seam.Health:
        if state.loaded is not None:
            self._last, self._device = told(state), state.loaded.network.device
            return self._last
        known = self._last.model.id is not None
        return replace(self._last, memory=memory.held(self._device)) if known else self._last


def give_back() -> None:
    """What nothing holds any more goes back to the system, and to the GPU."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    memory.give_back()


def read_settings(folder: Path) -> tuple[Config, Tokenizer]:
    """All of a model but its weights, checked. ModelError."""
    config, tokenizer = read_config(folder), Tokenizer(folder)
    if tokenizer.size > config.vocab_size:
        raise ModelError(
            f"{folder}: the tokenizer knows more ids than the model; the files do not belong together."
        )
    return config, tokenizer


def fim_trained(folder: Path, config: Config, tokenizer: Tokenizer) -> bool:
    """Whether a model was trained to fill in the middle, as far as its folder tells.

    DeepSeek-V2-Lite's vocabulary lacks the tokens for it. DeepSeek-Coder-V2-Lite-Instruct has them from its
    base model, but answers such prompts chattily, and its name alone says what it is: a chat template is no
    sign, as the base model's tokenizer_config.json has one too.
    """
    if tokenizer.fim_ids is None:
        return False
    if config.fim_trained is not None:
        return config.fim_trained
    return not _TUNED_FOR_CHAT & set(re.split(r"[^a-z]+", hub.name_of(folder).lower()))


def gpu_lack() -> str:
    """Why there is no GPU that the kernels run on; empty when there is one."""
    if torch.version.cuda is None:
        return "this torch was built without CUDA"
    if not torch.cuda.is_available():
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        return "torch finds no CUDA GPU" if hidden is None else f"CUDA_VISIBLE_DEVICES is {hidden!r}"
    if torch.cuda.get_device_capability() < _AMPERE:
        return f"{torch.cuda.get_device_name()} is older than NVIDIA's Ampere"
    if find_spec("triton") is None:
        return "the package triton is not installed"
    return ""


def device_name(device: torch.device) -> str:
    """For people: cpu, or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def why_no_lite() -> str:
    """Why lite does not run on this machine's GPU, in a sentence; empty where it does."""
    if lack := gpu_lack():
        return f"lite needs a GPU: {lack}."
    from midfill_model.checkpoint.fused.store import fits_only_double, free_memory

    try:
        folder = hub.resolve(LITE)
        fits_only_double(folder, read_config(folder), free_memory(torch.device("cuda")))
    except ModelError as error:
        return f"lite cannot: {error}"
    return ""


def _folder(model: str, device: Device) -> tuple[Path, str]:
    """The model's folder, and for `auto` why it is the small model's, if it is.

    `auto` is lite where it is on this machine and a GPU has room for it; otherwise the embedded model.
    """
    if model != AUTO or device == "cpu":
        return hub.resolve(model), ""
    if lack := why_no_lite():
        return hub.resolve(DEMO), f"The small model runs, because {lack}"
    return hub.resolve(LITE), ""


def _large(folder: Path) -> bool:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) >= _GPU_PAYS_FROM


def _on_gpu(
    folder: Path, config: Config, context: int, double: bool, progress: Callable[[float], None]
) -> Network:
    from midfill_model.checkpoint.fused.store import load_fused
    from midfill_model.network.gpu.graphs import FusedDeepseekV2

    fused = load_fused(folder, config, torch.device("cuda"), progress, double=double)
    return FusedDeepseekV2(config, fused, context)


def _on_cpu(
    folder: Path, config: Config, context: int, n_threads: int, progress: Callable[[float], None]
) -> Network:
    torch.set_num_threads(n_threads)
    _let_others_go_first()
    weights.check_memory(folder, cpus.memory())
    network = plain_network(folder, config, context, progress)
    memory.give_back()
    return network


def plain_network(folder: Path, config: Config, context: int, progress: weights.Progress) -> DeepseekV2:
    """The network with fp32 weights, for at most `context` positions."""
    with weights.Checkpoint(folder) as checkpoint:
        n_read = 0

        def fetch(name: str, *shape: int) -> Tensor:
            nonlocal n_read
            n_read += 1
            progress(n_read / checkpoint.n_weights)
            return checkpoint.read(name, shape)

        return DeepseekV2(config, fetch, context)


def _let_others_go_first() -> None:
    """On Linux: this thread, and those that torch starts from it, give way to the editor and to a cancel."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
