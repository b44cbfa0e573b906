"""uvicorn, with an end of our own: it overrides what uvicorn does not document (see pyproject)."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import socket
from typing import Any

import uvicorn
from starlette.applications import Starlette

DRAIN_SECONDS = 10  # who waits for the end waits longer


class Server(uvicorn.Server):
    """uvicorn, but SIGTERM ends it like any other stop: everything cleaned up, exit code 0."""

    def __init__(
        self,
        app: Starlette,
        on_end: Callable[[], None],
        cancel_all: Callable[[], None],
        is_over: Callable[[], bool],
    ) -> None:
        """`on_end`: called when it listens no more, while what was asked for may still be written."""
        silent: dict[str, Any] = {"log_config": None, "access_log": False}
        super().__init__(uvicorn.Config(app, lifespan="off", timeout_graceful_shutdown=2, **silent))
        logging.getLogger("asyncio").addFilter(is_news)
        self._on_end, self._cancel_all = on_end, cancel_all
        self._is_over = is_over
        self._drains = False
        self._draining: asyncio.AbstractEventLoop | None = None  # while it does
        self.interrupted = False
        """Whether Ctrl-C ended it."""

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._on_end()
        if self._drains:
            self.config.timeout_graceful_shutdown = DRAIN_SECONDS
            self._draining = asyncio.get_running_loop()
        else:
            self._cancel_all()
        await super().shutdown(sockets)
        self._draining = None

    async def on_tick(self, counter: int) -> bool:
        """Every 0.1 s: whether to end. A model that nobody uses gives its memory back; a key starts it."""
        return await super().on_tick(counter) or self._is_over()

    def stop(self, *_: object) -> None:
        self.should_exit, self._drains = True, False
        if self._draining is not None:  # who says so now does not want to wait
            self.force_exit = True
            self._draining.call_soon_threadsafe(self._hurry)

    def drain(self) -> None:
        """Stop once what was asked for until now is written. Who asks later finds nobody here."""
        self._drains = self._drains or not self.should_exit  # who has said now before does not want to wait
        self.should_exit = True

    def _hurry(self) -> None:
        """From Python 3.12 on `force_exit` alone waits until each connection is closed."""
        for task in self.server_state.tasks:
            task.cancel()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self._interrupt)
        yield

    def _interrupt(self, *_: object) -> None:
        self.interrupted = True
        self.stop()


def is_news(record: logging.LogRecord) -> bool:
    """Not that a client hung up while several tokens were on their way to it: every key may do that."""
    return record.getMessage() != "socket.send() raised exception."
