"""What was found at a `url`, and how a small question is asked there."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Protocol

from midfill_model import seam
from midfill_model.fim import Family
from midfill_server.engines.backend import Reply
from midfill_server.engines.dialects.ids import Signs

MIDFILL, LLAMA_CPP, VLLM, SGLANG, OLLAMA, LM_STUDIO = (
    "Midfill",
    "llama.cpp",
    "vLLM",
    "SGLang",
    "Ollama",
    "LM Studio",
)
UNKNOWN = "an OpenAI-compatible server"
NO_ROUTE = (404, 405, 501)  # statuses of a server that has no such route


class Asks(Protocol):
    """`Backend.ask`."""

    def __call__(self, method: str, path: str, body: object = None) -> Awaitable[Reply]: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What answers there."""

    engine: str = UNKNOWN
    model: str | None = None
    context: int | None = None
    """Tokens that it can take, the completion's too."""
    family: Family | None = None
    signs: Signs | None = None
    """Of its tokenizer; None where there is none to ask."""
    lines_apart: bool = False
    """Whether no token of the server's reaches across a line's end."""
    tokenizer: Path | None = None
    """The folder of its tokenizer file on this machine, where the server tokenizes for nobody."""
    dialect: str = ""
    """One of settings' dialects; empty where it cannot fill in the middle as far as is known."""
    budgets: seam.Budgets | None = None
    trained_in: tuple[str, ...] | None = None
    version: str = "/v1"
    trap: str = ""
    """Why it cannot, in one sentence."""

    @property
    def name(self) -> str | None:
        """The model's, for people: llama.cpp calls one without an alias by its file's whole path."""
        return PurePath(self.model).name if self.model and self.model.startswith("/") else self.model

    def sentence(self) -> str:
        parts = [self.engine, f"model {self.name}" if self.model else ""]
        parts += [f"{self.context} tokens" if self.context else "", self.family.name if self.family else ""]
        parts += ["its tokenizer file"] if self.tokenizer else []
        return ", ".join([*filter(None, parts), f"dialect {self.dialect}"])


async def told(ask: Asks, method: str, path: str, body: object = None) -> dict[str, Any]:
    """What a route says; nothing where there is none."""
    reply = await ask(method, path, body)
    said = reply.json if reply.status == 200 else None
    return said if isinstance(said, dict) else {}
