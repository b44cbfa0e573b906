"""What a user feels, in milliseconds: samples taken through the real server and the real engine.

Everything runs in a private runtime folder, so a user's own engine is left alone. The text that is completed
is Python's own standard library, a new stretch of it for every cold prompt.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from midfill_model.command_line import Busy
from midfill_server.engines.backend import Backend, Order
from midfill_server.engines.dialects.midfill import MIDFILL
from midfill_server.tools.lsp_client import AnswerError, Editor
from midfill_server.tools.private_engine import private_engine

PREFIX, SUFFIX, ITEM = 896, 100, 24  # tokens


async def measure(model: str, runs: int, busy: Busy) -> tuple[dict[str, list[float]], bool]:
    """The samples of each figure, in ms; whether the model was on a GPU."""
    busy.show("Measuring the start of the server")
    samples = {"initialize_ms": [await _initialize() for _ in range(runs)]}
    async with private_engine(model) as backend:
        busy.show("Measuring the engine")
        samples |= await _engine(backend, runs)
        busy.show("Measuring in an editor")
        samples |= await _editor(model, backend, runs)
        busy.show("Measuring the server alone")
        samples["front_ms"] = await _front(runs)
        on_gpu = "gpu_allocated" in (await backend.health()).memory
    return samples, on_gpu


async def _initialize() -> float:
    """From the start of the process to its answer."""
    started = time.perf_counter()
    async with Editor() as editor:
        await editor.initialize()
        return _since(started)


async def _engine(backend: Backend, runs: int) -> dict[str, list[float]]:
    """The engine's own figures, over its API."""
    samples: dict[str, list[float]] = {
        name: []
        for name in ("cold_first_token_ms", "cold_24_tokens_ms", "warm_first_token_ms", "decode_step_ms")
    }
    for prefix, suffix in _stretches():
        cold = await _timings(backend, prefix, suffix, "bench")
        if cold["completion_tokens"] < ITEM:
            continue  # a shorter item would look faster than it is
        samples["cold_first_token_ms"].append(cold["first_token_ms"])
        samples["cold_24_tokens_ms"].append(cold["first_token_ms"] + cold["decode_ms"])
        samples["decode_step_ms"].append(cold["decode_ms"] / (ITEM - 1))
        warm = await _timings(backend, prefix + "x", suffix, "bench")
        samples["warm_first_token_ms"].append(warm["first_token_ms"])
        if len(samples["decode_step_ms"]) == runs:
            break
    return samples


async def _editor(model: str, backend: Backend, runs: int) -> dict[str, list[float]]:
    """What crosses the editor's pipe: a known answer, and a cancel while the engine works."""
    known: list[float] = []
    keys: list[float] = []
    cancelled: list[float] = []
    idle: list[float] = []
    async with Editor() as editor:
        await editor.initialize(
            {"model": model, "suffixTokens": SUFFIX, "statistics": False, "alternatives": 1}
        )
        for run, (prefix, suffix) in enumerate(_stretches()):
            uri = f"file:///bench/{run}.py"
            line, column = prefix.count("\n"), len(prefix) - prefix.rfind("\n") - 1
            editor.open(uri, prefix + suffix)
            text = await editor.complete(uri, line, column).text()
            if len(text) > 1 and len(known) < runs:
                editor.insert(uri, line, column, text[0])
                started = time.perf_counter()
                rest = await editor.complete(uri, line, column + 1, explicit=False).text()
                known.append(_since(started))
                assert rest == text[1:], (text, rest)
                if (first := await _keystroke(editor, uri, line, column + 1)) is not None:
                    keys.append(first)
            if len(cancelled) < runs and (times := await _cancel(editor, backend, uri, prefix)) is not None:
                cancelled.append(times[0])
                idle.append(times[1])
            if len(known) >= runs and len(cancelled) >= runs:
                break
    return {"keystroke_ms": keys, "known_ms": known, "cancel_ms": cancelled, "idle_ms": idle}


async def _keystroke(editor: Editor, uri: str, line: int, column: int) -> float | None:
    """ms from a key that disagrees with what is known to the first ghost text; None if there is none."""
    shown = asyncio.Event()
    started = time.perf_counter()
    editor.insert(uri, line, column, "z")
    pending = editor.complete(uri, line, column + 1, grow=lambda text: shown.set() if text else None)
    answer, growth = asyncio.ensure_future(pending.text()), asyncio.ensure_future(shown.wait())
    await asyncio.wait([answer, growth], return_when=asyncio.FIRST_COMPLETED)
    taken = _since(started)
    growth.cancel()
    return taken if await answer else None


async def _cancel(editor: Editor, backend: Backend, uri: str, prefix: str) -> tuple[float, float] | None:
    """(ms to the answer, ms until the engine is idle); None when the item was done before the cancel."""
    line = prefix.count("\n") // 2  # elsewhere in the file, so that nothing is known
    pending = editor.complete(uri, line, 0)
    answer = asyncio.ensure_future(pending.text())
    while not answer.done() and (await backend.health()).resting_seconds:  # noqa: ASYNC110 - it tells no event
        await asyncio.sleep(0)
    started = time.perf_counter()
    pending.cancel()
    try:
        await answer
    except AnswerError:
        answered = _since(started)
        await asyncio.sleep(0.5)  # asking again and again would slow down the very step that is waited for
        idle = _since(started) - 1000 * (await backend.health()).resting_seconds
        return answered, max(idle, 0.0)
    return None


async def _front(runs: int) -> list[float]:
    """A whole completion in front of a server that answers at once: what is left is ours."""
    async with _instant_server() as url, Editor() as editor:
        await editor.initialize(
            {"url": url, "model": "instant", "debounceMs": 0, "statistics": False, "alternatives": 1}
        )
        times = []
        for run, (prefix, suffix) in enumerate(_stretches()):
            uri = f"file:///bench/{run}.py"
            editor.open(uri, prefix + suffix)
            started = time.perf_counter()
            text = await editor.complete(uri, prefix.count("\n"), len(prefix) - prefix.rfind("\n") - 1).text()
            assert text == "instant", text
            times.append(_since(started))
            if run == runs:
                return times[1:]  # the first one imports the HTTP client
    return times


@asynccontextmanager
async def _instant_server() -> AsyncGenerator[str]:
    """An OpenAI-compatible server that has its answer ready."""
    event = {"choices": [{"index": 0, "text": "instant", "finish_reason": "stop"}]}
    body = f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
                if not head.startswith(b"post /v1/completions"):  # it is asked what it is
                    writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                    continue
                kind = b"content-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(body)
                writer.write(b"HTTP/1.1 200 OK\r\n" + kind + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _timings(backend: Backend, prefix: str, suffix: str, slot: str) -> Mapping[str, float]:
    order = Order(prefix, suffix, ITEM, slot=slot, prefix_tokens=PREFIX, suffix_tokens=SUFFIX)
    timings: Mapping[str, float] = {}
    async for chunk in backend.stream(order, MIDFILL):
        timings = chunk.timings or timings
    return timings


def _stretches() -> list[tuple[str, str]]:
    """(prefix, suffix) around blocks in the standard library, each long enough to fill the budget."""
    found = []
    for file in sorted(Path(os.__file__).parent.glob("*.py")):
        text = file.read_text("utf-8", "replace")
        for at in range(12_000, len(text) - 4_000, 16_000):
            cut = text.find(":\n", at) + 2  # a block begins: its body is worth more than a few tokens
            found.append((text[cut - 8_000 : cut], text[cut + 200 :][:2_000]))
    return found


def _since(started: float) -> float:
    return 1000 * (time.perf_counter() - started)
