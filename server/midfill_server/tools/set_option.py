"""`--set KEY=VALUE`: settings of editors, given on a command line."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from typing import Any

from midfill_model.command_line import UsageError
from midfill_server.settings import read_settings


def add_set_option(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, such as maxTokens=32",
    )


def settings_of(pairs: Sequence[str], own: Mapping[str, Any] = {}) -> dict[str, Any]:
    """A value is JSON; anything else is taken as a string. `own`: from options of their own, by the key.

    Raises UsageError, also for a key that an option of its own sets, which would win in silence.
    """
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"{pair!r} is not KEY=VALUE; try --set debounceMs=0")
        if key in own:
            raise UsageError(f"give --{key} alone, without --set {key}")
        try:
            settings[key] = json.loads(value)
        except (ValueError, RecursionError):
            settings[key] = value
    for options, given in (("--set: ", settings), ("--", own)):
        for complaint in read_settings(given)[1]:
            raise UsageError(options + complaint.removeprefix("midfill."))
    return settings | dict(own)
