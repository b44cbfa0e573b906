import asyncio
import logging
import socket

import pytest

from midfill_model.process.server import is_news


async def test_a_client_that_hung_up_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    theirs.close()
    with caplog.at_level(logging.WARNING, "asyncio"):
        for _ in range(10):  # asyncio warns of the sixth and those behind it
            writer.write(b"data: {}\n\n")
    writer.close()
    assert caplog.records
    assert not [record for record in caplog.records if is_news(record)]
