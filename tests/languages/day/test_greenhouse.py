from datetime import date
from pathlib import Path

import pytest

from greenhouse import BedSummary, Reading, ReadingError, read_readings, report, summarize

HEADER = "day,bed,degrees,litres\n"


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "readings.csv"
    path.write_text(HEADER + "2026-05-01,North,21.5,2.0\n2026-05-02,north,23.0,0.5\n")
    return path


def reading(bed: str = "north", litres: float = 2.0) -> Reading:
    return Reading(day=date(2026, 5, 1), bed=bed, degrees=20.0, litres=litres)


def test_readings_are_parsed(csv_file: Path) -> None:
    first, second = read_readings(csv_file)
    assert first.day == date(2026, 5, 1)
    assert first.bed == "north"
    assert second.degrees == 23.0
    assert second.is_dry


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("day,bed\n")
    with pytest.raises(ReadingError, match="no column degrees, litres"):
        list(read_readings(path))


def test_negative_litres_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(HEADER + "2026-05-01,north,20,-1\n")
    with pytest.raises(ReadingError, match="line 2"):
        list(read_readings(path))


def test_a_summary_adds_up() -> None:
    summary = BedSummary("north")
    summary.add(reading(litres=2.0))
    summary.add(reading(litres=0.5))
    assert summary.days == 2
    assert summary.mean_litres() == 1.25
    assert summary.dry_days == [date(2026, 5, 1)]


def test_the_thirstiest_bed_comes_first() -> None:
    summaries = summarize([reading("north", 1.5), reading("south", 4.0)])
    lines = report(summaries).splitlines()
    assert lines[0].startswith("south")
    assert lines[1].startswith("north")
