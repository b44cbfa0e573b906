"""llama.cpp's server in its own process: started, asked over its socket, ended. Every call blocks."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from midfill_model.checkpoint.config import ModelError

from .child import MARK

SOCKETS = "llama-*.sock"
"""One for each engine: another may load to take this one's place."""
_END_SECONDS = 5.0
_ERROR = re.compile(r"error loading model: (?:llama_model_loader: )?(.*)")


@dataclass(frozen=True, slots=True)
class Options:
    """How llama.cpp runs. Of two figures the second is for a GPU."""

    threads: int
    device: str = "auto"
    cache_mb: int = 512
    """Memory for the KV caches of documents that are not being typed in."""
    context: int = 4096
    """Tokens that all prompts under way share."""
    gpu_context: int = 12_288
    batch: int = 128
    """Tokens between two looks at whether anybody still listens."""
    gpu_batch: int = 512
    parallel: int = 4
    exact: bool = False
    """An f32 KV cache and no flash attention: then it writes what our own network writes."""


class Gone(Exception):
    """llama.cpp's process has ended, or does not answer any more."""


class Refused(Exception):
    """llama.cpp will not do that; its own words."""


class Server:
    """One process with one model. `start` it, then ask."""

    def __init__(self, model: Path, folder: Path, options: Options) -> None:
        self.device = "cpu"
        self._model, self._options = model, options
        self._socket = folder / SOCKETS.replace("*", str(os.getpid()))
        self._process: subprocess.Popen[str] | None = None
        self.n_heard = 0
        """Grows with whatever the process says, of several requests at once, too."""

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Load the model; returns when it answers. Raises ModelError in one sentence."""
        if find_spec("xllamacpp") is None:
            raise ModelError('xllamacpp is not installed; install it with: pip install "midfill[llamacpp]"')
        if not hasattr(socket, "AF_UNIX"):
            raise ModelError(
                "On Windows Midfill starts no llama.cpp: start `llama-server`, and set midfill.url."
            )
        for left in self._socket.parent.glob(SOCKETS):  # one that was killed leaves it behind
            if not _lives(left.stem.partition("-")[2]):
                left.unlink(missing_ok=True)
        pipe = subprocess.PIPE
        command = [sys.executable, "-I", "-m", f"{__package__}.child"]
        self._process = process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8", errors="replace"
        )
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        words: deque[str] = deque(maxlen=60)
        self._reader = threading.Thread(target=_listen, args=(process.stderr, words), daemon=True)
        self._reader.start()
        told: dict[str, Any] = asdict(self._options) | {"engine": os.getpid()}
        told |= {"model": str(self._model), "socket": str(self._socket)}
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()
        for line in process.stdout:
            self.n_heard += 1
            news = json.loads(line.removeprefix(MARK)) if line.startswith(MARK) else {}
            self.device = news.get("device", self.device)
            if news.get("device") == "cpu" and self._options.device == "cuda":
                self.end()
                raise ModelError("--device cuda: llama.cpp finds no GPU here; use --device cpu.")
            if "address" in news:
                return
        process.wait()
        self._reader.join(1)
        raise ModelError(self._why(words))

    def wait(self) -> int:
        """Until the process has ended; its exit code."""
        assert self._process is not None
        return self._process.wait()

    def kill(self) -> None:
        """At once: it may hang, and would outlive us."""
        if self._process is not None:
            self._process.kill()

    def end(self) -> None:
        if (process := self._process) is None:
            return
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reader.join(_END_SECONDS)  # it has met the end
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        self._socket.unlink(missing_ok=True)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """A small question, to which the answer is waited for: who looks after us ends what hangs.

        Raises Gone and Refused.
        """
        connection = _Connection(self._socket)
        try:
            told = json.loads(_answer(connection, method, path, body).read())
            self.n_heard += 1
            return told
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Gone(str(error)) from error
        finally:
            connection.close()

    def stream(self, body: object, hang_up: Callable[[Callable[[], None]], None]) -> Iterator[Any]:
        """The events of a completion. `hang_up` is told how to end it early. Raises Gone and Refused."""
        connection = _Connection(self._socket)
        try:
            connection.connect()
            hang_up(connection.hang_up)
            for line in _answer(connection, "POST", "/completion", body):
                self.n_heard += 1
                if line.startswith(b"data: "):
                    yield json.loads(line[len("data: ") :])
                elif line.startswith(b"error: "):
                    yield {"error": json.loads(line[len("error: ") :])}
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Gone(str(error)) from error
        finally:
            connection.close()

    def _why(self, words: deque[str]) -> str:
        """A sentence for what llama.cpp said when it would not load the model."""
        name = self._model.name
        said = next((found[1] for line in words if (found := _ERROR.search(line))), "")
        if "not within the file bounds" in said or "corrupted" in said:
            return f"{name} is damaged, or only half of it is there; download it again."
        if "unknown model architecture" in said:
            kind = said.partition(": ")[2] or "it has"
            return f"{name}: this llama.cpp does not know the architecture {kind}; choose another model."
        text = "\n".join(words)
        if re.search(r"alloc|out of memory|bad_alloc", text):
            return f"There is not enough memory for {name}: take a smaller kind, or close other programs."
        if "xllamacpp" in text and ("ImportError" in text or "AttributeError" in text or "TypeError" in text):
            return "This xllamacpp is of another version than Midfill knows: pip install 'midfill[llamacpp]'"
        code = None if self._process is None else self._process.returncode
        return f"llama.cpp cannot load {name}: {said or f'it ended with code {code}'}."


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket, a connection a request: llama.cpp closes kept ones without saying so."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path, self._own = path, socket.socket(socket.AF_UNIX)

    def connect(self) -> None:
        if self.sock is None:
            self._own.connect(str(self._path))
            self.sock = self._own

    def hang_up(self) -> None:
        """From any thread: whoever reads it gets an end."""
        with suppress(OSError):
            self._own.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        self._own.close()


def _lives(pid: str) -> bool:
    """Whether the engine of that process may run. Our own has no child yet."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except OSError:
        pass
    return int(pid) != os.getpid()


def _answer(connection: _Connection, method: str, path: str, body: object) -> http.client.HTTPResponse:
    content = None if body is None else json.dumps(body).encode("ascii")
    headers = {"Content-Type": "application/json", "Connection": "close"}
    connection.request(method, path, content, headers)
    answer = connection.getresponse()
    if answer.status != 200:
        told = json.loads(answer.read())
        raise Refused(str(told.get("error", {}).get("message", answer.status)))
    return answer


def _listen(stream: Any, words: deque[str]) -> None:
    """So that its pipe is never full; only what it says while it loads is looked at."""
    for line in stream:
        words.append(line.rstrip())
