"""One streaming client for every engine: ours on its socket, or any OpenAI-compatible server.

Two dialects: "suffix" sends prompt and suffix as two fields, "rendered" one prompt with the delimiters in it.
httpx is imported when the first request is made: it costs more than the rest of the server's start.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from midfill_model import fim

if TYPE_CHECKING:
    import httpx

BEAM_WIDTH = 4  # at most; the engine knows what its network can follow for little
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 300.0  # between two chunks: the resident engine makes a request wait while it loads


class BackendError(Exception):
    """The engine cannot answer; the message is one sentence with the mend. `gone`: nobody answers there."""

    def __init__(self, message: str, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone


class Interrupted(BackendError):
    """The engine ended a generation before it was whole: what it wrote is no answer."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an engine is: `url` alone, or an http URL spoken over a Unix socket."""

    url: str
    socket: str | None = None
    token: str | None = field(default=None, repr=False)


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


@dataclass(frozen=True, slots=True)
class Chunk:
    text: str
    finish: str | None = None
    tokens: tuple[tuple[int, float], ...] = ()
    """Of each token of `text`: its characters, and its log-probability; none where the engine tells none."""
    timings: Mapping[str, float] = field(default_factory=dict)


class Backend:
    """A client for one address. Closing a stream closes the connection, which stops the decoding."""

    def __init__(self, address: Address, model: str, dialect: Literal["ours", "suffix", "rendered"]) -> None:
        self.address, self.model, self.dialect = address, model, dialect
        self._client: httpx.AsyncClient | None = None

    async def stream(self, order: Order) -> AsyncGenerator[Chunk]:
        """The completion as it is written. Raises BackendError."""
        import httpx

        try:
            body = await self._body(order)
            async with self._http().stream("POST", self._path("completions"), json=body) as response:
                if response.status_code != 200:
                    raise refusal(response.status_code, await response.aread())
                async with aclosing(_events(response)) as events:
                    async for event in events:
                        yield _chunk(event)
        except httpx.HTTPError as error:
            raise BackendError(f"No answer from the engine at {self._place()}", gone=True) from error
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise BackendError(f"{self._place()} does not answer as an OpenAI-compatible server") from error

    async def health(self) -> dict[str, Any]:
        """The resident engine's state. Raises BackendError."""
        return await self._get("/health")

    async def shutdown(self) -> None:
        """Ask our engine to stop; one that does not answer has stopped already."""
        import httpx

        with suppress(httpx.HTTPError):
            await self._http().post("/shutdown", timeout=CONNECT_SECONDS)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _body(self, order: Order) -> dict[str, Any]:
        body: dict[str, Any] = {"max_tokens": order.max_tokens, "temperature": 0, "stream": True}
        if self.dialect == "rendered":
            body["prompt"] = fim.render(_all_before(order), order.suffix)
        else:
            prompt = order.prefix if self.dialect == "ours" else _all_before(order)
            body |= {"prompt": prompt, "suffix": order.suffix}
        if order.stop:
            body["stop"] = list(order.stop)
        if self.dialect == "ours":
            extra = {
                "slot": order.slot,
                "heal": True,
                "beam_width": BEAM_WIDTH,
                "prefix_tokens": order.prefix_tokens,
                "suffix_tokens": order.suffix_tokens,
                "background": order.background or None,
                "head": order.head or None,
                "context": list(order.context) or None,
                "context_tokens": order.context_tokens,
            }
            return body | {key: value for key, value in extra.items() if value is not None}
        if self.model == "auto":
            self.model = (await self._get(self._path("models")))["data"][0]["id"]
        return body | {"model": self.model}

    async def _get(self, path: str) -> dict[str, Any]:
        import httpx

        try:
            response = await self._http().get(path, timeout=CONNECT_SECONDS)
            answer = response.json() if response.status_code == 200 else None
        except (httpx.HTTPError, ValueError) as error:
            raise BackendError(f"No answer from the engine at {self._place()}", gone=True) from error
        if not isinstance(answer, dict):
            raise refusal(response.status_code, response.content)
        return answer

    def _http(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            transport = httpx.AsyncHTTPTransport(uds=self.address.socket) if self.address.socket else None
            self._client = httpx.AsyncClient(
                base_url=self.address.url,
                transport=transport,
                headers={"Authorization": f"Bearer {self.address.token}"} if self.address.token else None,
                timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
                trust_env=self.address.socket is None and self.dialect != "ours",
            )
        return self._client

    def _path(self, name: str) -> str:
        """A user's URL may end in /v1 (or DeepSeek's /beta), as these servers document it, or not."""
        bare = self.dialect == "ours" or not self.address.url.rstrip("/").endswith(("/v1", "/beta"))
        return f"/v1/{name}" if bare else f"/{name}"

    def _place(self) -> str:
        return self.address.socket or self.address.url


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
    return BackendError(f"The engine refused the request ({status}): {message[:300]}")


async def _events(response: httpx.Response) -> AsyncGenerator[dict[str, Any]]:
    async for line in response.aiter_lines():
        if line.startswith("data:") and (data := line[5:].strip()) != "[DONE]":
            yield json.loads(data)


def _chunk(event: dict[str, Any]) -> Chunk:
    if "error" in event:
        raise BackendError(f"The engine failed: {event['error']['message']}")
    if not event["choices"]:  # OpenAI's last chunk may hold only the usage
        return Chunk("")
    choice = event["choices"][0]
    return Chunk(choice.get("text") or "", choice.get("finish_reason"), timings=event.get("timings") or {})
