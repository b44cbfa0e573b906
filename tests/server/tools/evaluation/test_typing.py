"""The typist, the screen, and what is counted; no server."""

import random
import statistics
from itertools import pairwise

from midfill_server.tools.evaluation.replay.screen import Episode, Screen, next_word, right_words, useful
from midfill_server.tools.evaluation.replay.trace import Keystroke, Trace, table, together
from midfill_server.tools.evaluation.replay.typist import keys, pause
from midfill_server.tools.evaluation.tap import Exchange

TEXT = "def f(x):\n    return x\n\n\nprint(f(1))"


def test_keys_are_the_text_and_an_editor_indents() -> None:
    assert "".join(keys(TEXT)) == TEXT
    assert keys("a\n    b\n\nc") == ["a", "\n    ", "b", "\n", "\n", "c"]


def test_people_type_in_bursts_and_stop_at_line_ends() -> None:
    chance = random.Random(1)
    typed = keys(TEXT * 40)
    pauses = [(before, pause(before, key, chance)) for before, key in pairwise(typed)]
    assert 0.14 < statistics.median(it for _, it in pauses) < 0.22
    assert statistics.median(it for before, it in pauses if before.startswith("\n")) > 0.5
    again = random.Random(1)
    assert [pause(b, k, again) for b, k in pairwise(typed)] == [it for _, it in pauses]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_typing_what_the_screen_shows_keeps_it_and_its_age() -> None:
    clock = Clock()
    screen = Screen(clock)
    screen.show("abc")
    screen.typed("a")
    clock.now = 0.3
    assert (screen.text, screen.noticed) == ("bc", True)
    screen.show("bcd")  # it grew
    assert screen.noticed
    screen.show("xyz")
    assert not screen.noticed
    screen.typed("y")
    assert screen.text == ""


def test_useful_is_what_somebody_would_accept() -> None:
    assert useful("return x", "return x\n") == "return x"
    assert useful("return x\n    y", "return x\n    z") == "return x"
    assert useful("return y", "return x\n") == ""
    assert useful("\n    a\n    b", "\n    a\n    c") == "\n    a"
    assert useful("\n\n", "\n    a") == ""
    assert useful("", "x") == ""


def test_the_next_word() -> None:
    assert next_word("  foo.bar") == "  foo"
    assert next_word(").x") == ")."
    assert next_word("") == ""


def test_words_are_accepted_as_long_as_they_are_right() -> None:
    assert right_words("self.total += tax", "self.total -= tax") == ["self", ".", "total"]
    assert right_words("total", "totals") == []
    assert right_words("\n    return x", "\n    return x") == ["\n    return", " x"]
    assert right_words("", "x") == []


def test_a_text_flashes_that_the_next_key_takes_away() -> None:
    screen = Screen(Clock())
    for shown, typed in (("abc", "x"), ("abc", "a"), ("bcd", "x"), ("", "y"), ("q", "q")):
        screen.show(shown)
        screen.typed(typed)
    assert [it.flashed for it in screen.episodes] == [True, False, True]  # bcd is what was left of abc
    assert [it.right for it in screen.episodes] == [0, 1, 1]
    assert [it.wrong for it in screen.episodes] == [True, False, False]
    assert screen.episodes[1].length == 4


def test_a_text_is_useful_that_foretells_four_keys() -> None:
    screen = Screen(clock := Clock())
    screen.show("abcdef")
    for key in "abc":
        screen.typed(key)
    assert not screen.episodes[0].useful
    screen.show("de")  # cut shorter: still the same text
    screen.typed("d")
    clock.now = 0.5
    screen.show("")
    (episode,) = screen.episodes
    assert episode.useful and episode.ended and not episode.flashed and episode.seconds == 0.5


def exchange(started: float, ended: float, reused: int, prefix: int) -> Exchange:
    timings: dict[str, float] = {"reused_tokens": reused, "prefix_tokens": prefix}
    return Exchange({"prompt": "x"}, started, ended, timings=timings)


def test_the_figures_of_a_trace() -> None:
    strokes = [
        Keystroke("line", "known", latency=0.002),
        Keystroke("word", "known", latency=0.004),
        Keystroke("wrong", "asked", latency=0.2, starts_line=True),
        Keystroke("nothing"),
    ]
    exchanges = [exchange(0, 2, 0, 100), exchange(1, 3, 90, 100), exchange(5, 6, 130, 100)]
    episodes = [
        Episode(0.0, 9, right=5, keys=6, ended=True),
        Episode(0.0, 2, right=2, keys=2, ended=True),
        Episode(0.0, 1, right=1, keys=1, seconds=0.2, ended=True),
        Episode(0.0, 3, right=0, keys=1, seconds=1.0, ended=True),
    ]
    trace = Trace("a.py", 4, 1, episodes, 9.0, strokes, exchanges)
    found = {row.name: row.values[0] for row in table([trace]).rows}
    assert (found["shown"], found["word"], found["line"]) == (0.75, 0.5, 0.25)
    assert (found["known"], found["asked"], found["unanswered"]) == (0.5, 0.25, 0.25)
    assert (found["texts"], found["useful"], found["trivial"], found["wrong"]) == (4, 0.25, 0.5, 0.25)
    assert (found["saved"], found["wrong_long"], found["flashed"], found["blinked"]) == (
        0.25,
        0.25,
        0.5,
        0.25,
    )
    assert (found["line_starts"], found["starts_wrong"], found["starts_line"]) == (1, 1.0, 0.0)
    assert found["known_p95"] == 4.0
    assert found["engine_seconds"] == 4.0  # overlaps count once
    assert found["reuse"] == 0.95  # the first one had nothing to reuse; the suffix does not count
    assert together([trace, trace]).share("known") == 0.5


def test_a_trace_of_nothing_has_no_shares() -> None:
    found = {row.name: row.values[0] for row in table([Trace("a.py", 1, 0, [], 0.0, [], [])]).rows}
    assert found["shown"] is found["flashed"] is found["known_p95"] is found["reuse"] is None
