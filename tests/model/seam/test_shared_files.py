"""What windows and engine tell each other by files: open windows, a pause, a log that stays small."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_model.process.life.rest import Rest


def test_windows_are_counted_and_killed_ones_are_not(tmp_path: Path) -> None:
    assert seam.count_windows(tmp_path) == 0
    here, other = seam.Window(), seam.Window()
    here.open(tmp_path)
    other.open(tmp_path)
    other.open(tmp_path)  # anew
    code = (
        "import sys; from pathlib import Path; from midfill_model import seam\n"
        f"window = seam.Window(); window.open(Path({str(tmp_path)!r})); print(flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-I", "-c", code], stdin=pipe, stdout=pipe) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert seam.count_windows(tmp_path) == 3
        child.kill()
        child.wait()
        assert seam.count_windows(tmp_path) == 2
    here.close()
    other.close()
    (left,) = (tmp_path / "windows").iterdir()  # by the killed one
    os.utime(left, (time.time() - 3600,) * 2)
    assert seam.count_windows(tmp_path) == 0
    assert list((tmp_path / "windows").iterdir()) == []


def test_who_counts_makes_no_file_and_is_no_window(tmp_path: Path) -> None:
    """Many windows open and close while two others count."""
    over = threading.Event()
    too_many: list[int] = []

    def count() -> None:
        while not over.is_set():
            too_many.extend(n for n in [seam.count_windows(tmp_path)] if n > 1)

    counting = [threading.Thread(target=count) for _ in range(2)]
    for it in counting:
        it.start()
    window = seam.Window()
    for _ in range(300):
        window.open(tmp_path)
        window.close()
    over.set()
    for it in counting:
        it.join()
    assert list((tmp_path / "windows").iterdir()) == [] and too_many == []


@pytest.mark.skipif(sys.platform == "win32", reason="there a look takes the lock")
def test_two_who_look_do_not_see_each_other(tmp_path: Path) -> None:
    with seam.engine_lock(tmp_path):
        pass
    seen: list[bool] = []

    def look() -> None:
        seen.extend(seam.engine_lives(tmp_path) for _ in range(500))

    looking = [threading.Thread(target=look) for _ in range(3)]
    for it in looking:
        it.start()
    for it in looking:
        it.join()
    assert len(seen) == 1500 and not any(seen)


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_an_old_log_that_is_a_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midfill_model.seam.log.LONGEST_LOG", 10)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / seam.OLD_LOG).symlink_to(victim)
    with open(tmp_path / seam.LOG, "ab") as log:
        log.write(b"a line that is long enough\n")
        log.flush()
        assert seam.keep_short(tmp_path, log.fileno())
    assert victim.read_text() == "mine" and not (tmp_path / seam.OLD_LOG).is_symlink()


def test_a_window_whose_folder_cannot_be_written_to_is_none(tmp_path: Path) -> None:
    (tmp_path / "windows").write_text("")
    window = seam.Window()
    window.open(tmp_path)
    assert seam.count_windows(tmp_path) == 0
    window.close()


def test_a_pause_is_begun_and_ended_once(tmp_path: Path) -> None:
    assert not seam.is_paused(tmp_path) and not seam.resume(tmp_path)
    assert seam.pause(tmp_path) and not seam.pause(tmp_path) and seam.is_paused(tmp_path)
    assert seam.resume(tmp_path) and not seam.is_paused(tmp_path)


def test_whatever_is_named_so_is_a_pause_and_only_a_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "paused").symlink_to(tmp_path / "nowhere")
    assert seam.is_paused(tmp_path) and not seam.pause(tmp_path)
    assert seam.resume(tmp_path) and not seam.is_paused(tmp_path)
    (tmp_path / "paused").mkdir()
    assert seam.is_paused(tmp_path)
    for change in (seam.pause, seam.resume):
        with pytest.raises(IsADirectoryError):
            change(tmp_path)


def test_a_log_that_is_too_long_is_kept_once_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("midfill_model.seam.log.LONGEST_LOG", 100)
    log = tmp_path / seam.LOG
    file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        os.write(file, b"x" * 100)
        assert not seam.keep_short(tmp_path, file)
        os.write(file, b"y")
        assert seam.keep_short(tmp_path, file)
        os.write(file, b"new\n")
    finally:
        os.close(file)
    assert (tmp_path / seam.OLD_LOG).read_bytes() == b"x" * 100 + b"y"
    assert (tmp_path / seam.OLD_LOG).stat().st_mode & 0o777 == 0o600
    assert log.read_bytes() == seam.mark(str(os.getpid())) + b"new\n"


def test_a_file_that_is_not_the_log_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a terminal's, of an engine that was started by hand."""
    monkeypatch.setattr("midfill_model.seam.log.LONGEST_LOG", 1)
    (tmp_path / seam.LOG).write_text("of another")
    with (tmp_path / "mine").open("ab") as mine:
        mine.write(b"long enough")
        mine.flush()
        assert not seam.keep_short(tmp_path, mine.fileno())
    assert (tmp_path / "mine").read_bytes() == b"long enough"


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("midfill_model.process.life.rest.time.monotonic", lambda: self.now)


def test_when_the_model_may_go_and_when_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, window = Clock(monkeypatch), seam.Window()
    rest = Rest(tmp_path, idle_seconds=600, leave_seconds=60)
    window.open(tmp_path)
    assert rest.look() and not rest.look()  # that was just now
    assert (rest.wants_sleep(599), rest.wants_sleep(601), rest.is_over(1e9)) == (False, True, False)
    clock.now += 100
    window.close()
    rest.look()
    assert not rest.is_over(200)  # the window was there a moment ago, as far as is known
    clock.now += 100
    rest.look()
    assert rest.is_over(200) and not rest.is_over(10)  # somebody else has just asked


def test_an_engine_that_never_had_a_window_ends_when_it_is_idle(tmp_path: Path) -> None:
    rest = Rest(tmp_path, idle_seconds=600, leave_seconds=60)
    rest.look()
    assert (rest.is_over(599), rest.is_over(601)) == (False, True)


def test_a_pause_lets_the_model_go_at_once(tmp_path: Path) -> None:
    seam.pause(tmp_path)
    rest = Rest(tmp_path, idle_seconds=600, leave_seconds=60)
    rest.look()
    assert rest.wants_sleep(0) and not rest.is_over(0)
