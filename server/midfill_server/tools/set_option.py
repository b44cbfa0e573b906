"""`--set KEY=VALUE`: settings of editors, given on a command line."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
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


def settings_of(pairs: Sequence[str]) -> dict[str, Any]:
    """A value is JSON; anything else is taken as a string. Raises UsageError."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} is not KEY=VALUE; try --set debounceMs=0")
        try:
            settings[key] = json.loads(value)
        except ValueError:
            settings[key] = value
    if complaints := read_settings(settings)[1]:
        raise UsageError(f"--set: {'; '.join(complaints)}")
    return settings
