"""Ghost text that grows in VS Code, is withdrawn or replaced, and keys in the middle of it.

The server is scripted: a test decides what is written, and when.
"""

from __future__ import annotations

import pytest

from .opened import AFTER_ENTER, INDENT, MIDDLE, PARTS, WHOLE, Open
from .vscode import QUIET


def test_it_grows_and_is_never_empty_between(opened: Open) -> None:
    it = opened()
    it.window.record()
    it.after_enter(*PARTS).answer()
    it.window.rest(QUIET)
    texts = [change.text for change in it.window.recorded()]
    assert "" not in texts, texts
    drawn = [text for text in texts if text in PARTS]  # VS Code may draw the lines below the first anew
    assert list(dict.fromkeys(drawn)) == PARTS and drawn[-1] == PARTS[-1], drawn
    assert it.window.shown_at("Tab") == WHOLE
    assert it.saved() == INDENT + WHOLE


def test_escape_in_the_middle_ends_it_for_good(opened: Open) -> None:
    it = opened()
    question = it.after_enter(MIDDLE)
    it.window.shown_at("Escape")
    question.wait_cancelled()
    question.write(WHOLE)  # on its way already
    it.stays_empty()
    assert it.saved() == INDENT


def test_the_cursor_going_away_ends_it(opened: Open) -> None:
    it = opened()
    question = it.after_enter(MIDDLE)
    it.window.shown_at("ArrowUp")
    question.wait_cancelled()
    question.write(WHOLE)
    it.stays_empty()
    it.window.press("ArrowDown")
    it.stays_empty()
    assert it.saved() == INDENT


def test_tab_in_the_middle_accepts_what_is_shown_and_offers_the_rest(opened: Open) -> None:
    it = opened()
    it.after_enter(MIDDLE)
    assert it.window.shown_at("Tab") == MIDDLE
    assert it.saved() == INDENT + MIDDLE
    rest = WHOLE.removeprefix(MIDDLE)
    it.server.question((3, 24)).answer(rest)
    it.shows(rest.removeprefix("\n"))  # the cursor has its line to itself
    it.window.shown_at("Tab")
    assert it.saved() == INDENT + WHOLE


def test_typing_along_keeps_it(opened: Open) -> None:
    it = opened()
    it.after_enter(MIDDLE)
    it.window.record()
    it.window.type("self", pause_ms=70)
    question = it.server.question((2, 12))
    it.shows(MIDDLE[4:])
    question.write(WHOLE[4:10])  # written anew, which does not shrink it
    question.write(WHOLE[4:])
    it.shows(WHOLE[4:])
    question.answer()
    assert "" not in [change.text for change in it.window.recorded()]
    assert it.window.shown_at("Tab") == WHOLE[4:]
    assert it.saved() == INDENT + WHOLE


def test_any_other_key_ends_it(opened: Open) -> None:
    it = opened()
    question = it.after_enter(MIDDLE)
    it.window.shown_at("z")
    question.wait_cancelled()
    question.write(WHOLE)
    it.server.question((2, 9)).answer()
    it.stays_empty()
    assert it.saved() == INDENT + "z"


def test_an_empty_partial_result_clears_it_and_tab_inserts_nothing_of_it(opened: Open) -> None:
    it = opened()
    question = it.after_enter(*PARTS[:3])
    question.write("")
    it.shows("")
    it.stays_empty()
    question.answer()
    it.stays_empty()
    it.window.press("Tab")
    assert it.saved() == INDENT + "    "
    question = it.server.question()
    question.answer("pass")
    it.shows("pass")


def test_an_empty_answer_clears_what_was_left_of_an_earlier_one(opened: Open) -> None:
    it = opened()
    it.after_enter(MIDDLE)
    it.window.press("s")
    question = it.server.question((2, 9))
    it.shows(MIDDLE[1:])
    question.answer()
    it.shows("")
    it.stays_empty()
    it.window.press("Tab")
    assert it.saved().startswith(INDENT + "s ")


def test_a_text_that_is_withdrawn_as_soon_as_it_is_written_is_gone_too(opened: Open) -> None:
    """It may be on its way to the screen when it is withdrawn."""
    it = opened()
    question = it.after_enter()
    for wait in (0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15):
        question.write(MIDDLE)
        it.window.rest(wait)
        question.write("")
        it.window.rest(QUIET)
        assert it.window.ghost() == "", wait
    question.answer()
    it.stays_empty()


