"""What the editor is told beside the answers: the status, `$/progress` while loading, few messages."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from lsprotocol import types as lsp

from midfill_server.editor.protocol import LanguageServer
from midfill_server.engines.status import State, Status

STATUS_CHANGED = "midfill/statusChanged"


class Announcer:
    """Says everything once. Before the client is initialized it only remembers."""

    def __init__(self, ls: LanguageServer) -> None:
        self._ls = ls
        self._open = False
        self._status = Status(State.STARTING)
        self._failures: set[str] = set()  # told since the engine was last well
        self._noted: set[str] = set()
        self._progress: _Progress | None = None
        self.mirror: Callable[[Status], None] = lambda status: None
        """Hears of every status too: for clients of another server."""

    def begin(self, shows_progress: bool) -> None:
        """The client is initialized: from now on it may be spoken to."""
        self._open = True
        self._progress = _Progress(self._ls) if shows_progress else None
        self._send(self._status)
        self._show(self._status)

    def status(self, status: Status) -> None:
        """The engine's state; a failure is also shown to the user, and again only after it was over."""
        if status == self._status:
            return
        self._status = status
        if status.state is State.READY:
            self._failures.clear()
        if self._open:
            self._send(status)
            self._show(status)

    def as_json(self) -> dict[str, object]:
        """The status as `midfill/status` answers it."""
        status = self._status
        return {
            "state": status.state.value,
            "paused": status.paused,
            "snoozedUntil": status.snoozed_until,
            "trigger": status.trigger,
            "model": status.model,
            "message": f"{status.message} {status.reason}".strip(),
            "progress": status.progress,
            "warning": status.warning,
        }

    def note_once(self, message: str) -> None:
        """Why there is nothing to show in some document: in the status, without a pop-up."""
        if message not in self._noted:
            self._noted.add(message)
            self._ls.protocol.notify(STATUS_CHANGED, self.as_json() | {"message": message})

    def warn_once(self, message: str) -> None:
        if message not in self._noted:
            self._noted.add(message)
            self._message(message, lsp.MessageType.Warning)

    def _show(self, status: Status) -> None:
        if status.state is State.FAILED and status.message not in self._failures:
            self._failures.add(status.message)
            self._message(status.message, lsp.MessageType.Error)
        elif status.warning:
            self.warn_once(status.warning)
        if status.reason and status.reason not in self._noted:  # worth knowing, and no pop-up
            self._noted.add(status.reason)
            params = lsp.LogMessageParams(lsp.MessageType.Info, f"Midfill: {status.reason}")
            self._ls.window_log_message(params)

    def _message(self, message: str, kind: lsp.MessageType) -> None:
        self._ls.window_show_message(lsp.ShowMessageParams(kind, f"Midfill: {message}"))

    def _send(self, status: Status) -> None:
        self._ls.protocol.notify(STATUS_CHANGED, self.as_json())
        self.mirror(status)
        if self._progress is not None:
            self._progress.show(status)


class _Progress:
    """The loading of the engine as a `$/progress` bar."""

    def __init__(self, ls: LanguageServer) -> None:
        self._ls = ls
        self._token: str | None = None
        self._begun = False

    def show(self, status: Status) -> None:
        if status.state in (State.STARTING, State.LOADING):
            if self._token is None and status.message:
                self._create()
            elif self._begun:
                percent = int(100 * status.progress)
                self._notify(lsp.WorkDoneProgressReport(message=status.message, percentage=percent))
        elif self._token is not None:
            if self._begun:
                self._notify(lsp.WorkDoneProgressEnd(message=status.message))
            self._token, self._begun = None, False

    def _create(self) -> None:
        self._token = token = f"midfill-{uuid.uuid4()}"
        params = lsp.WorkDoneProgressCreateParams(token)
        created = self._ls.protocol.send_request(lsp.WINDOW_WORK_DONE_PROGRESS_CREATE, params)
        created.add_done_callback(lambda answer: self._begin(token, answer))

    def _begin(self, token: str, answer: Future[Any]) -> None:
        if token == self._token and not answer.cancelled() and answer.exception() is None:
            self._begun = True
            self._notify(
                lsp.WorkDoneProgressBegin(title="Midfill", message="Loading the model", percentage=0)
            )

    def _notify(self, value: Any) -> None:
        self._ls.protocol.notify(lsp.PROGRESS, lsp.ProgressParams(self._token or "", value))
