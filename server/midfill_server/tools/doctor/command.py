"""`midfill doctor`: all checks in their order, for people or as JSON; 1 when something fails."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from midfill_model.command_line import Busy, UsageError, refusal
from midfill_server import __version__
from midfill_server.engines.choice import all_paused
from midfill_server.engines.http.keys import from_environment, key_for
from midfill_server.settings import Settings, read_settings
from midfill_server.tools.doctor import checkup, machine
from midfill_server.tools.doctor.editors import editors
from midfill_server.tools.doctor.endpoint import endpoint
from midfill_server.tools.doctor.engine import engine
from midfill_server.tools.doctor.finding import Finding, as_json, as_text, fail, shown
from midfill_server.tools.doctor.folders import folders
from midfill_server.tools.doctor.leftovers import leftovers, removed, told
from midfill_server.tools.doctor.trial import TRIAL, trial
from midfill_server.tools.set_option import settings_of

_SETTINGS = "Settings"


def main(options: Namespace) -> int:
    """Raises UsageError."""
    given = _read(options.settings) | settings_of(options.set)
    settings, complaints = read_settings(given)
    findings, times = asyncio.run(_found(options, given, settings, complaints))
    secrets = list(secrets_in(settings, dict(os.environ)))
    findings = [shown(it, secrets) for it in findings]
    failed = any(it.level == "fail" for it in findings)
    if options.json:
        told = {"version": __version__, "well": not failed, "findings": as_json(findings), "timings": times}
        print(json.dumps(told))
    else:
        print(as_text(findings, _ghost_text(findings)))
    return int(failed)


def _ghost_text(findings: list[Finding]) -> str:
    """What the trial has shown of it."""
    levels = [it.level for it in findings if it.section == TRIAL]
    if not levels:
        return "was not tried"
    return "works" if "ok" in levels else ""


def _read(file: Path | None) -> dict[str, Any]:
    """The settings of an editor, as JSON in a file, or on stdin for "-". Raises UsageError."""
    if file is None:
        return {}
    try:
        text = sys.stdin.read() if file == Path("-") else file.read_text("utf-8")
        found = json.loads(text)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {refusal(error)}") from None
    except (ValueError, RecursionError):
        raise UsageError(f"--settings {file}: that is not JSON, such as {{}}") from None
    if isinstance(found, dict) and isinstance(found.get("midfill"), dict):
        found = found["midfill"]
    if not isinstance(found, dict):
        raise UsageError(f"--settings {file}: that is not a JSON object, such as {{}}")
    return found


async def _found(
    options: Namespace, given: dict[str, Any], settings: Settings, complaints: list[str]
) -> tuple[list[Finding], dict[str, Any]]:
    """In the order of the output. Only the last check starts an engine."""
    wants_engine, model = settings.own_model is not None, settings.own_model or settings.model
    with Busy() as busy:
        busy.show("Looking at the machine and its libraries")
        looked = await asyncio.to_thread(checkup.checkup, model, options.thorough)
        driver = await asyncio.to_thread(machine.driver)
        found = [*machine.machine(), *checkup.machine(looked), *machine.gpu(driver, looked.gpu_lack)]
        found += checkup.libraries(looked, wants_engine)
        found += checkup.models(looked, model, wants_engine)
        busy.show("Looking at folders")
        found += await asyncio.to_thread(folders, looked.hub_cache)
        left = leftovers(looked.hub_cache)
        found += removed(left) if options.fix else told(left)
        mend = "Correct it in your editor; until then the default is used."
        found += [fail(_SETTINGS, f"{it}.", mend) for it in complaints]
        busy.show("Asking the engine")
        found += await engine(is_wanted=wants_engine and settings.enabled)
        busy.show("Asking the server")
        servers = await endpoint(settings)
        found += servers
        found += editors()
    nobody_answers = bool(settings.urls) and [it.level for it in servers].count("fail") == len(settings.urls)
    if options.quick or not settings.enabled or all_paused() or nobody_answers:
        return found, {}
    completed, times = await trial(given)
    return found + completed, times


def secrets_in(settings: Settings, variables: dict[str, str]) -> Iterator[str]:
    """Whatever must not be shown, even where a server's own words repeat it."""
    for number in range(max(1, len(settings.urls))):
        if key := key_for(settings, number)[0]:
            yield key
    for _, value in settings.headers:
        yield from_environment(value)
    proxies = [value for name, value in variables.items() if name.lower().endswith("_proxy")]
    for url in (*settings.urls, settings.proxy or "", *proxies):
        try:
            password = urlsplit(url if "//" in url else f"http://{url}").password
        except ValueError:
            continue
        if password:
            yield password
