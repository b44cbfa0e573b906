"""How every command speaks on a terminal: errors, bad values, what it is busy with. Loads nothing heavy."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

AUTO, DEMO, LITE, LITE_GGUF = NAMES = ("auto", "demo", "lite", "lite-gguf")
MODELS = "auto, demo, lite, lite-gguf, a folder, a hub id, a .gguf file or owner/repo:Q4_K_M of one"
INTERRUPTED, CLOSED_PIPE = 130, 141  # as shells tell that SIGINT or SIGPIPE ended a program


def complain(message: str, code: int = 1) -> int:
    """Print one sentence as every command's errors are printed; the exit code."""
    print(f"midfill: {_REPR_BYTE.sub(_AS_BYTE, message)}", file=sys.stderr)
    return code


_REPR_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")  # as repr has a byte that is no text
_AS_BYTE = r"\\x\1"


def shown_bytes(
    error: UnicodeError, otherwise: Callable[[UnicodeError], tuple[str | bytes, int]]
) -> tuple[str | bytes, int]:
    """Of codecs' error handlers: a byte that is no text is shown as a shell takes it in $'\\xff'."""
    if isinstance(error, UnicodeEncodeError):
        byte = ord(error.object[error.start]) - 0xDC00
        if 0x80 <= byte <= 0xFF:
            return f"\\x{byte:02x}", error.start + 1
        error.end = error.start + 1
    return otherwise(error)


def refuse_stdin(*paths: str | Path) -> None:
    """UsageError for "-" among the files that a command reads."""
    if "-" in map(str, paths):
        raise UsageError("give the path of a file, not -: standard input is not read")


_MENDS = {
    errno.ENOENT: "check how it is spelt, and in which folder",
    errno.ENOTDIR: "check how it is spelt: a file stands where a folder should",
    errno.EISDIR: "name a file",
    errno.EEXIST: "name another",
    errno.EACCES: "give yourself the right to it, or name another",
    errno.EPERM: "give yourself the right to it, or name another",
    errno.EROFS: "name another, on a disk that can be written",
    errno.ENOSPC: "make room on that disk",
    errno.ELOOP: "remove that link, which leads to itself",
    errno.ENAMETOOLONG: "name a shorter one",
    errno.EINVAL: "name a plain file",
    errno.EFBIG: "name a smaller file",
}


def refusal(error: OSError) -> str:
    """Why the system refuses a file, and what to do about it."""
    why = error.strerror or str(error)
    return f"{why}; {_MENDS[error.errno]}" if error.errno in _MENDS else why


class UsageError(Exception):
    """What the user asked for makes no sense; the message says what would."""


def writable(file: Path) -> None:
    """Before long work whose result goes there: UsageError if it could not be written. The file stays."""
    try:
        was_there = file.exists()
        with file.open("ab"):
            pass
        if not was_there:
            file.unlink()
    except OSError as error:
        raise UsageError(f"cannot write {file}: {refusal(error)}") from None


@contextmanager
def ended_as_by_control_c() -> Iterator[list[int]]:
    """SIGTERM and SIGHUP end what is under way as Ctrl-C does: what was started for it is stopped, too.

    Yields the list of those that came. What asyncio then says of tasks that nobody waits for is not said.
    """
    logging.getLogger("asyncio").disabled = True
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        at_control_c = signal.getsignal(signal.SIGINT)  # asyncio has its own
        if callable(at_control_c):
            at_control_c(signal.SIGINT, frame)
        else:  # it is ignored, as a shell sets it for what runs in the background
            _interrupt()

    names = ("SIGTERM", "SIGHUP") if threading.current_thread() is threading.main_thread() else ()
    ours = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {it: signal.signal(it, end) for it in ours if signal.getsignal(it) is signal.SIG_DFL}  # no nohup
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt() -> None:
    """KeyboardInterrupt, by the event loop where one runs: a finalizer that it hit here would swallow it."""
    import asyncio

    def interrupt() -> None:
        raise KeyboardInterrupt

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise KeyboardInterrupt from None
    loop.call_soon_threadsafe(interrupt)


