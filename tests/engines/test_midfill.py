"""Our own engine, over TCP with a key, behind `url`: all of ours, not one field less."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_server.engines.backend import Backend, Later, Order
from midfill_server.engines.dialects.midfill import MIDFILL, Midfill
from midfill_server.engines.status import Status
from midfill_server.engines.url.remote import Remote

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDERS = [
    Order("def is_list(it):\n    return isinst", "\n", 12),  # a word that is being typed
    Order("def add(first, second):\n    return ", "\n\nprint(add(1, 2))\n", 12),
    Order(
        "    for key, value in items:\n        print(",
        "\n",
        12,
        head="import os\n",
        context=("items = {}\n",),
    ),
]


@pytest.fixture(scope="module")
def listening() -> Iterator[seam.Card]:
    with tempfile.TemporaryDirectory(prefix="midfill-") as folder:
        command = [sys.executable, "-m", "midfill_server", "engine", "--model", "demo", "--port", "0"]
        with subprocess.Popen(
            [*command, "--runtime-dir", folder], stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            while (card := seam.read_card(Path(folder))) is None:
                assert process.poll() is None, process.stderr.read()
            yield card
            process.terminate()
            process.stderr.read()


async def test_it_writes_what_it_writes_on_its_socket(listening: seam.Card, own: Backend) -> None:
    told: list[Status] = []
    remote = Remote(listening.url, "auto", listening.token, "auto", told.append)
    async with asyncio.timeout(120):
        while not told:
            with suppress(Later):
                await remote.dialect()
            await asyncio.sleep(0.1)
    for order in ORDERS:
        there = "".join([chunk.text async for chunk in remote.stream(order)])
        here = "".join([chunk.text async for chunk in own.stream(order, MIDFILL)])
        assert there == here != ""
    assert isinstance(await remote.dialect(), Midfill)
    assert remote.budgets == seam.SMALL
    assert told[0].message.startswith("Midfill, model demo, 2048 tokens")
    remote.close()
