"""A new text that is typed sooner than it is read is not shown; what is left of one on screen always is."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midfill_server.context import Window
from midfill_server.engines.backend import Chunk, Order
from midfill_server.keystroke.complete import Completer
from midfill_server.keystroke.desk import GLANCE, Desk
from midfill_server.keystroke.flight import Ask
from midfill_server.keystroke.story import Story

URI = "file:///a"


def ask(typed: str = "", confidence: float = 0.5, suffix: str = "\n", chosen: int = 0) -> Ask:
    window = Window("x = " + typed, suffix)
    return Ask(URI, window, debounce=0, max_tokens=64, confidence=confidence, chosen=chosen)


def completer(*tokens: str) -> Completer:
    async def stream(order: Order) -> AsyncGenerator[Chunk]:
        for token in tokens:
            yield Chunk(token)
            await asyncio.sleep(0)
        yield Chunk("", "stop")

    return Completer(stream)


async def shown(it: Completer, wanted: Ask, story: Story | None = None) -> list[str]:
    """All that the editor hears, the answer last."""
    heard: list[str] = []
    async with asyncio.timeout(5):
        heard.append(await it.complete(wanted, heard.append, story))
    return heard


@pytest.mark.parametrize("text", ["a", "ab", "1 2"])
async def test_a_new_text_of_two_characters_is_not_shown(text: str) -> None:
    story = Story()
    assert await shown(completer(text), ask(), story) == [""]
    assert "sooner than it is read" in story.ending and story.first is None


async def test_three_are() -> None:
    assert (await shown(completer("abc"), ask()))[-1] == "abc"


async def test_who_asks_with_a_key_or_in_a_menu_is_shown_all() -> None:
    assert (await shown(completer("a"), ask(confidence=0.0)))[-1] == "a"
    assert (await shown(completer("xa"), ask("x", chosen=1)))[-1] != ""


async def test_what_is_left_of_a_text_on_screen_stays() -> None:
    it = completer("abcd")
    for typed in ("", "a", "ab", "abc"):
        assert (await shown(it, ask(typed)))[-1] == "abcd"[len(typed) :]


async def test_the_end_of_a_text_that_nobody_has_seen_is_new() -> None:
    desk = Desk()
    assert desk.worth_a_glance("d", ask("abc")) == ""
    desk.worth_a_glance("abcd", ask())
    desk.worth_a_glance("", ask("x"))  # it went
    assert desk.worth_a_glance("d", ask("abc")) == ""


@given(st.text(st.sampled_from("ab (\n"), min_size=1, max_size=12), st.integers(0, 12))
def test_once_shown_it_is_never_taken_back_while_it_is_typed(text: str, n: int) -> None:
    desk = Desk()
    first = desk.worth_a_glance(text, ask())
    assert bool(first) == (len("".join(text.split())) >= GLANCE)
    for typed in range(1, min(n, len(text) - 1) + 1):
        rest = text[typed:]
        assert not first or desk.worth_a_glance(rest, ask(text[:typed])) == rest
