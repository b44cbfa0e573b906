"""A VS Code that behaves otherwise than the newest on a quiet machine; the server is scripted."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from .opened import INDENT, PARTS, WHOLE, Open


def giving_up(workbench: str) -> str:
    """One that ends its question while the first answer is on its way to it, as it may 750 ms after a key."""
    waits = r'!(\w)&&\w==="loading"\|\|\((\w)\.dispose\(\),(\w)\(!\1\)\)'
    ends = (
        r'!\1&&n.status.read(\2)==="loading"||(\2.dispose(),\3(!\1),\1&&setTimeout(()=>n.stop("automatic")))'
    )
    patched, count = re.subn(waits, ends, workbench)
    assert count == 1
    return patched


def test_a_text_that_vscode_gives_up_a_moment_too_soon_is_shown(opened: Open) -> None:
    it = opened(giving_up)
    it.after_enter().answer()
    it.window.press(
        "s"
    )  # a letter: VS Code's menu waits for ghost text, and ends the question when it waits no more
    question = it.server.question((2, 9))
    it.window.rest(0.5)  # a text that comes sooner finds VS Code waiting
    question.write(WHOLE[1:])
    question.answer()
    it.shows(WHOLE[1:])
    assert it.window.shown_at("Tab") == WHOLE[1:]
    assert it.saved() == INDENT + WHOLE


# What the trigger does with its arguments in the packed workbench, and in one that does not know them.
FORGET = {
    "all arguments": (r"(\w+)=\w+\.validateOrThrow\(\w+\)", r"\1=void 0"),
    "providerId": (r"\w+\?\.providerId\?", "!1?"),
}


@pytest.fixture(params=FORGET)
def forget(request: pytest.FixtureRequest) -> Callable[[str], str]:
    def forget(workbench: str) -> str:
        start = workbench.index('{super({id:"editor.action.inlineSuggest.trigger"')
        command, count = re.subn(*FORGET[request.param], workbench[start : start + 2000], count=1)
        assert count == 1
        return workbench[:start] + command + workbench[start + 2000 :]

    return forget


def test_a_vscode_that_does_not_know_the_arguments_shows_the_whole(
    opened: Open, forget: Callable[[str], str]
) -> None:
    it = opened(forget)
    question = it.after_enter(PARTS[0])
    for part in PARTS[1:]:
        question.write(part)
        it.window.rest(0.1)
    assert it.window.ghost() == PARTS[0], "this VS Code does know them"
    question.answer()
    it.shows(WHOLE)
    assert it.window.shown_at("Tab") == WHOLE
    assert it.saved() == INDENT + WHOLE


def test_there_too_what_is_withdrawn_is_cleared(opened: Open, forget: Callable[[str], str]) -> None:
    it = opened(forget)
    question = it.after_enter(PARTS[0])
    question.write(PARTS[1])
    question.write("")
    question.answer()
    it.shows("")
    it.stays_empty()
    assert it.saved() == INDENT
