"""Twenty people at one real llama.cpp: `midfill load` measures them, and nobody meets an error."""

import asyncio
import json
import subprocess
import xml.etree.ElementTree as xml
from collections.abc import Callable
from pathlib import Path

import pytest

from ..e2e.conftest import CLI

SECONDS = 20


@pytest.mark.parametrize("n", [20])
def test_twenty_developers_without_an_error(llama: Callable[..., str], tmp_path: Path, n: int) -> None:
    trace, plot = Path(asyncio.__file__).with_name("queues.py"), tmp_path / "load.svg"
    options = ["--url", llama(exact=1), "--developers", str(n), "--trace", str(trace)]
    more = ["--seconds", str(SECONDS), "--json", "--plot", str(plot)]
    done = subprocess.run([*CLI, "load", *options, *more], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    figures = told["load"]["all"]
    assert told["errors"] == {} and figures["errors"] == 0
    assert figures["keys"] > n and figures["generations"] >= n // 2
    assert 0 <= figures["cancelled"] <= 1 and figures["wasted"] <= figures["tokens"] > 0
    drawn = xml.fromstring(plot.read_text("utf-8"))
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    trace = Path(asyncio.__file__).with_name("queues.py")
    options = ["--url", "http://127.0.0.1:9", "--developers", "2", "--trace", str(trace), "--seconds", "4"]
    done = subprocess.run([*CLI, "load", *options], capture_output=True, text=True, timeout=600)
    assert done.returncode == 1
    assert "nobody listens there" in done.stdout and done.stderr == "midfill: no request was answered\n"
