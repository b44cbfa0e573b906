"""What the doctor has found: one line for people, one object in JSON; nothing secret in either."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

Level = Literal["ok", "warn", "fail"]
_MARKS: Mapping[Level, str] = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}
_SHORTEST_SECRET = 4  # characters; of a shorter one every other word would be hidden


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `mend` is a sentence that says what to do; what is well needs none."""

    section: str
    level: Level
    text: str
    mend: str = ""


def ok(section: str, text: str) -> Finding:
    return Finding(section, "ok", text)


def warn(section: str, text: str, mend: str = "") -> Finding:
    return Finding(section, "warn", text, mend)


def fail(section: str, text: str, mend: str) -> Finding:
    return Finding(section, "fail", text, mend)


def shown(finding: Finding, secrets: Iterable[str] = (), home: str | None = None) -> Finding:
    """As anybody may read it: `home`, the user's by default, is ~, and each secret is ***."""

    def clean(text: str) -> str:
        return hidden(folded(text, home), secrets)

    return replace(finding, text=clean(finding.text), mend=clean(finding.mend))


def folded(text: str, home: str | None = None) -> str:
    """Paths below the home begin with ~: a log that is sent to somebody says nothing of who the user is."""
    home = (os.path.expanduser("~") if home is None else home).rstrip("/\\")
    if len(home) < 2:  # no home, or the root
        return text
    return re.sub(rf"(?<![\w.-]){re.escape(home)}(?=$|[^\w.-]|\.(?!\w))", "~", text)


def hidden(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def as_text(findings: Iterable[Finding], ghost_text: str = "") -> str:
    """The sections in their order, a line for each finding, its mend below it; and a sentence for all.

    `ghost_text`: what is known of it, such as "works"; it is said where nothing fails.
    """
    lines: list[str] = []
    section = ""
    findings = list(findings)
    for it in findings:
        if it.section != section:
            section = it.section
            lines += ["", section] if lines else [section]
        lines.append(f"  {_MARKS[it.level]}  {it.text}")
        lines += [f"        → {it.mend}"] if it.mend else []
    return "\n".join([*lines, "", verdict(findings, ghost_text)])


def verdict(findings: Iterable[Finding], ghost_text: str = "") -> str:
    levels = [it.level for it in findings]
    n_fails, n_warns = levels.count("fail"), levels.count("warn")
    told = [f"{n_fails} thing{'s fail' if n_fails > 1 else ' fails'}"] if n_fails else []
    told += [f"{n_warns} warning{'s' if n_warns > 1 else ''}"] if n_warns else []
    known = f"; ghost text {ghost_text}" if ghost_text and not n_fails else ""
    return f"{', '.join(told) or 'All is well'}{known}."


def as_json(findings: Iterable[Finding]) -> list[dict[str, str]]:
    return [asdict(it) for it in findings]
