"""`midfill status` in words."""

from typing import Any

import pytest

from midfill_server.tools.status_command import STOPPED, as_text

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
