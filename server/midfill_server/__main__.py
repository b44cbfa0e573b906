"""The command line. Each command imports what it needs, so that `serve` starts fast."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from midfill_server import __version__


def main(argv: list[str] | None = None) -> int:
    """Run one command: 0 on success, 2 on wrong usage, 1 otherwise."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        if argv and (own := WITH_OWN_OPTIONS.get(argv[0])) is not None:
            return own(argv[1:])
        options = parser().parse_args(argv)
        return int(options.run(options))
    except KeyboardInterrupt:
        return 1


def serve(_: argparse.Namespace) -> int:
    import logging

    from midfill_server.editor.startup import load_lsp_types

    load_lsp_types()
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    from midfill_server.app import Server

    return Server().serve_stdio()


def complete(options: argparse.Namespace) -> int:
    from midfill_server.tools import complete_command as oneshot

    try:
        return oneshot.main(options.where, options.model, options.json)
    except oneshot.UsageError as error:
        return complain(str(error), 2)
    except ConnectionError:
        return complain("the language server stopped; `midfill serve` on its own shows why", 1)


def status(options: argparse.Namespace) -> int:
    from midfill_server.tools import status_command as control

    if options.stats or options.forget:
        return statistics(options)
    try:
        state = asyncio.run(control.state())
    except control.BackendError as error:
        return complain(str(error), 1)
    print(json.dumps(state) if options.json else control.in_words(state))
    return 0


def statistics(options: argparse.Namespace) -> int:
    from midfill_server import statistics as kept

    try:
        if options.forget:
            print("The statistics are deleted." if kept.forget() else "There are no statistics.")
            return 0
        figures = kept.report(kept.read())
    except kept.StatisticsError as error:
        return complain(str(error), 1)
    print(json.dumps(figures) if options.json else kept.in_words(figures))
    return 0


def stop(_: argparse.Namespace) -> int:
    from midfill_server.tools import status_command as control

    try:
        print(asyncio.run(control.stop()))
    except control.BackendError as error:
        return complain(str(error), 1)
    return 0


def engine(argv: list[str]) -> int:
    try:
        from midfill_model.process import main as api
    except ModuleNotFoundError as error:
        return complain(f'the engine needs {error.name}; install it with: pip install "midfill[local]"', 1)
    return int(api.main(argv))


def download(argv: list[str]) -> int:
    try:
        from midfill_model.download import command as hub
    except ModuleNotFoundError as error:
        return complain(f'a download needs {error.name}; install it with: pip install "midfill[local]"', 1)
    except KeyboardInterrupt:
        return 1
    return int(hub.main(argv))


def bench(argv: list[str]) -> int:
    from midfill_server.tools import bench as speed

    return int(speed.main(argv))


def evaluate(argv: list[str]) -> int:
    from midfill_server.tools.evaluation import command

    return command.evaluate_main(argv)


def replay(argv: list[str]) -> int:
    from midfill_server.tools.evaluation import command

    return command.replay_main(argv)


WITH_OWN_OPTIONS = {
    "engine": engine,
    "download": download,
    "bench": bench,
    "eval": evaluate,
    "replay": replay,
}


def complain(message: str, code: int) -> int:
    print(f"midfill: {message}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        "midfill", description="Fill-in-the-middle ghost text for every LSP editor."
    )
    top.add_argument("--version", action="version", version=f"midfill {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    it = commands.add_parser("serve", help="speak LSP on stdin and stdout (what an editor starts)")
    it.add_argument("--stdio", action="store_true", help="accepted for editors that insist on it")
    it.set_defaults(run=serve)

    it = commands.add_parser("complete", help="complete one place in a file, through the real server")
    it.add_argument("where", metavar="FILE:LINE:COL", help="line and column count from 1")
    it.add_argument("--model", default="auto", help="auto, demo, lite, a folder or a hub id")
    it.add_argument("--json", action="store_true", help="one JSON object instead of text")
    it.set_defaults(run=complete)

    it = commands.add_parser("status", help="whether the engine runs, and with which model")
    it.add_argument("--json", action="store_true")
    instead = it.add_mutually_exclusive_group()
    instead.add_argument("--stats", action="store_true", help="what was offered and accepted, and how fast")
    instead.add_argument("--forget", action="store_true", help="delete those statistics")
    it.set_defaults(run=status)

    commands.add_parser("stop", help="stop the engine").set_defaults(run=stop)
    commands.add_parser("download", help="fetch a model from the hub (see `midfill download --help`)")
    commands.add_parser("engine", help="run the engine itself (see `midfill engine --help`)")
    commands.add_parser("bench", help="measure the speed (see `midfill bench --help`)")
    commands.add_parser("eval", help="measure how good completions are (see `midfill eval --help`)")
    commands.add_parser("replay", help="type a file and see what that shows (see `midfill replay --help`)")
    return top


if __name__ == "__main__":
    sys.exit(main())
