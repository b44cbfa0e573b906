"""One streaming client for every engine: ours on its socket, or any OpenAI-compatible server.

Two dialects: "suffix" sends prompt and suffix as two fields, "rendered" one prompt with the delimiters in it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from midfill_model import fim, seam
from midfill_server.engines.connection import CONNECT_SECONDS, Address, Answer, ConnectionLost, Connections
from midfill_server.engines.sse import Events

log = logging.getLogger(__name__)

BEAM_WIDTH = 4  # at most; the engine knows what its network can follow for little
TEMPERATURE = 0.8  # of several texts; servers that sample would write the same one again and again without
MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)
UNKNOWN_FIELD = (400, 422)  # how servers refuse a field that they do not know; FastAPI's is the second
ENDED_BY_THE_ENGINE = (seam.CANCELLED, "abort")  # finish reasons; the second is vLLM's and SGLang's


class BackendError(Exception):
    """The engine cannot answer; the message is one sentence with the mend. `gone`: nobody answers there."""

    def __init__(self, message: str, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


class Refused(BackendError):
    """The engine will not answer such a request; perhaps it does not know one of its fields."""


class Interrupted(BackendError):
    """The engine ended a generation before its end, or died in it: what came of it so far is no answer."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to complete, and how much of it."""

    prefix: str
    suffix: str
    max_tokens: int
    stop: tuple[str, ...] = ()
    slot: str = ""
    prefix_tokens: int | None = None
    suffix_tokens: int | None = None
    background: bool = False
    uri: str = ""
    """The document; never sent."""
    head: str = ""
    """The file's import statements, which stand before a prefix that lacks them."""
    context: tuple[str, ...] = ()
    """Other files' text, in the order of the prompt."""
    context_tokens: int | None = None
    logprobs: bool = False
    """Whether to tell how sure the model is of each token."""
    n: int = 1
    """Texts that differ, as far as the engine can write so many."""


@dataclass(frozen=True, slots=True)
class Chunk:
    text: str
    finish: str | None = None
    tokens: tuple[tuple[int, float], ...] = ()
    """Of each token of `text`: its characters, and its log-probability; none where the engine tells none."""
    timings: Mapping[str, float] = field(default_factory=dict)
    choice: int = 0
    """Which of several texts it continues."""


