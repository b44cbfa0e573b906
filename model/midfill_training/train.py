"""Train the embedded model and write it as a model folder in the hub's format, 4-bit.

    torchrun --nproc-per-node 2 -m midfill_training.train CORPUS TOKENIZER OUT --minutes 18

Two phases of samples: short ones first, since a model this small must learn to look back to the hole before
it sees long files. Warm-up, plateau, linear decay; at the end the weights are trained as 4 bits round them.
With `--resume FOLDER` a trained model goes on: long samples at once, at a lower speed.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from midfill_training.export import export, masters_of, shape_of
from midfill_training.network import Network, Packed, Shape
from midfill_training.optimizer import Optimizer
from midfill_training.probe import probe
from midfill_training.text import disguise
from midfill_training.text.samples import Row, rows

LONGEST = (384, 1664)
"""Tokens of the longest sample in each phase: the second is what the engine sends, and a little more."""
ROW = (1024, 2048)
BALANCE = 0.01


@dataclass(frozen=True, slots=True)
class Schedule:
    """Where, as a share of the run, the second phase, the decay and the 4-bit rounding begin."""

    second_phase: float
    decay: float
    four_bit: float
    peak: float  # of the optimizer's rates

    def speed(self, progress: float, step: int) -> float:
        """Warm-up, plateau, linear decay to nothing."""
        down = min(1.0, (1 - progress) / (1 - self.decay) + 0.01)
        return self.peak * min((step + 1) / 200, 1.0) * down


AFRESH = Schedule(second_phase=0.30, decay=0.55, four_bit=0.80, peak=1.0)
GOING_ON = Schedule(second_phase=0.0, decay=0.10, four_bit=0.75, peak=0.8)


@dataclass(frozen=True, slots=True)
class Run:
    corpus: Path
    tokenizer: Path
    out: Path
    tokens: float
    minutes: float
    batch: int  # tokens a step and GPU
    workers: int
    seed: int
    resume: Path | None
    shape: Shape


class Batches(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """(ids [T], weights [T], starts [D]) of whole batches, each worker with its own seed."""

    def __init__(self, run: Run, phase: int, rank: int) -> None:
        self.run, self.phase, self.rank = run, phase, rank

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        info = get_worker_info()
        seed = self.run.seed + 1000 * (2 * self.rank + self.phase) + (info.id if info else 0)
        length = ROW[self.phase]
        corpus, words = self.run.corpus, disguise.read(self.run.corpus.with_name("words.txt"))
        stream = rows(corpus, words, self.run.tokenizer, length, LONGEST[self.phase], seed)
        while True:
            yield batch_of([next(stream) for _ in range(self.run.batch // length)])


def batch_of(batch: list[Row]) -> tuple[Tensor, Tensor, Tensor]:
    starts, at = [], 0
    for row in batch:
        starts += [at + start for start in row.starts]
        at += len(row.ids)
    padded = np.full(at // 32 + 1, at, dtype=np.int32)
    padded[: len(starts)] = starts
    ids = np.concatenate([np.asarray(row.ids, dtype=np.int64) for row in batch])
    weights = np.concatenate([np.asarray(row.weights, dtype=np.float32) for row in batch])
    return torch.from_numpy(ids), torch.from_numpy(weights), torch.from_numpy(padded)


def pack(ids: Tensor, starts: Tensor, longest: int = max(ROW)) -> Packed:
    """Positions restart at each document."""
    at = torch.arange(ids.shape[0], device=ids.device)
    first = torch.searchsorted(starts, at.to(torch.int32), right=True) - 1
    return Packed(ids, at - starts[first].long(), starts, longest)


def train(run: Run) -> None:
    rank, world, device = joined()
    torch.manual_seed(run.seed)
    network = Network(run.shape)
    if run.resume:
        network.load_state_dict(masters_of(run.resume, run.shape))
    schedule = GOING_ON if run.resume else AFRESH
    network.to(device)
    optimizer = Optimizer(network)
    network.bfloat16()  # the optimizer holds the fp32 masters
    optimizer.work = dict(network.named_parameters())
    loss_of = torch.compile(network.loss, dynamic=False) if device.type == "cuda" else network.loss
    batches = batches_of(run, rank, device)

    told = Told(run.batch * world, device, aloud=rank == 0)
    progress, step = 0.0, 0
    while progress < 1:
        ids, weights, starts = next(batches[progress >= schedule.second_phase])
        targets = torch.cat([ids[1:], ids[:1]])
        weights = torch.cat([weights[1:], torch.zeros_like(weights[:1])])
        nll, middle, balance = loss_of(pack(ids, starts), targets, weights)
        total = weights.sum()
        (nll / total + BALANCE * balance).backward()
        share_gradients(network, world)
        optimizer.step(schedule.speed(progress, step), four_bit=progress >= schedule.four_bit)
        network.zero_grad(set_to_none=True)
        step += 1
        told.add(nll / total, middle / (weights == 1).sum(), balance)
        if step % 2500 == 0 and rank == 0:
            export(optimizer.master, run.shape, run.tokenizer, run.out)  # a machine can be taken away
        if step % 20 == 0:
            done = max(step * told.tokens / run.tokens, told.seconds / 60 / run.minutes)
            progress = agreed(done, device, world)
        if step % 100 == 0 or step in (1, 20, 60):
            told.say(step, progress)
    if rank == 0:
        finish(run, network, optimizer, {"steps": step, "tokens": step * told.tokens, "last": told.last})
    if world > 1:
        dist.destroy_process_group()


def joined() -> tuple[int, int, torch.device]:
    """(rank, how many train together, this process's device), as torchrun tells."""
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    device = torch.device(f"cuda:{rank}" if torch.cuda.is_available() else "cpu")
    if world > 1:
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", device_id=device)
    return rank, world, device


def batches_of(run: Run, rank: int, device: torch.device) -> list[Iterator[tuple[Tensor, Tensor, Tensor]]]:
    """Of each phase, on `device`; no process cuts samples before the first is asked for."""
    kwargs = {"batch_size": None, "num_workers": run.workers, "pin_memory": device.type == "cuda"}

    def of(phase: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for batch in DataLoader(Batches(run, phase, rank), **kwargs):  # type: ignore[arg-type]
            ids, weights, starts = (part.to(device, non_blocking=True) for part in batch)
            yield ids, weights, starts

    return [of(0), of(1)]


class Told:
    """What is said of the last steps: means of loss, of the middles' loss, of balance, and the pace."""

    def __init__(self, tokens: int, device: torch.device, aloud: bool) -> None:
        self.tokens, self.aloud = tokens, aloud  # tokens of one step, all GPUs together
        self.last: dict[str, float] = {}
        self._sums, self._began = torch.zeros(4, device=device), time.time()
        self._since = self._began

    @property
    def seconds(self) -> float:
        return time.time() - self._began

    def add(self, loss: Tensor, middle: Tensor, balance: Tensor) -> None:
        self._sums += torch.stack([loss, middle, balance, balance.new_ones(())]).detach()

    def say(self, step: int, progress: float) -> None:
        loss, middle, balance, n = self._sums.tolist()
        pace = n * self.tokens / (time.time() - self._since)
        self.last = {"step": step, "loss": loss / n, "middle": middle / n}
        if self.aloud:
            means = f"loss {loss / n:.3f} middle {middle / n:.3f} balance {balance / n:.3f}"
            print(
                f"{step:6} {progress:6.1%} {means} {pace / 1e3:8.0f}k tok/s {self.seconds:6.0f} s", flush=True
            )
        self._sums.zero_()
        self._since = time.time()


def share_gradients(network: Network, world: int) -> None:
    if world == 1:
        return
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(flat, op=dist.ReduceOp.AVG)
    for grad, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
        grad.copy_(part.view_as(grad))


def agreed(progress: float, device: torch.device, world: int) -> float:
    """Every rank must leave a phase at the same step."""
    value = torch.tensor(progress, device=device)
    if world > 1:
        dist.broadcast(value, 0)
    return float(value)


def finish(run: Run, network: Network, optimizer: Optimizer, report: dict[str, object]) -> None:
    """Probe as trained and as stored, then write the folder."""
    run.out.mkdir(parents=True, exist_ok=True)
    export(optimizer.master, run.shape, run.tokenizer, run.out)
    export(optimizer.master, run.shape, run.tokenizer, run.out / "16-bit", four_bit=False)
    print(f"exported after {report['tokens']:,} tokens", flush=True)
    for name, four_bit in (("bf16", False), ("nf4", True)):
        optimizer.publish(four_bit)
        found = probe(network, run.corpus.with_name("heldout_packages.txt"), run.tokenizer)
        report[name] = found
        for language, figures in found.items():
            print(name, language, json.dumps(figures), flush=True)
    settings = {key: str(value) for key, value in asdict(run).items()}
    (run.out / "training.json").write_text(json.dumps({"run": settings, **report}, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("corpus", "tokenizer", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--tokens", type=float, default=2e9)
    parser.add_argument("--minutes", type=float, default=18)
    parser.add_argument("--batch", type=int, default=131_072)
    parser.add_argument("--workers", type=int, default=12)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="a trained model that goes on")
    parser.add_argument("--shape", nargs="*", default=[], metavar="NAME=NUMBER", help="other than Shape's")
    options = vars(parser.parse_args())
    differs = dict(told.split("=") for told in options.pop("shape"))
    shape = shape_of(options["resume"]) if options["resume"] else Shape()
    numbers = {name: type(getattr(shape, name))(number) for name, number in differs.items()}
    shape = replace(shape, **numbers)
    train(Run(**options, shape=shape))


if __name__ == "__main__":
    main()
