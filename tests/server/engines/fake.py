"""Servers of others, as they answer: engines by their shapes, and the ways to misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .server import Peer, event

Json = dict[str, Any]
TEXT = "a + b"


@dataclass
class Fake:
    """It answers GETs and small POSTs from `routes`, and completions as `does` says."""

    routes: dict[str, Any] = field(default_factory=dict)
    does: str = "completes"
    completes_at: str = "/v1/completions"
    headers: str = ""
    """Of every answer, each line with its end."""
    asked: list[str] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)
    """Of completions."""
    words: tuple[str, ...] = ("a", " + b")
    shape: Callable[[str, str | None], bytes] = event
    """Of an event, from its text and its finish reason."""

    async def answer(self, peer: Peer) -> None:
        while True:
            first, headers, body = await peer.request()
            method, path, _ = first.split(" ")
            path = urlsplit(path).path  # a proxy is asked for a whole URL
            self.asked.append(f"{method} {path}")
            told = json.loads(body) if body else {}
            if path == self.completes_at:
                self.bodies.append(told | {"authorization": headers.get("authorization")})
                await self.complete(peer)
            else:
                route = self.routes.get(path, (404, {"detail": "Not Found"}))
                route = route(told) if callable(route) else route
                status, value = route if isinstance(route, tuple) else (200, route)
                await self.say(peer, status, value)

    async def say(self, peer: Peer, status: int, value: object, kind: str = "application/json") -> None:
        body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        headers = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n{self.headers}\r\n"
        await peer.send(f"HTTP/1.1 {status} X\r\n{headers}".encode() + body)

    async def complete(self, peer: Peer) -> None:
        refusals: dict[str, tuple[int, object]] = {
            "401": (401, {"error": {"message": "Incorrect API key provided."}}),
            "404 model": (404, {"error": {"message": "The model `m` does not exist."}}),
            "404 path": (404, {"detail": "Not Found"}),
            "404 text": (404, {"error": "model 'm' not found, try pulling it first"}),
            "405": (405, {"detail": "Method Not Allowed"}),
            "422": (422, {"detail": [{"loc": ["body", "prompt"], "msg": "field required"}]}),
            "429": (429, {"error": {"message": "Rate limit reached"}}),
            "500": (500, "Internal Server Error"),
            "502": (502, "<html><title>502 Bad Gateway</title></html>"),
            "503": (503, {"error": {"message": "Loading model"}}),
            "302": (302, ""),
            "whole": (200, {"choices": [{"index": 0, "text": TEXT, "finish_reason": "stop"}]}),
            "error at 200": (200, {"error": "out of memory"}),
        }
        if self.does in refusals:
            return await self.say(peer, *refusals[self.does])
        if self.does == "page":
            return await self.say(peer, 200, "<html>welcome</html>", "text/html")
        if self.does == "mute":
            await peer.reader.read()
        if self.does == "dies":
            raise ConnectionError
        await peer.head()
        parts: dict[str, tuple[bytes, ...]] = {
            "cut": (event("first"), event(" line")),
            "cut in an event": (event("first"), b'data: {"id": "x", "cho'),
            "garbage": (b"data: {not json\n\n",),
            "error in the stream": (event("a"), b'data: {"error": {"message": "CUDA out of memory"}}\n\n'),
            "text error in the stream": (b'data: {"error": "CUDA out of memory"}\n\n',),
            "event of an error": (b'event: error\ndata: {"message": "CUDA out of memory"}\n\n',),
            "prose": (
                event("Sure! Here is the code:\n\n```python\nreturn a\n```", "stop"),
                b"data: [DONE]\n\n",
            ),
            "signs": (event("<|fim_middle|>a + b<|endoftext|>", "stop"), b"data: [DONE]\n\n"),
            "pings": (b": ping\n\n", event("a + b"), b": ping\n\n", event("", "stop")),
        }
        if self.does == "endless":
            while True:
                await peer.part(b": ping\n\n")
                await asyncio.sleep(0.01)
        whole = (*(self.shape(word, None) for word in self.words), self.shape("", "stop"))
        done = (b"data: [DONE]\n\n",) if self.shape is event else ()
        for part in parts.get(self.does) or (*whole, *done):
            await peer.part(part)
        if self.does.startswith("cut"):
            raise ConnectionError
        await peer.end()


def ollama_event(text: str, finish: str | None) -> bytes:
    told = {"response": text, "done": finish is not None} | ({"done_reason": finish} if finish else {})
    return json.dumps(told).encode() + b"\n"


def mistral_event(text: str, finish: str | None) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def infill_event(text: str, finish: str | None) -> bytes:
    told = {"content": text, "stop": finish is not None} | ({"stop_type": "eos"} if finish else {})
    told |= {"completion_probabilities": [{"token": text, "logprob": -0.5}]} if text else {}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def models(*ids: str, owner: str = "somebody", **more: object) -> Json:
    return {"data": [{"id": it, "owned_by": owner} | more for it in ids]}


QWEN = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")


def tokenizer(
    signs: tuple[str, ...], content: str = "prompt", bos: int | None = None
) -> Callable[[Json], Json]:
    """A character an id, each sign one beyond them."""

    def ids(body: Json) -> Json:
        text, special = body[content], body.get("add_special", body.get("add_special_tokens"))
        parses = body.get("parse_special", True)
        found = [bos] if special and bos is not None else []
        while text:
            sign = next((it for it in signs if parses and text.startswith(it)), None)
            found.append(1_000_000 + signs.index(sign) if sign else ord(text[0]))
            text = text[len(sign) if sign else 1 :]
        return {"tokens": found}

    return ids


LLAMA = {
    "/v1/models": models("qwen", owner="llamacpp", meta={"n_ctx": 4096}),
    "/props": {"default_generation_settings": {"n_ctx": 512}, "model_path": "/m/qwen2.5-coder.gguf"},
    "/tokenize": tokenizer(QWEN, "content", bos=7),
}
VLLM = {
    "/v1/models": models("org/Qwen2.5-Coder", owner="vllm", max_model_len=512, root="org/Qwen2.5-Coder"),
    "/tokenize": tokenizer(QWEN),
}
OLLAMA = {
    "/v1/models": models("qwen2.5-coder:1.5b", owner="library"),
    "/api/version": {"version": "0.30"},
    "/api/show": {"capabilities": ["completion", "insert"]},
}
MIDFILL = {
    "/v1/models": models("demo", owner="midfill"),
    "/health": {
        "status": "ready",
        "model": {"id": "demo", "context": 2048, "budgets": {"prefix": 900, "suffix": 100, "context": 300}},
    },
}
