"""The file for `midfill why` lives as long as its window."""

import asyncio
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_server.editor.record import why
from midfill_server.editor.record.why import WhyFile, last_requests


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WhyFile:
    monkeypatch.setenv("MIDFILL_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(why, "SECONDS", 0.0)
    return WhyFile(["a.py:1:1 known: that is all"])


async def test_a_name_that_is_no_utf_8_is_written_too(file: WhyFile) -> None:
    file.lines = ["\ud800.py:1:1 known: that is all"]
    file.touch()
    assert await written() == ["?.py:1:1 known: that is all"]
    file.close()


async def written() -> list[str]:
    """What the file holds once all that is due is written."""
    for _ in range(3):
        await asyncio.sleep(0)
    await asyncio.get_running_loop().shutdown_default_executor()
    return last_requests()


async def test_it_goes_when_the_window_closes(file: WhyFile) -> None:
    file.touch()
    assert await written() == list(file.lines)
    file.close()
    assert last_requests() == []


async def test_a_request_that_ends_after_the_window_leaves_none(file: WhyFile) -> None:
    file.close()
    file.touch()
    assert await written() == []


async def test_a_window_that_closes_during_the_write_leaves_none(
    file: WhyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = seam.write_private

    def closed_meanwhile(path: Path, text: str) -> None:
        file.close()
        write(path, text)

    monkeypatch.setattr(seam, "write_private", closed_meanwhile)
    file.touch()
    assert await written() == []