def test_what_is_withdrawn_while_a_key_comes_is_gone_too(opened: Open) -> None:
    """VS Code shows what is left of the old text until it has another answer: none comes here."""
    it = opened()
    for n, wait in enumerate((0, 0.02, 0.04, 0.06, 0.08)):
        it.window.press("Enter")
        question = it.server.question((2 + n, 8))
        question.write(MIDDLE)
        it.shows(MIDDLE)
        it.window.press("s")
        it.window.rest(wait)
        question.write("")
        question.answer()
        asked_anew = it.server.question((2 + n, 9))
        it.window.rest(0.1)
        if question.cancelled.is_set():  # it had been asked anew already: of the old request it hears no more
            asked_anew.write("")
        it.shows("")
        it.stays_empty()
    assert it.saved() == 5 * (INDENT + "s")


def test_after_a_withdrawal_another_text_may_grow(opened: Open) -> None:
    it = opened()
    question = it.after_enter(MIDDLE)
    question.write("")
    it.shows("")
    for text in ("pass", "pass  # for now"):
        question.write(text)
        it.shows(text)
    question.answer()
    assert it.window.shown_at("Tab") == "pass  # for now"
    assert it.saved() == INDENT + "pass  # for now"


@pytest.mark.parametrize("text", [PARTS[0], "pass"])
def test_a_shorter_or_another_text_replaces_it(opened: Open, text: str) -> None:
    it = opened()
    question = it.after_enter(MIDDLE)
    it.window.record()
    question.write(text)
    it.shows(text)
    question.answer()
    assert "" not in [change.text for change in it.window.recorded()]
    assert it.window.shown_at("Tab") == text
    assert it.saved() == INDENT + text


NEXT, PREVIOUS, ASK = "Alt+]", "Alt+[", "Alt+\\"
OTHERS = ("pass", "raise NotImplementedError")


def test_another_text_can_be_chosen(opened: Open) -> None:
    """What is on screen stays there until the others have come, and comes round again."""
    it = opened()
    it.after_enter(PARTS[0]).answer()
    it.window.rest(QUIET)
    it.window.record()
    it.window.press(NEXT)
    question = it.server.question(AFTER_ENTER)
    assert question.explicit
    question.write(PARTS[0])
    it.window.rest(QUIET)
    assert [change.text for change in it.window.recorded()] == [PARTS[0]]
    question.write(PARTS[0], *OTHERS)
    question.answer()
    it.shows(OTHERS[0])
    for key, text in ((NEXT, OTHERS[1]), (NEXT, PARTS[0]), (PREVIOUS, OTHERS[1]), (PREVIOUS, OTHERS[0])):
        it.window.press(key)
        it.shows(text)
    assert "" not in [change.text for change in it.window.recorded()]
    assert it.window.shown_at("Tab") == OTHERS[0]
    assert it.saved() == INDENT + OTHERS[0]


def test_who_asks_is_shown_the_first_before_the_others(opened: Open) -> None:
    it = opened()
    it.after_enter().answer()
    it.stays_empty()
    it.window.press(ASK)
    question = it.server.question(AFTER_ENTER)
    assert question.explicit
    for part in PARTS[:2]:
        question.write(part)
        it.shows(part)
    question.write(PARTS[1], *OTHERS)
    question.answer()
    it.window.rest(QUIET)
    assert it.window.ghost() == PARTS[1]
    it.window.press(NEXT)
    it.shows(OTHERS[0])
    assert it.window.shown_at("Tab") == OTHERS[0]
    assert it.saved() == INDENT + OTHERS[0]


def test_typing_another_text_that_was_chosen_keeps_it(opened: Open) -> None:
    it = opened()
    it.after_enter(PARTS[0]).answer()
    it.window.rest(QUIET)
    it.window.press(NEXT)
    question = it.server.question(AFTER_ENTER)
    question.write(PARTS[0], *OTHERS)
    question.answer()
    it.shows(OTHERS[0])
    it.window.record()
    it.window.press("p")
    it.server.question((2, 9)).answer(OTHERS[0][1:])
    it.window.rest(QUIET)
    assert [change.text for change in it.window.recorded()] in ([OTHERS[0][1:]], [OTHERS[0], OTHERS[0][1:]])
    assert it.window.shown_at("Tab") == OTHERS[0][1:]
    assert it.saved() == INDENT + OTHERS[0]
