import json
import os
import stat
from multiprocessing import get_context
from pathlib import Path

import pytest

from midfill_server.editor.record import statistics
from midfill_server.editor.record.statistics import (
    FILE,
    Statistics,
    StatisticsError,
    Tally,
    forget,
    read,
    report,
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state" / "midfill"
    monkeypatch.setenv("MIDFILL_STATE_DIR", str(folder))
    return folder


@pytest.mark.parametrize("named", ["~/state/midfill", "state/midfill", "./other/../state/midfill"])
def test_a_folder_may_be_named_from_home_or_from_here(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MIDFILL_STATE_DIR", named)
    it = window()
    it.count("shown")
    save(it)
    assert (state / FILE).exists()


def window() -> Statistics:
    it = Statistics()
    it.on = True
    return it


def save(it: Statistics) -> None:
    it.write(it.take())


def test_windows_add_to_one_file_which_only_the_user_can_read(state: Path) -> None:
    for seconds in (0.002, 0.2):
        it = window()
        it.count("accepted")
        it.time("whole", seconds)
        save(it)
    assert read().events == {"accepted": 2}
    assert stat.S_IMODE((state / FILE).stat().st_mode) == 0o600
    assert report(read())["latencies"]["whole"]["n"] == 2


def add_many(folder: str) -> None:
    os.environ["MIDFILL_STATE_DIR"] = folder
    for _ in range(50):
        it = window()
        it.count("shown")
        save(it)


def test_windows_that_write_at_once_lose_nothing(state: Path) -> None:
    state.mkdir(parents=True)
    processes = [get_context("fork").Process(target=add_many, args=(str(state),)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert read().events["shown"] == 150


def test_percentiles_are_right_to_a_tenth() -> None:
    tally = Tally()
    for milliseconds in range(1, 1001):
        tally.time("first", milliseconds / 1000)
    for share in (50, 95):
        assert tally.percentile("first", share) == pytest.approx(10 * share, rel=0.1)
    assert tally.percentile("known", 50) is None


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e9])
def test_odd_times_fall_into_the_outer_buckets(seconds: float) -> None:
    it = window()
    it.time("known", seconds)
    save(it)
    found = read().percentile("known", 95)
    assert found == (1.1 if seconds < 1 else pytest.approx(30_000, rel=0.1))


def test_nothing_is_written_when_it_is_off_or_there_is_nothing(state: Path) -> None:
    off = Statistics()
    off.count("shown")
    off.time("known", 0.1)
    for it in (off, window()):
        save(it)
    assert not state.exists()


def test_what_is_forgotten_does_not_come_back(state: Path) -> None:
    it = window()
    it.count("shown")
    save(it)
    it.count("shown")
    assert forget() and not forget()
    save(it)
    assert not (state / FILE).exists()
    it.count("shown")
    save(it)
    assert read().events == {"shown": 1}


def test_there_need_be_no_folder() -> None:
    assert not forget()
    assert not read()
    assert "0 suggestions offered" in statistics.as_text(report(read()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 2}',
        '{"version": 1, "events": {"shown": -1}, "latencies": {}}',
        "\0",
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_one_sentence_and_replaced_by_the_next_counts(state: Path, text: str) -> None:
    state.mkdir(parents=True)
    (state / FILE).write_text(text)
    with pytest.raises(StatisticsError, match="--forget"):
        read()
    it = window()
    it.count("shown")
    save(it)
    assert read().events == {"shown": 1}


def test_a_folder_that_cannot_be_written_is_no_error(state: Path) -> None:
    state.parent.write_text("a file")
    it = window()
    it.count("shown")
    save(it)
    assert state.parent.read_text() == "a file"


def test_the_file_holds_numbers_alone(state: Path) -> None:
    it = window()
    for event in statistics.EVENTS:
        it.count(event)
    it.time("known", 0.01)
    save(it)
    raw = json.loads((state / FILE).read_text())
    assert raw.keys() == {"version", "events", "latencies"}
    assert all(type(n) is int for n in raw["events"].values())
    assert raw["latencies"] == {"known": {"13": 1}, "first": {}, "whole": {}}