class Parser(argparse.ArgumentParser):
    """argparse, but wrong usage is one sentence: it may end in a log, and from there in an editor."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """None is unknown: so the command itself, not the one above it, says which options it has."""
        known, others = super().parse_known_args(args, namespace)
        if others:
            self.error(f"unrecognized arguments: {' '.join(others)}")
        return known, others

    def error(self, message: str) -> NoReturn:
        self.exit(complain(f"{message.removesuffix('.')}; see `{self.prog} --help`", 2))


def whole(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """The type of an option that takes a whole number."""
    range_ = f"from {lowest} to {highest}" if highest is not None else f"of {lowest} or more"

    def read(text: str) -> int:
        fits = text.isascii() and text.isdecimal() and len(text) < 20
        if not fits or int(text) < lowest or (highest is not None and int(text) > highest):
            raise argparse.ArgumentTypeError(f"give a whole number {range_}, not {text!r}")
        return int(text)

    return read


def any_whole(text: str) -> int:
    """The type of an option that takes any whole number."""
    if not re.fullmatch("-?[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"give a whole number, not {text!r}")
    return int(text)


def above_zero(highest: float) -> Callable[[str], float]:
    """The type of an option that takes a number above 0."""

    def read(text: str) -> float:
        try:
            number = float(text) if text.isascii() else 0.0
        except ValueError:
            number = 0.0
        if not 0 < number <= highest:
            raise argparse.ArgumentTypeError(f"give a number above 0, at most {highest:g}, not {text!r}")
        return number

    return read


def path(text: str) -> Path:
    """The type of an option that names a file or a folder: an empty one would be the working directory."""
    if not text:
        raise argparse.ArgumentTypeError("give a path, not ''")
    return Path(text)


def file_named(*endings: str) -> Callable[[str], Path]:
    """The type of an option that names a file to write: what is in it is what its name says."""

    def read(text: str) -> Path:
        if not (file := path(text)).name.lower().endswith(endings):
            raise argparse.ArgumentTypeError(f"give a file whose name ends in {endings[0]}, not {text!r}")
        return file

    return read


def model_name(text: str) -> str:
    """The type of --model: a path becomes absolute, for the engine runs in another folder."""
    if text in NAMES:
        return text
    try:
        if text and ((path := Path(text).expanduser()).exists() or path.suffix == ".gguf"):
            return str(path.resolve())
    except (RuntimeError, OSError):  # the home of a user who is not known; a name that is too long
        pass
    if not _HUB_ID.fullmatch(text):  # whether the hub has it is told later
        raise argparse.ArgumentTypeError(f"give {MODELS}, not {text!r}")
    return text


_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+([@:][\w./-]+)?", re.ASCII)


def machine(told: Mapping[str, str] | None = None) -> str:
    """Which machine figures come from, in one line; `told` has what the engine adds: device, versions."""
    import platform  # these two cost `midfill serve` 20 ms of its start
    from importlib.metadata import version

    parts = {"Midfill": version("midfill"), "Python": platform.python_version()} | dict(told or {})
    date, device = parts.pop("date", time.strftime("%Y-%m-%d")), parts.pop("device", "")
    processor = f"{_processor() or platform.machine()}, {_n_cpus()} CPUs"
    named = [date, *([device] if device not in ("", "cpu") else []), processor]
    return " · ".join([*named, platform.system(), *(f"{name} {value}" for name, value in parts.items())])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "")


def _n_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Busy:
    """What a command is doing: one line on stderr that replaces itself. Silent where that is no terminal."""

    def __init__(self) -> None:
        self._shown = 0

    def show(self, text: str) -> None:
        """Replace the line; "" takes it away."""
        if text or self._shown:
            if not sys.stderr.isatty():
                return
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            text = text[: width - 1]
            print(f"\r{text:<{self._shown}}\r{text}", end="", file=sys.stderr, flush=True)
            self._shown = len(text)

    def __enter__(self) -> Busy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.show("")
