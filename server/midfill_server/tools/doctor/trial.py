"""One completion through the real server, as an editor would ask for it, with its times."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from midfill_server.tools.complete_command import Place, complete
from midfill_server.tools.doctor.finding import Finding, fail, ok, warn

TRIAL = "Completion"
TEXT = "import json\n\n\ndef load(path):\n    with open(path) as file:\n        return json."
_SECONDS = 600.0  # a large model's first start reads 31 GB
_SLOW_MS = 3000.0  # to the first text: nobody waits so long


async def trial(settings: dict[str, Any]) -> tuple[list[Finding], dict[str, Any]]:
    """The findings, and the times in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="midfill-doctor-") as name:
        place = _written(Path(name))
        try:
            async with asyncio.timeout(_SECONDS):
                outcome = await complete(place, TEXT, settings, lambda _: None)
        except TimeoutError:
            text = f"There was no completion within {_SECONDS:.0f} s."
            return [fail(TRIAL, text, "Run `midfill stop`, then try again.")], {}
        except ConnectionError:
            text = "The language server stopped before it answered."
            return [fail(TRIAL, text, "Run `midfill serve` on its own to see why.")], {}
    return judged(outcome), dict(outcome["timings"])


def _written(folder: Path) -> Place:
    path = folder.resolve() / "load.py"
    path.write_text(TEXT)
    return Place(path, TEXT.count("\n") + 1, len(TEXT) - TEXT.rfind("\n"))


def judged(outcome: dict[str, Any]) -> list[Finding]:
    """`outcome` as `midfill complete --json` prints it."""
    times = outcome["timings"]
    told = [warn(TRIAL, outcome["warning"])] if outcome["warning"] else []
    if outcome["error"]:
        text, _, mend = str(outcome["error"]).partition("; ")
        return [*told, fail(TRIAL, f"{text.rstrip('.')}.", f"{mend[:1].upper()}{mend[1:]}")]
    if not outcome["text"]:
        text = f"Nothing was offered in an easy place: {outcome['why'] or 'nobody knows why'}."
        return [*told, warn(TRIAL, text, "Try `midfill complete FILE:LINE:COL` in a file of your own.")]
    first = times["first_partial_ms"] or times["total_ms"]
    text = (
        f"{outcome['model']} wrote {outcome['text'].splitlines()[0]!r}: first text after {first:.0f} ms, all "
        f"of it after {times['total_ms']:.0f} ms, ready {times['ready_ms'] / 1000:.1f} s after the start"
    )
    if first > _SLOW_MS:
        mend = "Take a smaller model, or a machine with a GPU; see whether something else uses this one."
        return [*told, warn(TRIAL, f"{text}. That is too slow to type with.", mend)]
    return [*told, ok(TRIAL, text)]
