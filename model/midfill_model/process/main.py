"""`midfill engine`: one process per user that keeps a model resident and answers on a private address.

Its help and its messages need none of the libraries that the engine itself needs.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
import time
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING

from midfill_model import seam
from midfill_model.command_line import (
    INTERRUPTED,
    MODELS,
    Busy,
    Parser,
    above_zero,
    complain,
    model_name,
    path,
    whole,
)

from .machine import cpus

if TYPE_CHECKING:
    from .engines import Chosen


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or POST /shutdown: 0. One whose generation hangs ends as if it were killed.

    1 if it cannot serve, or not any longer, or if another one serves already; 2 for wrong options; 130 after
    Ctrl-C. With --stay, as fronts start it, a second engine ends with 0, and one that cannot load its model
    goes on, to tell it to who asks.
    """
    options = _parse(argv)
    to_stderr = logging.StreamHandler()
    to_stderr.setFormatter(seam.WithoutText())
    logging.basicConfig(level=logging.WARNING, handlers=[to_stderr])
    try:
        folder = seam.runtime_folder(options.runtime_dir)
        return _succeed(options, folder) if options.succeed else _begin(options, folder)
    except seam.Locked:
        code = 0 if options.stay else 1
        return complain("the engine already runs; `midfill status` says how, `midfill stop` ends it", code)
    except seam.RuntimeFolderError as error:
        why = str(error)
    except OSError as error:
        if (refused := seam.refused(folder, error)) is None:
            raise
        why = str(refused)
    except KeyboardInterrupt:
        return INTERRUPTED
    return complain(why)


def _begin(options: argparse.Namespace, folder: Path) -> int:
    """As `_serve`, where no engine is."""
    with seam.engine_lock(folder) as lives:
        seam.forget_card(folder)
        seam.note(folder)  # before its first words: no other engine says anything here by now
        _tame_waiting_threads()
        from .engines import engine_for

        return _serve(options, folder, engine_for(options, folder), lives)


def _succeed(options: argparse.Namespace, folder: Path) -> int:
    """As `_serve`, in the place of one of another version, which answers until this one has loaded."""
    with ExitStack() as heir:
        lives = heir.enter_context(seam.heir_lock(folder))
        other = seam.read_card(folder)
        _tame_waiting_threads()
        from .engines import engine_for
        from .life.succession import NotWanted, Stays, place_of_the_other
        from .life.watchdog import Watchdog

        chosen = engine_for(options, folder)
        watchdog = Watchdog(chosen)
        chosen.engine.start()

        def look() -> None:
            watchdog.look()
            lives()

        try:
            with place_of_the_other(folder, other, lambda: chosen.engine.state, look) as engine_lives:
                heir.close()  # it is the engine now
                return _serve(options, folder, chosen, engine_lives)
        except Stays as why:
            heir.close()  # nobody waits for it
            loads = chosen.engine.state.status == "loading"  # in a library, which would abort the process
            chosen.engine.stop(timeout=0 if loads else 5)
            seam.note(folder, "ends")  # whose words these are: others may have begun meanwhile
            code = complain(str(why), 0 if isinstance(why, NotWanted) else 1)
            if not code:
                seam.note(folder, "has ended")
            if loads:
                os._exit(code)
            return code