class Backend:
    """A client for one address. Leaving a stream closes its connection, which stops the decoding."""

    def __init__(self, address: Address, model: str, dialect: Literal["ours", "suffix", "rendered"]) -> None:
        self.address, self.model, self.dialect = address, model, dialect
        self._connections = Connections(address, keep=dialect != "ours")
        self._knows_logprobs = True  # until it refuses them
        self._is_ungated = False  # whether the log says so

    async def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        """The completion as it is written: an answer if it ends without BackendError.

        A server of the user's choice that refuses `logprobs` is asked again without, and from then on.
        """
        if not self._knows_logprobs:
            order = replace(order, logprobs=False)
        try:
            async with aclosing(self._stream(order)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except Refused:
            if not order.logprobs or order.n > 1 or self.dialect == "ours":
                raise
        async with aclosing(self._stream(replace(order, logprobs=False))) as chunks:
            async for chunk in chunks:
                if self._knows_logprobs:  # so it was these that it refused
                    self._knows_logprobs = False
                    self._note_ungated("refuses `logprobs`")
                yield chunk

    async def _stream(self, order: Order) -> AsyncGenerator[Chunk]:
        heard = begun = ended = False
        try:
            body = json.dumps(await self._body(order)).encode()
            async with self._connections.request("POST", self._path("completions"), body) as answer:
                if answer.status != 200:
                    raise refusal(answer.status, await answer.whole())
                async with aclosing(_events(answer)) as events:
                    async for data in events:
                        heard = True
                        if data == "[DONE]":
                            ended = ended or self.dialect != "ours"  # ours tells a reason, always
                            continue
                        for chunk in chunks_of(json.loads(data)):
                            if chunk.finish in ENDED_BY_THE_ENGINE:
                                raise Interrupted("The engine ended the completion before its end")
                            begun, ended = begun or bool(chunk.text), ended or chunk.finish is not None
                            if order.logprobs and chunk.text and not chunk.tokens:
                                self._note_ungated("does not tell the probability of each token")
                            yield chunk
                            await asyncio.sleep(0)  # what came in one packet is shown piece by piece, too
        except ConnectionLost as error:
            if not ended:
                raise (Interrupted if begun else BackendError)(self._lost(error), gone=True) from error
        except MALFORMED as error:
            raise BackendError(self._no_sense()) from error
        if not ended:
            raise (
                Interrupted("The engine broke the completion off")
                if heard
                else BackendError(self._no_sense())
            )

    async def health(self) -> seam.Health:
        """The resident engine's state. Raises BackendError."""
        return seam.read_health(await self._get("/health"))

    async def shutdown(self) -> None:
        """Ask our engine to stop; one that does not answer has stopped already."""
        with suppress(ConnectionLost, ValueError):
            async with self._connections.request("POST", "/shutdown", seconds=CONNECT_SECONDS) as answer:
                await answer.whole()

    def close(self) -> None:
        """Hang up on all streams. Nothing can be asked of it any more."""
        self._connections.close()

    async def _body(self, order: Order) -> dict[str, Any]:
        body: dict[str, Any] = {"max_tokens": order.max_tokens, "temperature": 0, "stream": True}
        if self.dialect == "rendered":
            body["prompt"] = fim.render(_all_before(order), order.suffix)
        else:
            prompt = order.prefix if self.dialect == "ours" else _all_before(order)
            body |= {"prompt": prompt, "suffix": order.suffix}
        if order.n > 1:
            body |= {"n": order.n} | ({} if self.dialect == "ours" else {"temperature": TEMPERATURE})
        if order.stop:
            body["stop"] = list(order.stop)
        if order.logprobs:
            body["logprobs"] = 1
        if self.dialect == "ours":
            return body | {key: value for key, value in _extras(order).items() if value not in (None, [], "")}
        if self.model == "auto":
            self.model = (await self._get(self._path("models")))["data"][0]["id"]
        return body | {"model": self.model}

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            async with self._connections.request("GET", path, seconds=CONNECT_SECONDS) as answer:
                content = await answer.whole()
                if answer.status != 200:
                    raise refusal(answer.status, content)
                told = json.loads(content)
        except ConnectionLost as error:
            raise BackendError(self._lost(error), gone=True) from error
        except MALFORMED as error:
            raise BackendError(self._no_sense()) from error
        if not isinstance(told, dict):
            raise BackendError(self._no_sense())
        return told

    def _note_ungated(self, why: str) -> None:
        """Once in the log, and no message: all that is missing is a filter."""
        if not self._is_ungated:
            self._is_ungated = True
            log.warning("%s %s, so its completions are shown whatever `confidence` is", self._place(), why)

    def _path(self, name: str) -> str:
        """A user's URL may end in /v1 (or DeepSeek's /beta), as these servers document it, or not."""
        bare = self.dialect == "ours" or not self.address.url.rstrip("/").endswith(("/v1", "/beta"))
        return f"/v1/{name}" if bare else f"/{name}"

    def _place(self) -> str:
        return self.address.socket or self.address.url

    def _lost(self, error: ConnectionLost) -> str:
        return f"No answer from the engine at {self._place()} ({error})"

    def _no_sense(self) -> str:
        return f"{self._place()} does not answer as an OpenAI-compatible server"


def remote(url: str, model: str, key: str | None, dialect: str) -> Backend:
    """A client for a server of the user's choice.

    Most servers take the rendered prompt; DeepSeek's own API and Ollama (port 11434) want prompt and suffix.
    """
    if dialect == "auto":
        dialect = "suffix" if "deepseek.com" in url or ":11434" in url else "rendered"
    return Backend(Address(url, token=key), model, "suffix" if dialect == "suffix" else "rendered")


def _all_before(order: Order) -> str:
    """All that stands before the cursor, for servers that do not put it together themselves."""
    lacking = set(order.head.splitlines()) - set(order.prefix.splitlines())
    return "".join(order.context) + (order.head if lacking else "") + order.prefix


def refusal(status: int, body: bytes) -> BackendError:
    """The server's own sentence, if it sent one in OpenAI's shape."""
    try:
        message = str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = {401: "the key is missing or wrong", 404: "wrong address"}.get(status, "no reason given")
    if status == 503:  # the engine has a sentence for its own state, the same as in its /health
        return BackendError(message)
    kind = Refused if status in UNKNOWN_FIELD else BackendError
    return kind(f"The engine refused the request ({status}): {message[:300]}")


def _extras(order: Order) -> seam.Extras:
    extras: seam.Extras = {
        "slot": order.slot,
        "heal": True,
        "beam_width": BEAM_WIDTH,
        "prefix_tokens": order.prefix_tokens,
        "suffix_tokens": order.suffix_tokens,
        "context_tokens": order.context_tokens,
        "head": order.head,
        "context": list(order.context),
    }
    return extras | {"background": True} if order.background else extras


async def _events(answer: Answer) -> AsyncGenerator[str]:
    events = Events()
    while (part := await answer.part()) is not None:
        for data in events.feed(part):
            yield data
    for data in events.end():
        yield data


def chunks_of(event: dict[str, Any]) -> list[Chunk]:
    """One of each choice; OpenAI's last event may hold only the usage. What is no event: one of MALFORMED."""
    if "error" in event:
        raise BackendError(f"The engine failed: {event['error']['message']}")
    timings = event.get("timings") or {}
    return [_chunk(choice, timings) for choice in event["choices"]]


def _chunk(choice: dict[str, Any], timings: Mapping[str, float]) -> Chunk:
    text, finish, number = choice.get("text") or "", choice.get("finish_reason"), choice.get("index", 0)
    tokens = _tokens(choice.get("logprobs"), text) if isinstance(text, str) else ()
    if not (isinstance(text, str) and isinstance(finish, str | None) and isinstance(number, int)):
        raise TypeError(choice)
    return Chunk(text, finish, tokens, timings, number)


def _tokens(told: object, text: str) -> tuple[tuple[int, float], ...]:
    """Characters and log-probability of each token, from OpenAI's `logprobs` or llama.cpp's shape of it.

    None where they do not make up `text`: then nothing is known of how sure the model was. But the last may
    go on behind it, with a stop string that is no part of the text.
    """
    if not isinstance(told, dict):
        return ()
    if isinstance(content := told.get("content"), list):
        told = {
            "tokens": [it.get("token") for it in content if isinstance(it, dict)],
            "token_logprobs": [it.get("logprob") for it in content if isinstance(it, dict)],
        }
    names, values = told.get("tokens"), told.get("token_logprobs")
    if not (isinstance(names, list) and isinstance(values, list) and len(names) == len(values)):
        return ()
    if not all(isinstance(it, str) for it in names) or not _spell(names, text):
        return ()
    if not all(isinstance(it, int | float) and it <= 0.001 for it in values):
        return ()
    lengths = [len(name) for name in names]
    if lengths:
        lengths[-1] -= sum(lengths) - len(text)
    return tuple((n, min(float(value), 0.0)) for n, value in zip(lengths, values, strict=True))


def _spell(names: list[str], text: str) -> bool:
    """Whether tokens make up a text, but for what of the last may stand behind it."""
    return "".join(names).startswith(text) and len("".join(names[:-1])) <= len(text)
