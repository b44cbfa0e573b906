"""`midfill engine`: one process per user that keeps a model resident and answers on a private address."""

import argparse
import logging
import math
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from socket import socket
from typing import Any, NoReturn

import uvicorn
from starlette.applications import Starlette

from midfill_model import seam

from . import cpus


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or POST /shutdown: 0. A second engine of the same user ends at once, with 0 too.

    1 if it cannot serve, or not any longer; 2 for wrong options.
    """
    options = _parse(argv)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        folder = seam.runtime_folder(options.runtime_dir)
        with seam.engine_lock(folder):
            why = _serve(options, folder)
    except seam.Locked:
        print("The engine already runs.", file=sys.stderr)
        return 0
    except seam.RuntimeFolderError as error:
        why = str(error)
    if why:
        print(f"midfill engine: {why}", file=sys.stderr)
    return 1 if why else 0


def _serve(options: argparse.Namespace, folder: Path) -> str:
    """Until it is told to end, or has been idle for long: "". Else why it had to end, in a sentence."""
    _tame_waiting_threads()
    from midfill_model.generation.engine import Engine
    from midfill_model.process.loading import load_model, short_name

    from . import sockets
    from .routes import Api

    over_tcp = options.port is not None or sys.platform == "win32"
    token = secrets.token_urlsafe(32) if over_tcp else None
    name = short_name(options.model)
    with sockets.tcp_socket(options.port or 0) if over_tcp else sockets.unix_socket(folder) as listener:
        load = load_model(options.model, options.threads, options.device, options.double_quant)
        engine = Engine(load, options.slots, options.cache_mb << 20)

        def why() -> str:
            return engine.crash or _removed(folder, seam.CARD, *([] if over_tcp else [seam.SOCKET]))

        api = Api(engine, name, token, stop=lambda: server.stop())
        server = _Server(
            api.app(),
            before_shutdown=engine.cancel_all,
            is_over=lambda: bool(why()) or engine.resting_seconds() > 60 * options.idle_minutes,
        )
        engine.start()
        with seam.card_in(folder, _card(name, folder, listener, token)):
            server.run(sockets=[listener])
            ended = why()
        engine.stop(timeout=5)
        return ended


def _removed(folder: Path, *names: str) -> str:
    """A sentence when somebody has removed what a front finds this engine by; else ""."""
    for name in names:
        if not (folder / name).exists():
            return (
                f"{folder / name} was removed, so nobody finds this engine; the next completion starts one."
            )
    return ""


def _tame_waiting_threads() -> None:
    """Before torch is loaded: its idle threads shall spin for some microseconds only, then sleep.

    By default they spin for milliseconds. When others use the cores too, as an editor's other servers do,
    that makes a forward pass ten to a hundred times slower. The short spin costs a tenth of the decode speed
    on a quiet machine.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # GNU's OpenMP
    os.environ.setdefault("KMP_BLOCKTIME", "0")  # LLVM's, on macOS; milliseconds


class _Server(uvicorn.Server):
    """uvicorn, but SIGTERM ends it like any other stop: everything cleaned up, exit code 0."""

    def __init__(
        self, app: Starlette, before_shutdown: Callable[[], None], is_over: Callable[[], bool]
    ) -> None:
        silent: dict[str, Any] = {"log_config": None, "access_log": False}
        super().__init__(uvicorn.Config(app, lifespan="off", timeout_graceful_shutdown=2, **silent))
        self._before_shutdown = before_shutdown
        self._is_over = is_over

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._before_shutdown()
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Every 0.1 s: whether to end. A model that nobody uses gives its memory back; a key starts it."""
        return await super().on_tick(counter) or self._is_over()

    def stop(self, *_: object) -> None:
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        yield


def _card(name: str, folder: Path, listener: socket, token: str | None) -> seam.Card:
    return seam.Card(
        pid=os.getpid(),
        url=f"http://127.0.0.1:{listener.getsockname()[1]}" if token else "http://localhost",
        socket=None if token else str(folder / seam.SOCKET),
        token=token,
        model=name,
        started=time.time(),
        version=version("midfill"),
        protocol=seam.PROTOCOL,
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, without the usage: it goes into a log, and from there to an editor."""
        self.exit(2, f"{self.prog}: {message.removesuffix('.')}.\n")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="midfill engine", description="Keep a model resident and answer.")
    parser.add_argument("--model", default="auto", help="auto, demo, lite, a model folder or a hub id")
    parser.add_argument("--runtime-dir", metavar="DIR", help="where the socket and engine.json go")
    parser.add_argument(
        "--port", type=_whole(0, 65_535), help="localhost TCP with a token, instead of a Unix socket"
    )
    parser.add_argument(
        "--threads", type=_whole(1, 1024), default=cpus.usable(), help="CPU threads (%(default)s)"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU for large models"
    )
    parser.add_argument(
        "--double-quant",
        action="store_true",
        help="keep weights smaller on a GPU, lite by 0.7 GiB; by itself where they fit in no other way",
    )
    parser.add_argument(
        "--slots", type=_whole(1, 1024), default=16, help="documents whose KV cache is kept (%(default)s)"
    )
    parser.add_argument(
        "--cache-mb",
        type=_whole(1, 1 << 20),
        default=512,
        help="memory for those; the oldest go first (%(default)s)",
    )
    parser.add_argument(
        "--idle-minutes", type=_minutes, default=60, help="end after so long without a request (%(default)s)"
    )
    return parser.parse_args(argv)


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isdecimal() and text.isascii() and lowest <= int(text) <= highest):
            raise argparse.ArgumentTypeError(f"give a whole number from {lowest} to {highest}, not {text!r}")
        return int(text)

    return read


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not minutes > 0:
        raise argparse.ArgumentTypeError(f"give a number of minutes above 0, not {text!r}")
    return minutes
