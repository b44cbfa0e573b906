"""A small LSP client over stdio: what an editor does, for `midfill complete`, the bench and the tests."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import IO, Any

SERVER = (sys.executable, "-I", "-m", "midfill_server", "serve")

Json = dict[str, Any]


class AnswerError(Exception):
    """The server answered a request with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


class Editor:
    """One editor window with its own server process. Use it as `async with Editor() as editor`.

    `log`: the file that gets what the server says on stderr.
    """

    def __init__(
        self,
        command: Sequence[str] = SERVER,
        environment: Mapping[str, str] | None = None,
        folder: str | Path | None = None,
        log: IO[bytes] | None = None,
        on_notification: Callable[[Json], None] = lambda _: None,
    ) -> None:
        self._command, self._folder, self._log = command, folder, log
        self._environment = {**os.environ, **(environment or {})}
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._versions: dict[str, int] = {}
        self._partials: dict[str, Callable[[list[Json]], None]] = {}
        self.notifications: list[Json] = []
        """Every notification of the server except partial results, oldest first."""
        self._news = asyncio.Condition()
        self._on_notification = on_notification

    async def __aenter__(self) -> Editor:
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log or asyncio.subprocess.DEVNULL,
            env=self._environment,
            cwd=self._folder,
            limit=2**26,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            await self.close()
        except ConnectionError:
            if kind is None:  # else the server is gone for the same reason: Ctrl-C, say
                raise

    async def initialize(
        self, options: Json | None = None, capabilities: Json | None = None, root: Path | None = None
    ) -> Json:
        """The server's capabilities, after the whole handshake. `root`: the workspace, absolute."""
        capabilities = capabilities or {
            "general": {"positionEncodings": ["utf-32", "utf-16"]},
            "textDocument": {"inlineCompletion": {}},
        }
        folder = None if root is None else {"uri": root.as_uri(), "name": root.name}
        params: Json = {
            "processId": os.getpid(),
            "rootUri": folder and folder["uri"],
            "workspaceFolders": folder and [folder],
            "capabilities": capabilities,
        }
        result: Json = await self.request("initialize", params | {"initializationOptions": options})
        self.notify("initialized", {})
        return result

    def open(self, uri: str, text: str, language: str = "") -> None:
        self._versions[uri] = 1
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, *changes: Json) -> None:
        """Each change is {"range", "text"}, or {"text"} for the whole file."""
        self._versions[uri] += 1
        document = {"uri": uri, "version": self._versions[uri]}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": list(changes)})

    def insert(self, uri: str, line: int, character: int, text: str) -> None:
        """Type `text` at a position."""
        here = {"line": line, "character": character}
        self.change(uri, {"range": {"start": here, "end": here}, "text": text})

    def complete(
        self,
        uri: str,
        line: int,
        character: int,
        explicit: bool = True,
        grow: Callable[[str], None] | None = None,
    ) -> Pending:
        """Ask for ghost text at a position; `grow` hears of it while it is written."""
        params: Json = {
            "textDocument": {"uri": uri},
            "position": {"line": line, "character": character},
            "context": {"triggerKind": 1 if explicit else 2},
        }
        texts: list[str] = []
        token = f"partial-{next(self._ids)}"
        if grow is not None:
            params["partialResultToken"] = token
            self._partials[token] = lambda items: _take(items, texts, grow)
        return Pending(self, self.send("textDocument/inlineCompletion", params), texts)

    def send(self, method: str, params: Any = None) -> int:
        """Send a request without waiting; `result` waits for its answer."""
        msg_id = next(self._ids)
        self._waiting[msg_id] = asyncio.get_running_loop().create_future()
        self._write({"jsonrpc": "2.0", "id": msg_id, "method": method, "params": params})
        return msg_id

    async def result(self, msg_id: int) -> Any:
        """The answer to a request; raises AnswerError, or ConnectionError when the server is gone."""
        try:
            return await self._waiting[msg_id]
        finally:
            del self._waiting[msg_id]

    async def request(self, method: str, params: Any = None) -> Any:
        return await self.result(self.send(method, params))

    def notify(self, method: str, params: Any = None) -> None:
        self._write({"jsonrpc": "2.0", "method": method, "params": params})

    def cancel(self, msg_id: int) -> None:
        self.notify("$/cancelRequest", {"id": msg_id})

    async def notified(self, method: str, matches: Callable[[Json], bool] = lambda _: True) -> Json:
        """Wait until the server has sent such a notification; its parameters."""
        async with self._news:
            while True:
                for message in self.notifications:
                    if message["method"] == method and matches(message["params"]):
                        return dict(message["params"])
                if self._reader.done():
                    raise ConnectionError("The server is gone")
                await self._news.wait()

    async def close(self) -> int:
        """Shut down as an editor does; the server's exit code."""
        if self.process.returncode is None and not self._reader.done():
            await self.request("shutdown")
            self.notify("exit")
        if self.process.stdin is not None:
            self.process.stdin.close()
        code = await self.process.wait()
        await self._reader
        return code

    def _write(self, message: Json) -> None:
        if self.process.stdin is None or self._reader.done():
            raise ConnectionError("The server is gone")
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    async def _read(self) -> None:
        reason: Exception = ConnectionError("The server is gone")
        try:
            while (message := await self._next_message()) is not None:
                await self._dispatch(message)
        except Exception as error:  # raised by who listens, such as a terminal that is closed
            reason = error
            raise
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(reason)
                    future.exception()  # not every request is waited for
            async with self._news:
                self._news.notify_all()

    async def _next_message(self) -> Json | None:
        assert self.process.stdout is not None
        length = 0
        while header := await self.process.stdout.readline():
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
            elif not header.strip() and length:
                message: Json = json.loads(await self.process.stdout.readexactly(length))
                return message
        return None

    async def _dispatch(self, message: Json) -> None:
        if "method" not in message:
            self._answered(message)
        elif "id" in message:  # the server's own requests, all of which have an empty answer
            self._write({"jsonrpc": "2.0", "id": message["id"], "result": None})
        elif message["method"] == "$/progress" and (grow := self._partials.get(message["params"]["token"])):
            grow(message["params"]["value"])
        else:
            self.notifications.append(message)
            self._on_notification(message)
            async with self._news:
                self._news.notify_all()

    def _answered(self, message: Json) -> None:
        future = self._waiting.get(message["id"])
        if future is None or future.done():
            return
        if error := message.get("error"):
            future.set_exception(AnswerError(error["code"], error["message"]))
        else:
            future.set_result(message.get("result"))


class Pending:
    """A completion that was asked for: `partials` fills while it is written."""

    def __init__(self, editor: Editor, msg_id: int, partials: list[str]) -> None:
        self._editor, self.id, self.partials = editor, msg_id, partials

    async def text(self) -> str:
        """The final text, "" when there is nothing to show. Raises AnswerError."""
        answer = await self._editor.result(self.id)
        if items := answer["items"]:
            return str(items[0]["insertText"])
        return self.partials[-1] if self.partials else ""

    def cancel(self) -> None:
        self._editor.cancel(self.id)


def _take(items: list[Json], texts: list[str], grow: Callable[[str], None]) -> None:
    texts.append(str(items[0]["insertText"]) if items else "")
    grow(texts[-1])