def _serve(options: argparse.Namespace, folder: Path, chosen: Chosen, lives: seam.SignOfLife) -> int:
    """Until it is told to end, or is of no use any more: 0. Else 1, and why it had to end was told.

    `lives`: given when it has no card any more, for those who wait until it has ended.
    Raises KeyboardInterrupt when Ctrl-C ended it, after everything is cleaned up.
    """
    from . import sockets
    from .life.rest import Rest
    from .life.teller import Teller
    from .life.watchdog import Watchdog
    from .routes import Api
    from .server import Server

    over_tcp = options.port is not None or sys.platform == "win32"
    token = secrets.token_urlsafe(32) if over_tcp else None
    engine, name = chosen.engine, chosen.name
    with sockets.tcp_socket(options.port or 0) if over_tcp else sockets.unix_socket(folder) as listener:
        tell = Teller(name, folder, _where(folder, listener, token), options.stay, chosen.told)

        def why() -> str:
            cannot_load = not options.stay and engine.state.status == "failed"
            return engine.crash or (engine.state.message if cannot_load else _out_of_reach(lost()))

        idle = 60 * options.idle_minutes
        rest = Rest(folder, idle, options.leave_after if options.stay else idle)

        watchdog = Watchdog(chosen)

        def is_over() -> bool:
            tell(engine.state, busy)
            watchdog.look()
            if rest.look() and options.stay:
                with suppress(OSError):
                    seam.keep_short(folder, sys.stderr.fileno())
            if not engine.crash and engine.n_unfinished:  # who has found it gets an answer
                return False
            if rest.wants_sleep(engine.resting_seconds()):
                engine.sleep()
            return bool(why()) or rest.is_over(engine.resting_seconds())

        api = Api(
            engine,
            chosen.told,
            name,
            token,
            lambda drain: server.drain() if drain else server.stop(),
            rest.n_windows,
            lambda: watchdog.seconds,
        )

        def on_end() -> None:
            listens.close()  # who finds no card sees that it does not hang
            lives()

        server = Server(api.app(), on_end, engine.cancel_all, is_over)
        with Busy() as busy, ExitStack() as listens:
            lost = listens.enter_context(seam.card_in(folder, _card(name, folder, listener, token)))
            if not options.succeed:  # it has begun to load
                engine.start()
            server.run(sockets=[listener])
            ended = why()
            if ended:
                seam.note(folder, "ends")  # whose words these are: an heir may have begun meanwhile
            elif engine.state.status != "failed":
                seam.note(folder, "has ended")
        lives()
        engine.stop(timeout=5)
        if server.interrupted:
            raise KeyboardInterrupt
        return complain(ended) if ended else 0


def _where(folder: Path, listener: socket, token: str | None) -> str:
    """For people."""
    if token is None:
        return str(folder / seam.SOCKET)
    port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}; the token that it wants is in {folder / seam.CARD}"


def _out_of_reach(lost: Path | None) -> str:
    """A sentence when somebody has removed or replaced what a front finds this engine by; else ""."""
    if lost is None:
        return ""
    return f"{lost} was removed or replaced, so nobody finds this engine; the next completion starts one."


def _tame_waiting_threads() -> None:
    """Before torch is loaded: its idle threads shall spin for some microseconds only, then sleep.

    By default they spin for milliseconds. When others use the cores too, as an editor's other servers do,
    that makes a forward pass ten to a hundred times slower. The short spin costs a tenth of the decode speed
    on a quiet machine.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # GNU's OpenMP
    os.environ.setdefault("KMP_BLOCKTIME", "0")  # LLVM's, on macOS; milliseconds


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


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="midfill engine", description="Keep a model resident and answer.")
    parser.add_argument(
        "--model",
        type=str if "--stay" in argv else model_name,
        default="auto",
        help=MODELS,
    )
    parser.add_argument(
        "--stay",
        action="store_true",
        help="as editors start it: say nothing, and where the model cannot be loaded, stay and tell who asks",
    )
    parser.add_argument(
        "--succeed",
        action="store_true",
        help="load first, then take the place of the engine of another version that runs there",
    )
    parser.add_argument(
        "--runtime-dir", type=path, metavar="DIR", help="the folder for the socket and engine.json"
    )
    parser.add_argument(
        "--port",
        type=whole(0, 65_535),
        help="listen on this port of localhost, with a token, instead of on a Unix socket",
    )
    _add_model_options(parser)
    parser.add_argument(
        "--idle-minutes",
        type=above_zero(1e6),
        default=60,
        help="let the model leave the memory after this time without a request (%(default)s)",
    )
    parser.add_argument(
        "--leave-after",
        type=above_zero(1e6),
        default=60,
        metavar="SECONDS",
        help="with --stay: end so long after the last window was closed (%(default)s)",
    )
    return parser.parse_args(argv, argparse.Namespace(asked=seam.model_options(argv)))


def _add_model_options(parser: Parser) -> None:
    """Where the model runs, and what it may hold."""
    parser.add_argument(
        "--threads",
        type=whole(1, 1024),
        help=f"how many CPU threads ({cpus.usable()}; for a .gguf file one fewer)",
    )
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto takes a GPU for large models only (%(default)s)",
    )
    parser.add_argument(
        "--double-quant",
        action="store_true",
        help="make the weights on a GPU smaller (lite: by 0.7 GiB); the default if they do not fit otherwise",
    )
    parser.add_argument(
        "--slots",
        type=whole(1, 1024),
        default=16,
        help="how many documents have a KV cache, but with a .gguf file (%(default)s)",
    )
    parser.add_argument(
        "--cache-mb",
        type=whole(1, 1 << 20),
        default=512,
        help="memory for all KV caches, in MB; the oldest are dropped first (%(default)s)",
    )
