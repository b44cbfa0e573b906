"""What `midfill` can do, and its options. Each command imports what it needs, so that `serve` starts fast."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from argparse import ArgumentTypeError, Namespace

from midfill_model.command_line import (
    INTERRUPTED,
    MODELS,
    Parser,
    UsageError,
    complain,
    model_name,
    path,
    refuse_stdin,
)
from midfill_server import __version__


def run(argv: list[str]) -> int:
    """The exit code of one command. UsageError, and whatever else it raises."""
    try:
        if argv and (own := WITH_OWN_OPTIONS.get(argv[0])) is not None:
            return own(argv[1:])
        if argv[:1] == ["complete"]:
            refuse_stdin(*(it[:1] for it in argv if it.startswith("-:")))  # to argparse that is an option
        options = parser().parse_args(argv)
        return int(options.run(options))
    except SystemExit as leaving:  # argparse, after its help or its sentence
        return int(leaving.code or 0)


def serve(_: Namespace) -> int:
    import logging
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # pygls would swallow it, and wait for its thread that reads stdin: until the editor's next message
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    if sys.stdin.isatty():
        print(
            "`midfill serve` speaks LSP with an editor, on stdin and stdout. Ctrl-C ends it.", file=sys.stderr
        )
    from midfill_server.editor.startup import load_lsp_types

    load_lsp_types()
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    from midfill_server.app import Server

    return Server().serve_stdio()


def complete(options: Namespace) -> int:
    from midfill_server.tools import complete_command
    from midfill_server.tools.set_option import settings_of

    if options.url == "":
        raise UsageError("--url is empty; give an address, such as http://localhost:8000/v1")
    given = {"url": options.url, "model": options.model}
    settings = settings_of(options.set, {key: value for key, value in given.items() if value is not None})
    if "model" in settings and not settings.get("url"):
        try:
            settings["model"] = model_name(settings["model"])
        except ArgumentTypeError as error:
            raise UsageError(str(error)) from None
    return complete_command.main(options.where, settings, options.json)


def status(options: Namespace) -> int:
    from midfill_server.tools import status_command

    if options.stats or options.forget:
        return statistics(options)
    state = asyncio.run(status_command.state())
    print(json.dumps(state) if options.json else status_command.as_text(state))
    return 0


def statistics(options: Namespace) -> int:
    from midfill_server.editor.record import statistics as kept

    if options.forget:
        print("The statistics are deleted." if kept.forget() else "There are no statistics.")
        return 0
    figures = kept.report(kept.read())
    print(json.dumps(figures) if options.json else kept.as_text(figures))
    return 0


def stop(_: Namespace) -> int:
    from midfill_server.tools import status_command

    print(asyncio.run(status_command.stop()))
    return 0


def pause(_: Namespace) -> int:
    from midfill_server.tools import status_command

    print(asyncio.run(status_command.pause()))
    return 0


def resume(_: Namespace) -> int:
    from midfill_server.tools import status_command

    print(asyncio.run(status_command.resume()))
    return 0


def doctor(options: Namespace) -> int:
    from midfill_server.tools.doctor import command

    return command.main(options)


def why(options: Namespace) -> int:
    from midfill_server.editor.record.why import last_requests

    lines = last_requests()
    for line in lines if options.all else lines[-1:]:
        print(line)
    return (
        0 if lines else complain("no open editor has asked for ghost text yet; type in one, then try again")
    )


def engine(argv: list[str]) -> int:
    try:
        from midfill_model.process.main import main

        return main(argv)
    except ModuleNotFoundError as error:
        return complain(_missing(error))


def download(argv: list[str]) -> int:
    try:
        from midfill_model.download.main import main

        return main(argv)
    except ModuleNotFoundError as error:
        return complain(_missing(error, "tokenizer" if "--tokenizer-only" in argv else "local"))


def export(argv: list[str]) -> int:
    try:
        from midfill_model.checkpoint.export.main import main

        return main(argv)
    except ModuleNotFoundError as error:
        return complain(_missing(error, "local,export"))


def bench(argv: list[str]) -> int:
    from midfill_server.tools.bench import command

    return command.main(argv)


def evaluate(argv: list[str]) -> int:
    from midfill_server.tools.evaluation import command

    return command.evaluate_main(argv)


def replay(argv: list[str]) -> int:
    from midfill_server.tools.evaluation import command

    return command.replay_main(argv)


def load(argv: list[str]) -> int:
    from midfill_server.tools.load import command

    return command.main(argv)


def _missing(error: ModuleNotFoundError, extra: str = "local") -> str:
    from importlib.util import find_spec

    sentence = f'{error.name} is not installed; install it with: pip install "midfill[{extra}]"'
    if error.name == "torch" and find_spec("xllamacpp") is not None:  # somebody wanted llama.cpp alone
        sentence += "; or set midfill.model to a .gguf file"
    return sentence


WITH_OWN_OPTIONS = {
    "engine": engine,
    "download": download,
    "export": export,
    "bench": bench,
    "eval": evaluate,
    "replay": replay,
    "load": load,
}


def parser() -> Parser:
    from midfill_server.tools.set_option import add_set_option

    top = Parser("midfill", description="Fill-in-the-middle ghost text for every LSP editor.")
    top.add_argument("--version", action="version", version=f"midfill {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    it = commands.add_parser("serve", help="speak LSP on stdin and stdout (editors start this)")
    it.add_argument("--stdio", action="store_true", help="accepted because some editors pass it")
    it.set_defaults(run=serve)

    it = commands.add_parser("complete", help="show one completion, asked for as an editor would")
    it.add_argument("where", metavar="FILE:LINE:COL", help="the cursor; line and column count from 1")
    it.add_argument("--model", help=f"{MODELS}; with --url, the name that the server uses")
    it.add_argument("--url", help="ask the server at this address instead of the engine of this machine")
    add_set_option(it)
    it.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    it.set_defaults(run=complete)

    it = commands.add_parser("status", help="say whether the engine runs, and with which model")
    it.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    instead = it.add_mutually_exclusive_group()
    instead.add_argument(
        "--stats", action="store_true", help="print what was offered and accepted, and how fast"
    )
    instead.add_argument("--forget", action="store_true", help="delete those statistics")
    it.set_defaults(run=status)

    it = commands.add_parser("doctor", help="say what works on this machine, what does not, and what to do")
    it.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    it.add_argument("--fix", action="store_true", help="remove what killed processes have left behind")
    it.add_argument("--quick", action="store_true", help="leave out the completion, so that no engine starts")
    it.add_argument("--thorough", action="store_true", help="compare the checksums of large models, too")
    it.add_argument(
        "--settings", type=path, metavar="FILE", help="your editor's settings, as JSON; - reads stdin"
    )
    add_set_option(it)
    it.set_defaults(run=doctor)

    it = commands.add_parser("why", help="say what became of the last request for ghost text, in any editor")
    it.add_argument("--all", action="store_true", help="of each of the last 50, oldest first")
    it.set_defaults(run=why)

    it = commands.add_parser("pause", help="offer nothing in any window, and give the engine's memory back")
    it.set_defaults(run=pause)
    commands.add_parser("resume", help="go on after `midfill pause`").set_defaults(run=resume)
    commands.add_parser("stop", help="stop the engine; the next key starts it").set_defaults(run=stop)
    for name, what in (
        ("download", "fetch a model from the hub"),
        ("export", "write a model for llama.cpp, vLLM or transformers"),
        ("engine", "run the engine in this terminal"),
        ("bench", "measure the speed"),
        ("eval", "measure the quality, on holes in real code"),
        ("replay", "type real files, and measure what is shown"),
        ("load", "let many people type at once, and measure a server"),
    ):
        commands.add_parser(name, help=f"{what} (see `midfill {name} --help`)")
    return top
