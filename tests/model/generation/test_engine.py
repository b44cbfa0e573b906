"""The generation thread: windows in turn at every step, and a request that fails alone."""

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import torch

from midfill_model.generation.completion import Loaded
from midfill_model.generation.engine import Engine
from midfill_model.generation.requests.ticket import Delta, Done, Failed, Request
from midfill_model.network.gpu.persistent.shape import NoKernel


class Watched:
    """A real network whose steps are written down, and held until they are let through."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.steps: list[tuple[int, int]] = []
        """(ids computed, where they start) of each step."""
        self.gate = threading.Event()
        self.fail: Callable[[int], Exception | None] = lambda _: None
        self.lost: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def next_token(self, ids: list[int], cache: torch.Tensor, start: int, *rest: Any) -> Any:
        self._pass(ids, start)
        return self._network.next_token(ids, cache, start, *rest)

    def next_tokens(self, ids: list[int], cache: torch.Tensor, start: int, *rest: Any) -> Any:
        self._pass(ids, start)
        return self._network.next_tokens(ids, cache, start, *rest)

    def log_probabilities(
        self, ids: list[int], cache: torch.Tensor, start: int, *rest: Any, **places: Any
    ) -> Any:
        self._pass(ids, start)
        return self._network.log_probabilities(ids, cache, start, *rest, **places)

    def synchronize(self) -> None:
        if self.lost:
            raise self.lost

    def _pass(self, ids: list[int], start: int) -> None:
        self.gate.wait(30)
        if error := self.fail(len(ids)):
            raise error
        self.steps.append((len(ids), start))


class Running:
    def __init__(self, tiny: Loaded) -> None:
        self.network = Watched(tiny.network)
        loaded = replace(tiny, network=self.network)  # type: ignore[arg-type]
        self.engine = Engine(lambda _: loaded, 4, 1 << 24)
        self.engine.start()

    def ask(
        self, slot: str, prompt: list[int], n: int, beam_width: int = 1, n_texts: int = 1
    ) -> "queue.SimpleQueue[Any]":
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        request = Request(prompt, None, n, slot=slot, beam_width=beam_width, n=n_texts)
        self.engine.submit(request, events.put)
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


def lack_of_memory() -> list[Exception]:
    """Python's, CUDA's, and what torch says on a CPU, which has no class of its own."""
    with pytest.raises(RuntimeError) as on_cpu:
        torch.empty(1 << 60)
    return [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), on_cpu.value]


def fails_once(error: Exception) -> Callable[[int], Exception | None]:
    errors = [error]
    return lambda _: errors.pop() if errors else None


def from_step(at_step: int, fail: Callable[[int], Exception | None]) -> Callable[[int], Exception | None]:
    """As `fail` from that step on, counted from now, whatever is computed in it."""
    steps = count()
    return lambda n: fail(n) if next(steps) >= at_step else None


def test_each_layer_of_a_long_prompt_is_a_step_forward(running: Running) -> None:
    """However slow the machine is: no watchdog takes that for a thread that hangs."""
    layers, before = running.network.config.num_hidden_layers, running.engine.n_steps
    running.network.gate.set()
    assert isinstance(end_of(running.ask("a", [1] * 100, 1)), Done)
    n_chunks = len(running.network.steps)
    assert running.engine.n_steps - before > layers * n_chunks


@pytest.mark.parametrize("error", lack_of_memory(), ids=lambda error: type(error).__name__)
def test_too_little_memory_is_one_sentence_and_the_next_request_works(
    running: Running, error: Exception
) -> None:
    running.network.fail = lambda n: error if n == 3 else None
    running.network.gate.set()
    failed = end_of(running.ask("a", [1, 2, 3], 4))
    assert isinstance(failed, Failed)
    assert "not enough memory" in failed.message and "--cache-mb" in failed.message
    assert isinstance(end_of(running.ask("b", [1, 2], 2)), Done)


@pytest.mark.parametrize("error", lack_of_memory(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("at_step", [0, 1, 3])
@pytest.mark.parametrize("beam_width", [1, 4])
def test_memory_that_idle_documents_hold_is_used_before_a_request_fails(
    tiny: Loaded, error: Exception, at_step: int, beam_width: int
) -> None:
    """The step is made again, and the text is what it would have been."""
    written = []
    for fails in (False, True):
        running = Running(tiny)
        running.network.gate.set()
        end_of(running.ask("idle", [9, 8, 7], 2))
        if fails:
            running.network.fail = from_step(at_step, fails_once(error))
        events = running.ask("a", [1, 2, 3], 12, beam_width)
        text = ""
        while isinstance(event := events.get(timeout=30), Delta):
            text += event.text
        assert isinstance(event, Done) and event.timings.completion_tokens == 12
        written.append(text)
        idle = running.ask("idle", [9, 8, 7], 1)
        ended = end_of(idle)
        assert isinstance(ended, Done) and ended.timings.reused_tokens == (0 if fails else 2)
        running.engine.stop(30)
    assert written[0] == written[1]


def test_several_texts_are_begun_anew_until_one_is_told(tiny: Loaded) -> None:
    for at_step, succeeds in ((0, True), (3, False)):
        running = Running(tiny)
        running.network.gate.set()
        running.network.fail = from_step(at_step, fails_once(MemoryError()))
        assert isinstance(end_of(running.ask("a", [1, 2, 3], 12, n_texts=3)), Done) is succeeds
        assert isinstance(end_of(running.ask("a", [1, 2, 3], 2)), Done)
        running.engine.stop(30)


def test_no_slot_is_lost_to_requests_that_fail(running: Running) -> None:
    """There are four."""
    running.network.gate.set()
    bad = Request([999_999], max_tokens=1)
    running.network.fail = lambda n: ValueError("of this request") if n == 7 else None
    for _ in range(6):
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        running.engine.submit(bad, events.put)
        assert isinstance(end_of(events), Failed)
        assert isinstance(end_of(running.ask("", [1] * 7, 1)), Failed)
    assert isinstance(end_of(running.ask("", [1, 2], 2)), Done)
    assert running.engine.crash == ""


LOST = (
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered\nCUDA kernel errors might be"),
    torch.AcceleratorError("CUDA error: out of memory"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB."),
    NoKernel("the driver says CUDA_ERROR_LAUNCH_FAILED"),
    OSError("libcuda.so.1: cannot be opened"),
)


@pytest.mark.parametrize("first", LOST, ids=lambda it: f"{type(it).__name__}: {it}"[:40])
def test_a_lost_device_ends_every_request_and_the_thread(running: Running, first: Exception) -> None:
    """As after a kernel's illegal access: from then on every call fails, the one that waits, too."""
    waiting = running.ask("b", [4, 5], 2)
    failing = running.ask("a", [1, 2, 3], 2)
    running.network.fail = lambda _: first
    running.network.lost = RuntimeError("CUDA error: an illegal memory access was encountered")
    running.network.gate.set()
    for events in (failing, waiting):
        ended = end_of(events)
        assert isinstance(ended, Failed) and "The GPU failed" in ended.message
    assert running.engine.crash
    running.engine.stop(30)
    late = end_of(running.ask("c", [1], 1))
    assert isinstance(late, Failed) and late.message == running.engine.crash


