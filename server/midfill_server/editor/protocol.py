"""What pygls 2.1.1 gets wrong, mended in one place. tests/server/test_protocol.py names each mend.

Knows JSON-RPC and the life cycle of LSP; knows nothing of completion.
"""

import asyncio
import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, BinaryIO, NoReturn, cast

import attrs
from cattrs import Converter
from lsprotocol import types as lsp
from pygls.exceptions import (
    JsonRpcException,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
    JsonRpcParseError,
    JsonRpcServerNotInitialized,
)
from pygls.lsp.server import LanguageServer as PyglsServer
from pygls.protocol import LanguageServerProtocol, default_converter, lsp_method
from pygls.protocol.json_rpc import JsonRPCNotification, JsonRPCRequestMessage

from midfill_server.editor.lenient import mended

log = logging.getLogger(__name__)

WATCH_SECONDS = 2.0


class LanguageServer(PyglsServer):
    """A pygls server that never shows an error pop-up and never logs a message's body."""

    def __init__(self, name: str, version: str) -> None:
        cells = [lsp.NotebookCellLanguage("*")]
        notebooks = lsp.NotebookDocumentSyncOptions([lsp.NotebookDocumentFilterWithNotebook("*", cells)])
        super().__init__(
            name,
            version,
            protocol_cls=Protocol,
            converter_factory=_converter,
            notebook_document_sync=notebooks,
        )

    def serve_stdio(self) -> int:
        """Serve until the client leaves; the exit code is 0 only after `shutdown` and `exit`."""
        logging.getLogger("pygls").setLevel(logging.CRITICAL)  # its records quote users' text
        self.start_io(cast(BinaryIO, _Stdin()))
        return self.protocol.exit_code

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Called by pygls for whatever went wrong; pygls itself would raise a pop-up in the editor."""
        if source is JsonRpcException and isinstance(error, ValueError | RecursionError):
            self.protocol.refuse(None, JsonRpcParseError())
        log_without_text(error)

    def watch_client(self, pid: int | None) -> None:
        """Leave when the editor's process is gone, even if something else keeps our stdin open."""
        if pid and os.name == "posix" and _alive(pid):
            threading.Thread(target=_leave_with, args=(pid,), name="editor", daemon=True).start()

    protocol: "Protocol"


class _Stdin:
    """stdin with lengths as pygls wants them: in other forms that HTTP allows it would wait for ever."""

    def __init__(self) -> None:
        self._bytes = sys.stdin.buffer

    def readline(self) -> bytes:
        line = self._bytes.readline()
        length = _LENGTH.fullmatch(line)
        return line if length is None else b"Content-Length: %b\r\n" % length[1]

    def read(self, n: int) -> bytes:
        return self._bytes.read(n)


_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d+)[ \t]*\r?\n", re.IGNORECASE)


