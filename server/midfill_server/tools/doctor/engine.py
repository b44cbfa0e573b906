"""The engine of this user, if one runs: how it is, how old, of which version, and what it said last."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from midfill_model import seam
from midfill_model.seam import LOG
from midfill_server.engines.backend import BackendError
from midfill_server.engines.process import NOTHING, hanging, last_words
from midfill_server.tools import status_command
from midfill_server.tools.doctor.finding import Finding, fail, ok, warn

ENGINE = "Engine"


async def engine(is_wanted: bool) -> list[Finding]:
    """`is_wanted`: whether the settings let a key start one."""
    try:
        folder = seam.runtime_folder()
        state = await status_command.state()
    except (BackendError, seam.RuntimeFolderError):  # of the folder there is a finding already
        return []
    return judged(state, last_words(folder), version("midfill"), str(folder / LOG), is_wanted)


def judged(
    state: dict[str, Any], last: str, installed: str, log: str, is_wanted: bool = True
) -> list[Finding]:
    """`state` as `midfill status` tells it; `last`: the last line in the log of the newest engine."""
    key_starts = is_wanted and not state["paused"]
    words = status_command.of_engine(state, key_starts)
    found = _version(state["version"], installed, key_starts)
    match state["state"]:
        case "hangs":
            text, mend = hanging(state["pid"], key_starts)
            found = [fail(ENGINE, text, f"{mend}.")]
        case "failed":
            again = "; the next key tries again" if key_starts else ""
            found = [fail(ENGINE, words, f"When that is mended, run `midfill stop`{again}.")]
        case "starting" if status_command.for_long(state):
            mend = f"If it stays so, end process {state['pid']}." if state["pid"] else "See what it does."
            found = [warn(ENGINE, words, mend)]
        case _ if status_command.stands_still(state):
            mend = "Wait for two minutes; if it comes again, see whether the GPU's driver is well."
            found = [warn(ENGINE, words, mend), *found]
        case _:
            found = [ok(ENGINE, words), *found]
    if last != NOTHING and state["state"] != "ready":  # what goes wrong with one that works it tells itself
        found.append(warn(ENGINE, f"The last that an engine said: {last}", f"{log} has all of it."))
    if state["paused"]:
        found.append(warn(ENGINE, "Midfill is paused in all windows.", "Run `midfill resume` to go on."))
    return found


def _version(running: str | None, installed: str, key_starts: bool) -> list[Finding]:
    if running in (None, installed):
        return []
    then = "; the next key starts the right one" if key_starts else ""
    text = f"It is of Midfill {running}, and {installed} is installed."
    return [warn(ENGINE, text, f"Run `midfill stop`{then}.")]