def test_memory_that_runs_out_on_a_lost_device_ends_the_thread_too(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept for later is given back first, and that call meets the loss."""

    def lost() -> None:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(torch.cuda, "empty_cache", lost)
    failing = running.ask("a", [1, 2, 3], 2)
    running.network.fail = lambda _: torch.OutOfMemoryError("CUDA out of memory.")
    running.network.gate.set()
    ended = end_of(failing)
    assert isinstance(ended, Failed) and "The GPU failed" in ended.message
    running.engine.stop(30)


def test_a_gpu_that_fails_while_the_model_is_loaded_is_one_sentence() -> None:
    def load(_: Any) -> Any:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure\nFor debugging consider this.")

    engine = Engine(load, 4, 1 << 24)
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    engine.submit(Request([1], max_tokens=1), events.put)
    engine.start()
    ended = end_of(events)
    assert isinstance(ended, Failed) and "\n" not in ended.message
    assert "(CUDA error: unspecified launch failure): see what `nvidia-smi` says" in ended.message
    engine.stop(30)


def test_a_model_that_memory_does_not_hold_is_one_sentence() -> None:
    """An allocation that no machine makes."""

    def load(_: Any) -> Any:
        return torch.empty(1 << 50)

    engine = Engine(load, 4, 1 << 24)
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    engine.submit(Request([1], max_tokens=1), events.put)
    engine.start()
    ended = end_of(events)
    assert isinstance(ended, Failed) and ended.message.startswith(
        "There is not enough memory to load the model"
    )
    engine.stop(30)


def test_what_goes_wrong_outside_a_request_ends_the_thread(tiny: Loaded) -> None:
    class Broken:
        context = 100

        def new_cache(self, _: int) -> torch.Tensor:
            raise ZeroDivisionError

    class Watched(Engine):
        crash_when_failed = ""

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "state" and value.status == "failed":
                self.crash_when_failed = self.crash
            super().__setattr__(name, value)

    engine = Watched(lambda _: replace(tiny, network=Broken()), 4, 1 << 24)  # type: ignore[arg-type]
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    engine.submit(Request([1], max_tokens=1), events.put)
    engine.start()
    ended = end_of(events)
    assert isinstance(ended, Failed) and ended.message == engine.crash
    assert "ZeroDivisionError" in engine.crash and "starts a new one" in engine.crash
    engine.stop(30)
    assert engine.state.status == "failed"
    assert engine.crash_when_failed == engine.crash  # who sees the one sees the other: it is no failed load
