import pytest

from midfill_server.keystroke.pace import LONGEST_PAUSE, STOPPED, Pace

DEBOUNCE = 0.075


def typist(pause: float = 0.16, keys: int = 5, answer: float | None = 0.07) -> tuple[Pace, float]:
    """Somebody who has typed some keys, and the time of the last one."""
    pace = Pace()
    for n in range(keys):
        pace.key(n * pause)
    if answer is not None:
        pace.answer(answer)
    return pace, (keys - 1) * pause


def test_an_idle_engine_that_is_faster_than_the_next_key_is_asked_at_once() -> None:
    pace, key = typist()
    assert pace.due(key + 0.05, DEBOUNCE, idle=True) == key + 0.05


def test_a_busy_engine_waits_for_the_pause_which_counts_from_the_key() -> None:
    pace, key = typist()
    assert pace.due(key + 0.05, DEBOUNCE, idle=False) == key + DEBOUNCE


def test_a_slow_engine_waits_for_the_pause() -> None:
    pace, key = typist(answer=0.3)
    assert pace.due(key + 0.05, DEBOUNCE, idle=True) == key + DEBOUNCE


def test_what_was_never_measured_waits_for_the_pause() -> None:
    for pace, key in (typist(answer=None), typist(keys=1)):
        assert pace.due(key, DEBOUNCE, idle=True) == key + DEBOUNCE


def test_a_pause_that_is_over_is_not_waited_out_again() -> None:
    pace, key = typist(answer=0.3)
    assert pace.due(key + 0.2, DEBOUNCE, idle=False) == key + 0.2


def test_a_cursor_that_moves_waits_from_the_request() -> None:
    pace, key = typist()
    pace.due(key, DEBOUNCE, idle=True)
    assert pace.due(key + 5, DEBOUNCE, idle=True) == key + 5 + DEBOUNCE
    assert Pace().due(3, DEBOUNCE, idle=True) == 3 + DEBOUNCE


def test_an_explicit_request_never_waits() -> None:
    pace, key = typist(answer=9)
    assert pace.due(key, 0, idle=False) == key
    assert pace.due(key + 1, 0, idle=False) == key + 1


def test_thinking_is_no_pause_between_keys() -> None:
    pace, key = typist(pause=0.05)  # too fast for this engine
    for n in range(1, 4):
        pace.key(key + n * (LONGEST_PAUSE + 0.1))
    last = key + 3 * (LONGEST_PAUSE + 0.1)
    assert pace.due(last, DEBOUNCE, idle=True) == last + DEBOUNCE


def test_habits_change() -> None:
    pace, key = typist(pause=0.05)
    for n in range(1, 12):
        pace.key(key + n * 0.3)
    assert pace.due(key + 3.3, DEBOUNCE, idle=True) == key + 3.3


def test_after_a_generation_that_went_another_way_the_next_key_is_waited_for() -> None:
    pace, key = typist(answer=0.3)
    assert pace.due_again(key + 0.1, DEBOUNCE) == key + 0.1 + DEBOUNCE
    assert pace.due_again(key + 0.2, DEBOUNCE) == pytest.approx(key + STOPPED * 0.16)
    assert pace.due_again(key + 0.5, DEBOUNCE) == key + 0.5  # the user has stopped
    assert pace.due_again(key, 0) == key
    fast, key = typist(answer=0.02)
    assert fast.due_again(key + 0.1, DEBOUNCE) == key + 0.1
    assert Pace().due_again(1, DEBOUNCE) == 1