class Protocol(LanguageServerProtocol):
    """Answers every request exactly once, also malformed ones, and keeps what lsprotocol drops."""

    def __init__(self, server: PyglsServer, converter: Converter) -> None:
        super().__init__(server, converter)
        for method in _OWN_TEXT_STORE:  # documents.py keeps the text; pygls' store raises on odd edits
            self.fm.builtin_features.pop(method, None)
        self.exit_code = 1
        self.raw_capabilities: dict[str, Any] = {}
        """The client's capabilities as sent: lsprotocol cannot tell a null key from an absent one."""
        self._initialized = False
        self._background: set[asyncio.Future[Any]] = set()

    def structure_message(self, data: Any) -> Any:
        """json's object_hook, which pygls calls for every object: leave all of it to handle_message."""
        return data

    def handle_message(self, message: Any) -> None:
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            return self.refuse(_id_of(message), JsonRpcInvalidRequest())
        if "method" not in message:
            return self._take_response(message)
        if not isinstance(message["method"], str):
            return self.refuse(_id_of(message), JsonRpcInvalidRequest())
        if "id" not in message:
            return self._take_notification(message)
        if _id_of(message) is None:
            return self.refuse(None, JsonRpcInvalidRequest("The id must be a string or an integer"))
        return self._take_request(message)

    def plain(self, value: Any) -> Any:
        """An lsprotocol value as JSON, for places that lsprotocol leaves untyped."""
        return self._converter.unstructure(value)

    def refuse(self, msg_id: Any, error: JsonRpcException) -> None:
        """Answer with an error. Without a readable id it is null, which lsprotocol would leave out."""
        error_body = {"code": error.code, "message": error.message}
        self._send_data({"jsonrpc": "2.0", "id": msg_id, "error": error_body})

    def _take_request(self, message: dict[str, Any]) -> None:
        msg_id, method = message["id"], message["method"]
        if self._shutdown:
            return self.refuse(msg_id, JsonRpcInvalidRequest("The server is shutting down"))
        if method == lsp.INITIALIZE and self._initialized:
            return self.refuse(msg_id, JsonRpcInvalidRequest("The server is initialized already"))
        if method != lsp.INITIALIZE and not self._initialized:
            return self.refuse(msg_id, JsonRpcServerNotInitialized("The first request must be initialize"))
        if method not in self.fm.builtin_features and method not in self.fm.features:
            return self.refuse(msg_id, JsonRpcMethodNotFound.of(method))
        try:
            request = self._structured(message)
        except Exception:
            return self.refuse(msg_id, JsonRpcInvalidParams(f"Invalid parameters for {method}"))
        if method == lsp.INITIALIZE:
            self._initialized = True
            self.raw_capabilities = message["params"].get("capabilities") or {}
        super().handle_message(request)

    def _take_notification(self, message: dict[str, Any]) -> None:
        method = message["method"]
        if method != lsp.EXIT and not self._initialized:
            return
        try:
            notification = self._structured(message)
        except Exception:
            log.warning("Ignored a notification with invalid parameters: %s", method)
        else:
            super().handle_message(notification)

    def _take_response(self, message: dict[str, Any]) -> None:
        waiting = self._request_futures.get(_id_of(message) or "")
        if not isinstance(waiting, Future):  # asyncio's futures belong to the client's own requests
            if "result" not in message and "error" not in message:
                self.refuse(_id_of(message), JsonRpcInvalidRequest())
            return
        try:
            response = super().structure_message(message)
        except Exception:
            self._handle_response(message["id"], error=lsp.ResponseError(-32602, "Unreadable response"))
        else:
            super().handle_message(response)

    def _send_data(self, data: Any) -> None:
        try:
            super()._send_data(data)
        except BrokenPipeError:  # nobody will ever read what is said here
            _leave()

    def _structured(self, message: dict[str, Any]) -> Any:
        known: dict[str, Any] = {
            key: message[key] for key in ("jsonrpc", "id", "method", "params") if key in message
        }
        if "params" in known:
            known["params"] = mended(message["method"], known["params"])
        if self.get_message_type(message["method"]) is None:
            known.setdefault("params", None)  # pygls cannot build a custom message without it
        return super().structure_message(known)

    def get_message_type(self, method: str) -> Any:  # type: ignore[override]  # pygls caches its own
        if method == lsp.TEXT_DOCUMENT_INLINE_COMPLETION:
            return InlineCompletionRequest
        return super().get_message_type(method)

    def _execute_handler(
        self,
        msg_id: Any,
        handler: Callable[..., Any],
        callback: Callable[..., None],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        super()._execute_handler(msg_id, handler, callback, args, kwargs)
        if callback == self._check_handler_result:  # a notification: pygls would keep its future for ever
            future: Any = self._request_futures.pop(msg_id, None)
            if isinstance(future, asyncio.Future):
                self._background.add(future)
                future.add_done_callback(self._background.discard)

    @lsp_method(lsp.EXIT)
    def lsp_exit(self, *args: Any) -> NoReturn:
        self.exit_code = 0 if self._shutdown else 1
        raise SystemExit(self.exit_code)


@attrs.define
class InlineCompletionParams(lsp.InlineCompletionParams):
    """With the token that LSP 3.18.4 added and lsprotocol 2025.0.0 lacks."""

    partial_result_token: lsp.ProgressToken | None = None


@attrs.define
class InlineCompletionRequest:
    id: int | str
    params: InlineCompletionParams
    method: str = lsp.TEXT_DOCUMENT_INLINE_COMPLETION
    jsonrpc: str = "2.0"


_OWN_TEXT_STORE = (
    lsp.TEXT_DOCUMENT_DID_OPEN,
    lsp.TEXT_DOCUMENT_DID_CHANGE,
    lsp.TEXT_DOCUMENT_DID_CLOSE,
    lsp.NOTEBOOK_DOCUMENT_DID_OPEN,
    lsp.NOTEBOOK_DOCUMENT_DID_CHANGE,
    lsp.NOTEBOOK_DOCUMENT_DID_CLOSE,
)


def log_without_text(error: BaseException) -> None:
    """An exception's message may quote the user's file: log its type and place only."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "nowhere"
    log.error("%s at %s", type(error).__name__, place)


def _converter() -> Converter:
    converter: Converter = default_converter()  # type: ignore[no-untyped-call]
    plain = converter.get_structure_hook(lsp.InlineCompletionParams)

    def inline_params(raw: dict[str, Any], _: Any) -> InlineCompletionParams:
        params = plain(raw, lsp.InlineCompletionParams)
        fields = {field.name: getattr(params, field.name) for field in attrs.fields(type(params))}
        token = raw.get("partialResultToken")
        if token is not None and not isinstance(token, int | str):
            raise TypeError("partialResultToken must be a string or an integer")
        return InlineCompletionParams(**fields, partial_result_token=token)

    def as_sent(raw: dict[str, Any], kind: Any) -> Any:  # pygls makes named tuples of unknown objects
        return kind(**raw)

    converter.register_structure_hook(JsonRPCRequestMessage, as_sent)
    converter.register_structure_hook(JsonRPCNotification, as_sent)
    converter.register_structure_hook(InlineCompletionParams, inline_params)
    return converter


def _id_of(message: Any) -> int | str | None:
    found = message.get("id") if isinstance(message, dict) else None
    return found if isinstance(found, int | str) and not isinstance(found, bool) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # alive, and not ours
    return True


def _leave_with(pid: int) -> None:
    """In a thread: the loop may wait until somebody reads what it has said."""
    while _alive(pid):
        time.sleep(WATCH_SECONDS)
    _leave()


def _leave() -> NoReturn:
    """The reader thread still waits for stdin: nothing softer would end the process."""
    os._exit(1)
