"""The generation thread: windows in turn at every step, and a request that fails alone."""

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from midfill_model.generation.completion import Delta, Done, Failed, Loaded, Request
from midfill_model.generation.engine import Engine


class Watched:
    """A real network whose steps are written down, and held until they are let through."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.steps: list[tuple[int, int]] = []
        """(ids computed, where they start) of each step."""
        self.gate = threading.Event()
        self.fail: Callable[[int], Exception | None] = lambda _: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def next_id(self, ids: list[int], cache: torch.Tensor, start: int, *rest: Any) -> int:
        self.gate.wait(30)
        if error := self.fail(len(ids)):
            raise error
        self.steps.append((len(ids), start))
        return int(self._network.next_id(ids, cache, start, *rest))


class Running:
    def __init__(self, tiny: Loaded) -> None:
        self.network = Watched(tiny.network)
        loaded = replace(tiny, network=self.network)  # type: ignore[arg-type]
        self.engine = Engine(lambda _: loaded, 4, 1 << 24)
        self.engine.start()

    def ask(self, slot: str, prompt: list[int], n: int) -> "queue.SimpleQueue[Any]":
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.engine.submit(Request(prompt, None, n, slot=slot), events.put)
        return events


@pytest.fixture
def running(tiny: Loaded) -> Any:
    running = Running(tiny)
    yield running
    running.network.gate.set()
    running.engine.stop(30)


def end_of(events: "queue.SimpleQueue[Any]") -> Done | Failed:
    while isinstance(event := events.get(timeout=30), Delta):
        pass
    return event  # type: ignore[no-any-return]


def test_a_long_prefill_and_a_decode_take_turns(running: Running) -> None:
    """One window's ghost text goes on growing, a token for each chunk of another's long file."""
    chunk = running.network.prefill_chunk
    short = running.ask("short", [1, 2, 3], 6)
    long = running.ask("long", [i % 200 for i in range(3 * chunk + 5)], 2)
    running.network.gate.set()
    assert isinstance(end_of(short), Done) and isinstance(end_of(long), Done)
    kinds = ["chunk" if n == chunk else "token" for n, _ in running.network.steps]
    first = kinds.index("chunk")
    assert kinds[first : first + 6] == ["chunk", "token"] * 3, kinds


def test_a_newer_request_of_the_document_ends_a_long_prefill(running: Running) -> None:
    chunk = running.network.prefill_chunk
    older = running.ask("file", [i % 200 for i in range(3 * chunk + 5)], 2)
    newer = running.ask("file", [1, 2, 3], 2)
    running.network.gate.set()
    ended, followed = end_of(older), end_of(newer)
    assert isinstance(ended, Done) and ended.finish == "cancelled"
    assert isinstance(followed, Done) and followed.finish == "length"
    assert sum(n for n, _ in running.network.steps) < 2 * chunk


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_too_little_memory_is_one_sentence_and_the_next_request_works(
    running: Running, error: Exception
) -> None:
    running.network.fail = lambda n: error if n == 3 else None
    running.network.gate.set()
    failed = end_of(running.ask("a", [1, 2, 3], 4))
    assert isinstance(failed, Failed)
    assert "not enough memory" in failed.message and "--cache-mb" in failed.message
    assert isinstance(end_of(running.ask("b", [1, 2], 2)), Done)
