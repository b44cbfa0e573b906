"""Whether the GPU's kernels choose the tokens of the plain network, on the embedded model; as JSON.

python -I -m midfill_model.lab.equality                                        # needs a GPU and transformers
TRITON_INTERPRET=1 python -m midfill_model.lab.equality --prompts 1 --tokens 1 --prefix 4    # on a CPU

The plain network writes greedily in fp32, then each side says for every token what it would have written: as
long as they agree, that is greedy decoding. The yardstick is transformers in bf16 with the same values.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from midfill_model.checkpoint import hub
from midfill_model.checkpoint.config import read_config
from midfill_model.checkpoint.fused.store import load_fused
from midfill_model.generation.requests.prompt import Budgets, Parts, fim_prompt
from midfill_model.generation.tokens import Tokenizer
from midfill_model.network.gpu.graphs import SIZES, FusedDeepseekV2
from midfill_model.network.gpu.persistent.shape import NoKernel
from midfill_model.network.protocol import Network
from midfill_model.process.loading import device_name

from .reference import CONTEXT, ours, theirs

_SUFFIX_TOKENS = 100


@dataclass(frozen=True, slots=True)
class Written:
    """What the reference wrote after a prompt."""

    prompt: list[int]
    ids: list[int]
    logits: Tensor  # [ids, V]: what each was chosen by


Choices = Callable[[Written], list[int]]  # what a side chooses in place of each id, after those before


def prompts(tokenizer: Tokenizer, n: int, n_prefix: int) -> Iterator[list[int]]:
    """Fill-in-the-middle prompts: places in this package's own files."""
    texts = [path.read_text("utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))]
    texts = [text for text in texts if len(text) > 3000]
    for index in range(n):
        text = texts[index % len(texts)]
        at = len(text) * (n + 2 * index) // (4 * n)  # from a quarter to three
        budgets = Budgets(n_prefix, min(_SUFFIX_TOKENS, n_prefix))
        yield fim_prompt(tokenizer, Parts(text[:at], text[at + 200 :]), budgets).ids


def write(network: Any, prompt: list[int], n: int, vocabulary: int) -> Written:
    """Greedily, by the plain network."""
    cache, pending, start = network.new_cache(len(prompt) + n), prompt, 0
    ids: list[int] = []
    logits = []
    for _ in range(n):
        logits.append(network.forward(torch.tensor(pending), cache, start)[:vocabulary])
        start += len(pending)
        pending = [int(logits[-1].argmax())]
        ids += pending
    return Written(prompt, ids, torch.stack(logits))


def choices_of(network: Network, vocabulary: int) -> Choices:
    """By prefill in chunks, then steps of one token, as completions are made."""

    def choose(written: Written) -> list[int]:
        prompt, chunk = written.prompt, network.prefill_chunk
        cache = network.new_cache(len(prompt) + len(written.ids))
        parts = [prompt[i : i + chunk] for i in range(0, len(prompt), chunk)]
        parts += [[id_] for id_ in written.ids[:-1]]
        start, chosen = 0, []
        for part in parts:
            chosen.append(network.next_token(part, cache, start, vocabulary).id)
            start += len(part)
        return chosen[-len(written.ids) :]

    return choose


def choices_of_transformers(folder: Path, device: torch.device, vocabulary: int) -> Choices:
    model = theirs(folder).to(device, torch.bfloat16)

    @torch.inference_mode()
    def choose(written: Written) -> list[int]:
        ids = torch.tensor([[*written.prompt, *written.ids[:-1]]], device=device)
        logits = model(ids).logits[0, -len(written.ids) :, :vocabulary]
        chosen: list[int] = logits.argmax(1).tolist()
        return chosen

    return choose


def judge(side: Choices, every: Sequence[Written]) -> dict[str, Any]:
    """How many texts and tokens are equal; the reference's preference where a text parts from it."""
    n_equal, gaps = 0, []
    for written in every:
        chosen = side(written)
        agreed = [a == b for a, b in zip(chosen, written.ids, strict=True)]
        n_equal += sum(agreed)
        if not all(agreed):
            first = agreed.index(False)
            logits = written.logits[first]
            gaps.append(round(float(logits[written.ids[first]] - logits[chosen[first]]), 4))
    return {
        "equal_texts": f"{len(every) - len(gaps)} of {len(every)}",
        "equal_tokens": f"{n_equal} of {sum(len(written.ids) for written in every)}",
        "logit_gaps": sorted(gaps),
    }


def compare(n_prompts: int, n_tokens: int, n_prefix: int) -> dict[str, Any]:
    folder = hub.resolve("demo")
    config, tokenizer = read_config(folder), Tokenizer(folder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    vocabulary = min(tokenizer.control_ids)  # so that no text ends before its length
    reference = ours(folder)
    every = [write(reference, ids, n_tokens, vocabulary) for ids in prompts(tokenizer, n_prompts, n_prefix)]
    fused = load_fused(folder, config, device, lambda _: None)
    sizes = SIZES if device.type == "cuda" else {16: 3}  # the interpreter computes each token of a size
    kernels = FusedDeepseekV2(config, fused, CONTEXT, sizes)
    by_kernels = judge(choices_of(kernels, vocabulary), every)
    return {
        "device": device_name(device),
        "kernels": by_kernels,
        "one_kernel_a_token": _by_one_kernel(kernels, vocabulary, every),
        "transformers_bf16": judge(choices_of_transformers(folder, device, vocabulary), every),
        "plain_network_again": judge(choices_of(reference, vocabulary), every),
    }


def _by_one_kernel(network: FusedDeepseekV2, vocabulary: int, every: Sequence[Written]) -> dict[str, Any]:
    try:
        network.use_one_kernel()
    except NoKernel as error:
        return {"none": str(error)}
    return judge(choices_of(network, vocabulary), every)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the kernels' tokens with the plain network's.")
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prefix", type=int, default=700, help="tokens before each place")
    options = parser.parse_args()
    print(json.dumps(compare(options.prompts, options.tokens, options.prefix), indent=1))


if __name__ == "__main__":
    main()
