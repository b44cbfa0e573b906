"""The command line's outside: streams, signals, exit codes, and a sentence for each failure that is known."""

from __future__ import annotations

import _midfill_command  # noqa: F401  # before all others: it decides which ones they are

# isort: split
import codecs
import os
import sys
from functools import partial
from io import TextIOWrapper

from midfill_model.command_line import (
    CLOSED_PIPE,
    INTERRUPTED,
    UsageError,
    complain,
    ended_as_by_control_c,
    refusal,
    shown_bytes,
)
from midfill_server.tools import commands


def main(argv: list[str] | None = None) -> int:
    """Run one command: 0 on success, 2 on wrong usage, 130 after Ctrl-C, 141 for a closed pipe, else 1.

    Another signal that ends it, and that it can clean up after, is told as shells do: 128 and its number.
    """
    argv = sys.argv[1:] if argv is None else argv
    os.umask(os.umask(0o077) & 0o077)  # files that we make are ours to read and write, whatever it was
    _open_streams()
    if argv[:1] in OWN_SIGNALS:
        return _run_and_tell(argv)
    with ended_as_by_control_c() as ended_by:
        code = _run_and_tell(argv)
    return 128 + ended_by[0] if ended_by else code


OWN_SIGNALS = (["serve"], ["engine"])


def _open_streams() -> None:
    """Those that the caller has closed lead nowhere; what others cannot show is replaced."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # so their numbers are 0, 1, 2
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - until the process ends
    for stream, otherwise in (
        (sys.stdout, codecs.replace_errors),
        (sys.stderr, codecs.backslashreplace_errors),
    ):
        if isinstance(stream, TextIOWrapper):
            codecs.register_error(name := f"midfill-{stream.name}", partial(shown_bytes, otherwise=otherwise))
            stream.reconfigure(errors=name)


def _run_and_tell(argv: list[str]) -> int:
    try:
        code = commands.run(argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return CLOSED_PIPE
    except UsageError as error:
        return complain(str(error), 2)
    except Exception as error:
        if (sentence := _known_failure(error)) is None:
            raise
        try:
            sys.stdout.flush()  # what was said before is still true
        except OSError:
            _forget_output()
        return complain(sentence)


def _forget_output() -> None:
    """What is still buffered goes nowhere, instead of raising again at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _known_failure(error: Exception) -> str | None:
    """The sentence for what a command may raise; None for a fault of ours, which needs its traceback."""
    from midfill_model.seam import RuntimeFolderError
    from midfill_server.editor.record.statistics import StatisticsError
    from midfill_server.engines.backend import BackendError

    if isinstance(error, BackendError | StatisticsError | RuntimeFolderError):
        return str(error)
    if isinstance(error, ConnectionError):
        return "the language server stopped; run `midfill serve` on its own to see why"
    if isinstance(error, OSError) and error.strerror:  # the disk is full, say
        return f"{error.filename}: {refusal(error)}" if error.filename else refusal(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
