"""`midfill status` in words."""

from pathlib import Path
from typing import Any

import pytest

from midfill_model.generation.requests.state import ASLEEP
from midfill_server.tools.status_command import PAUSED, STOPPED, BackendError, as_text, pause, resume

READY: dict[str, Any] = STOPPED | {
    "state": "ready",
    "pid": 7,
    "model": "lite",
    "fim_trained": True,
    "device": "NVIDIA H200",
    "weights": "nf4, double-quantised",
    "memory": {"resident": 3 << 29, "gpu_allocated": 9 << 30, "gpu_reserved": 10 << 30},
    "uptime_s": 61.2,
    "requests": 3,
    "message": "Ready.",
}


def test_the_memory_that_is_held_is_told() -> None:
    assert as_text(READY) == (
        "ready: model lite in nf4, double-quantised on NVIDIA H200, process 7, up 61 s, 3 requests, "
        "10.0 GiB of GPU memory, 1.5 GiB of memory. Ready."
    )


def test_the_last_requests_the_windows_and_the_last_error_are_told() -> None:
    figures = {
        "first_text_p50": 0.052,
        "first_text_p95": 0.1204,
        "tokens_per_second": 212.4,
        "reused_share": 0.97,
    }
    words = as_text(READY | {"windows": 2, "figures": figures, "last_error": "Out of memory."})
    assert words.endswith(
        "1.5 GiB of memory, 2 windows. The last requests: first text after 52 ms (p50) and 120 ms (p95), "
        "212 tokens a second, 97 % of prompts reused. The last error: Out of memory. Ready."
    )


def test_a_completion_that_stands_still_is_told() -> None:
    assert "stood still for 34 s" in as_text(READY | {"stalled_s": 34.2})
    assert "still" not in as_text(READY | {"stalled_s": 0.3})


def test_a_pause_is_told_whatever_the_engine_does() -> None:
    for state in (READY, STOPPED):
        assert as_text(state | {"paused": True}).endswith(
            "Midfill is paused in all windows; `midfill resume` goes on."
        )


def test_while_it_is_paused_no_key_is_said_to_start_or_load_anything() -> None:
    asleep = READY | {"asleep": True, "message": ASLEEP}
    hangs = STOPPED | {"state": "hangs", "pid": 7}
    for state, said in (
        (STOPPED, "No engine is running."),
        (asleep, "The model has left the memory."),
        (hangs, "End it with `kill -9 7`."),
    ):
        assert "he next key" in as_text(state)
        assert as_text(state | {"paused": True}).endswith(f"{said} {PAUSED}.")


async def test_a_folder_in_the_place_of_the_pause_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "run" / "paused").mkdir()
    for change in (pause, resume):
        with pytest.raises(BackendError, match=r"paused pauses Midfill, but is a folder; remove it, and"):
            await change()


def test_a_model_that_was_not_trained_to_fill_in_the_middle_is_named() -> None:
    words = as_text(READY | {"fim_trained": False})
    assert "was not trained to fill in the middle" in words and "`midfill download lite`" in words


def test_an_engine_that_is_loading_or_gone() -> None:
    loading = READY | {"state": "loading", "fim_trained": None, "memory": {}, "message": "Loading the model."}
    assert as_text(loading).endswith("3 requests. Loading the model.")
    assert as_text(STOPPED).startswith("No engine is running")


@pytest.mark.parametrize("state", ["loading", "ready", "failed", "stopped", "starting"])
def test_what_is_not_known_is_not_said(state: str) -> None:
    """Of an engine that loads its model, or of another version: None is no word for people."""
    text = as_text(STOPPED | {"state": state, "pid": 1, "message": "Loading."})
    assert "None" not in text and text.endswith(".")
