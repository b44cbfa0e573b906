"""The scripted engine is found, asked, left and stopped like the real one."""

from pathlib import Path

import pytest

from midfill_server.engines.backend import Backend, BackendError, Chunk, Interrupted, Order
from midfill_server.engines.dialects.midfill import MIDFILL
from midfill_server.engines.http.connection import Address
from midfill_server.engines.process import find
from midfill_server.tools.lsp_client import AnswerError, Editor

from ...scripted_engine import ScriptedEngine
from ..conftest import end_of, environment

ORDER = Order("def add(a, b):\n    ", "\n", max_tokens=64, slot="a")
URI = "file:///a.py"


async def chunks(backend: Backend, order: Order = ORDER) -> list[Chunk]:
    return [chunk async for chunk in backend.stream(order, MIDFILL)]


async def test_a_server_shows_what_it_says_while_it_says_it(own_folder: Path) -> None:
    with ScriptedEngine(own_folder) as engine:
        text = engine.says("return a", "\n", after=ORDER.prefix, steps=1)
        async with Editor(environment=environment(own_folder)) as editor:
            await editor.initialize()
            editor.open(URI, ORDER.prefix + ORDER.suffix)
            pending = editor.complete(URI, *end_of(ORDER.prefix), grow=lambda _: None)
            call = await engine.asked()
            assert (call.before, call.body["suffix"]) == (ORDER.prefix, ORDER.suffix)
            await engine.until(lambda: call.sent == "return a")
            text.go()
            assert await pending.text() == "return a"


async def test_a_cancel_is_seen_as_a_hang_up_and_connections_are_counted(own_folder: Path) -> None:
    with ScriptedEngine(own_folder) as engine:
        engine.says("return a\n", steps=0)
        async with Editor(environment=environment(own_folder)) as editor:
            await editor.initialize()
            editor.open(URI, ORDER.prefix)
            pending = editor.complete(URI, *end_of(ORDER.prefix))
            call = await engine.asked()
            assert engine.connections >= 1
            pending.cancel()
            with pytest.raises(AnswerError):
                await pending.text()
            await engine.until(lambda: call.finish == "cancelled")
            assert call.hung_up
        await engine.until(lambda: engine.connections == 0)


async def test_chunks_finishes_and_errors(own_folder: Path) -> None:
    with ScriptedEngine(own_folder) as engine:
        found = await find(own_folder)
        assert found is not None
        backend = found.backend
        assert [(it.text, it.finish) for it in await chunks(backend)] == [("", "stop")]
        engine.says("a", "b")
        assert [it.text for it in await chunks(backend)] == ["a", "b", ""]
        engine.says("a", "b", finish="cancelled")
        with pytest.raises(Interrupted):
            await chunks(backend)
        for script, sentence in (
            ({"fails": "Broken."}, "^Broken"),
            ({"fails": "Too long.", "blame": "request"}, "400.*Too long"),
            ({"status": 429}, "429"),
        ):
            engine.says(**script)
            with pytest.raises(BackendError, match=sentence):
                await chunks(backend)
        engine.says("a", fails="Broken later.")
        with pytest.raises(BackendError, match="Broken later"):
            await chunks(backend)
        engine.says("return", after=ORDER.prefix)
        assert (await chunks(backend, Order(ORDER.prefix + "ret", "", max_tokens=9)))[0].text == "urn"
        backend.close()


async def test_one_that_vanishes_breaks_the_stream_and_its_lock_is_free(own_folder: Path) -> None:
    with ScriptedEngine(own_folder) as engine:
        engine.says("a", "b", steps=1)
        found = await find(own_folder)
        assert found is not None
        backend = found.backend
        stream = backend.stream(ORDER, MIDFILL)
        assert (await anext(stream)).text == "a"
        engine.vanish()
        with pytest.raises(BackendError) as broken:
            await anext(stream)
        assert broken.value.gone
        backend.close()
        assert await find(own_folder) is None
        with ScriptedEngine(own_folder) as another:
            assert another.running and not engine.running


async def test_loading_failed_and_ready_as_the_real_one(own_folder: Path) -> None:
    with ScriptedEngine(own_folder, health={"protocol": 99}) as engine:
        engine.loading(0.25)
        found = await find(own_folder)
        assert found is not None
        backend = found.backend
        health = await backend.health()
        assert (health.status, health.progress, health.protocol) == ("loading", 0.25, 99)
        engine.failed("No model.")
        with pytest.raises(BackendError, match=r"^No model\.$"):
            await chunks(backend)
        engine.ready()
        assert (await backend.health()).model.budgets == (1024, 128, 512)
        await backend.shutdown()
        await engine.until(lambda: not engine.running)
        backend.close()


async def test_over_tcp_with_a_token(own_folder: Path) -> None:
    with ScriptedEngine(own_folder, tcp=True) as engine:
        engine.says("return a")
        backend = Backend(Address(engine.url, token=engine.token))
        assert [it.text for it in await chunks(backend)] == ["return a", ""]
        assert engine.calls[0].before == ORDER.prefix
        backend.close()
        stranger = Backend(Address(engine.url, token="wrong"))
        with pytest.raises(BackendError, match="401"):
            await chunks(stranger)
        stranger.close()
