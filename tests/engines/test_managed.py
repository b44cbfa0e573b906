"""llama.cpp as an engine of ours: started for a .gguf file, found, shared, stopped, healed like our own."""

import asyncio
import os
import queue
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from midfill_model import seam
from midfill_model.checkpoint.gguf_name import LITE
from midfill_model.checkpoint.hub import resolve
from midfill_model.fim import CONTROL
from midfill_model.generation.requests.prompt import Budgets, Parts
from midfill_model.generation.requests.ticket import Delta, Event, Request
from midfill_model.generation.tokens import Tokenizer
from midfill_model.process.engines import engine_for
from midfill_model.process.llamacpp.engine import Engine as LlamaEngine
from midfill_model.process.llamacpp.server import SOCKETS, Options
from midfill_model.process.machine import cpus
from midfill_server.engines.backend import Backend, BackendError, Order
from midfill_server.engines.dialects.midfill import MIDFILL
from midfill_server.engines.process import find
from midfill_server.tools.lsp_client import Editor

from ..e2e.conftest import CLI, Engine, runtime_folder
from ..model.tiny_gguf import write_tiny
from .conftest import engine_of
from .holes import MODULES, N_TOKENS, Agreement, greedy, places

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECONDS = 120.0  # for what takes one: a busy machine is no failure
ENDLESS = Order("numbers = [1, 2, 3, 4, 5, 6, 7, 8, ", "", 1500)
PROGRAM = "import json\n\n\ndef load(path):\n    with open(path) as file:\n        return json."


@pytest.fixture
def folder() -> Iterator[Path]:
    with runtime_folder() as found:
        yield found


@pytest.fixture(scope="module")
def exact(gguf: Path) -> Iterator[LlamaEngine]:
    """With arithmetic that is ours: an f32 KV cache, no flash attention."""
    with runtime_folder() as folder:
        engine = LlamaEngine(str(gguf), "demo", folder, Options(threads=1, exact=True))
        engine.start()
        yield engine
        engine.stop(10)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def managed(gguf: Path) -> AsyncIterator[Backend]:
    """As a front has it: found by its card, asked over its socket."""
    async with engine_of(str(gguf)) as backend:
        yield backend


def events(engine: LlamaEngine, request: Request) -> list[Event]:
    inbox: queue.Queue[Event] = queue.Queue()
    engine.submit(request, inbox.put)
    found = [inbox.get(timeout=SECONDS)]
    while isinstance(found[-1], Delta):
        found.append(inbox.get(timeout=SECONDS))
    return found


def text_of(found: list[Event]) -> str:
    return "".join(it.text for it in found if isinstance(it, Delta))


def ids_of(engine: LlamaEngine, parts: Parts) -> list[int]:
    model = engine._model
    assert model is not None
    return model.vocabulary.prompt(parts, Budgets(1024, 128)).ids


async def test_greedy_text_is_our_engines(exact: LlamaEngine, own: Backend) -> None:
    found = Agreement(Tokenizer(resolve("demo")))
    for order in places():
        ours = await greedy(own, order)
        theirs = await asyncio.to_thread(
            events, exact, Request(order.prefix, order.suffix, N_TOKENS, context_tokens=0)
        )
        if ids_of(exact, Parts(order.prefix, order.suffix)) == found.ids_of(order):
            found.count(text_of(theirs), ours)
    found.check(len(MODULES) - 3)  # its tokenizer has no pattern of ours, but one that is near


async def test_a_half_typed_word_is_written_anew(exact: LlamaEngine) -> None:
    before, after = "import os\n\n\ndef is_text(value):\n    return isinst", "\n\nprint(is_text('a'))\n"
    healed = await asyncio.to_thread(events, exact, Request(before, after, 12, ("\n",), heal=True))
    assert text_of(healed).startswith("ance") and len(text_of(healed)) > len("ance(")
    first = next(it for it in healed if isinstance(it, Delta))
    assert first.tokens[0].log_probability <= 0.0


async def test_texts_that_differ_begin_in_the_likeliest_ways(exact: LlamaEngine) -> None:
    request = Request("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", 12, ("\n",), n=3)
    found = await asyncio.to_thread(events, exact, request)
    texts = ["".join(it.text for it in found if isinstance(it, Delta) and it.choice == n) for n in range(3)]
    assert len(set(texts)) == 3 and all(texts)
    alone = await asyncio.to_thread(events, exact, Request(str(request.prompt), request.suffix, 12, ("\n",)))
    assert texts[0] == text_of(alone)


async def test_a_signs_spelling_in_a_file_is_text(exact: LlamaEngine) -> None:
    parts = Parts("".join(f"sign_{n} = '{it}'\n" for n, it in enumerate(CONTROL)) + "x = ", "\n")
    signs = set(Tokenizer(resolve("demo")).control_ids)
    assert len([it for it in ids_of(exact, parts) if it in signs]) == 4


async def test_a_prompt_that_grows_has_the_ids_of_one_that_is_new(exact: LlamaEngine) -> None:
    """What is known of the prompt before is not asked for again: nothing may differ for it."""
    model = exact._model
    assert model is not None
    text = Path(asyncio.__file__).with_name("base_events.py").read_text("utf-8")[:9000] + "\n\n# é ü 漢字\n"
    for n in range(len(text) - 60, len(text)):
        model.vocabulary._known.popitem(last=False) if len(model.vocabulary._known) > 8 else None
        assert model.vocabulary.encode(text[:n]) == model.vocabulary._asked(text[:n])[0]


async def test_a_file_longer_than_the_context_is_cut(managed: Backend) -> None:
    long = "".join(f"value_{n} = compute({n})\n" for n in range(900))
    order = Order(long + "value_900 = comp", long, 16)
    assert "".join([it.text async for it in managed.stream(order, MIDFILL)]).startswith("ute(")
    more = replace(order, prefix_tokens=9000, suffix_tokens=9000)  # than it can take
    assert [it.finish async for it in managed.stream(more, MIDFILL)][-1] is not None


async def test_a_hang_up_ends_the_decoding(managed: Backend) -> None:
    async with aclosing(managed.stream(ENDLESS, MIDFILL)) as chunks:
        async for chunk in chunks:
            if chunk.text:
                break
        assert (await managed.health()).running == 1
    async with asyncio.timeout(SECONDS):
        while (await managed.health()).running:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.02)
    before = (await managed.health()).requests
    short = [it async for it in managed.stream(Order("a = ", "\n", 2), MIDFILL)]
    assert short[-1].finish and (await managed.health()).requests == before + 1


async def test_how_sure_the_model_is_comes_with_each_token(managed: Backend) -> None:
    order = Order("def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", 8, logprobs=True)
    chunks = [it async for it in managed.stream(order, MIDFILL) if it.text]
    assert chunks and all(sum(n for n, _ in it.tokens) == len(it.text) for it in chunks)


async def test_a_newer_request_of_a_document_ends_the_older(managed: Backend) -> None:
    async def endless() -> str | None:
        order = Order(ENDLESS.prefix, "", 1500, slot="a")
        return [it.finish async for it in managed.stream(order, MIDFILL)][-1]

    older = asyncio.create_task(endless())
    async with asyncio.timeout(SECONDS):
        while not (await managed.health()).running:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.02)
        assert [it async for it in managed.stream(Order("a = ", "\n", 2, slot="a"), MIDFILL)]
        with pytest.raises(Exception, match="ended the completion"):
            await older


def environment(folder: Path) -> dict[str, str]:
    return {"MIDFILL_RUNTIME_DIR": str(folder), "MIDFILL_STATE_DIR": str(folder / "state")}


async def ghost(editor: Editor, text: str) -> str:
    lines = text.split("\n")
    editor.open("file:///a.py", text + "\n")
    async with asyncio.timeout(SECONDS):
        return await editor.complete("file:///a.py", len(lines) - 1, len(lines[-1])).text()


async def test_one_setting_is_enough_and_windows_share_one_process(gguf: Path, folder: Path) -> None:
    async with Editor(environment=environment(folder)) as one, Editor(environment=environment(folder)) as two:
        for window in (one, two):
            await window.initialize({"model": str(gguf)})
        first, second = await asyncio.gather(ghost(one, PROGRAM), ghost(two, PROGRAM))
        assert first.startswith("load(") and first == second
        told = await one.request("midfill/status")
        assert (told["state"], told["model"]) == ("ready", gguf.name)
        assert llama_processes(folder) == 1
    assert "has stopped" in stop(folder)
    assert llama_processes(folder) == 0 and sockets(folder) == []


@pytest.mark.parametrize("whom", ["the engine", "llama.cpp"])
async def test_what_is_killed_comes_back(gguf: Path, folder: Path, whom: str) -> None:
    async with Editor(environment=environment(folder)) as editor:
        await editor.initialize({"model": str(gguf)})
        assert await ghost(editor, PROGRAM)
        first = Engine(folder).pid
        assert first is not None
        (child,) = children_of(first)
        os.kill(first if whom == "the engine" else child, signal.SIGKILL)
        async with asyncio.timeout(SECONDS):
            while not has_ended(child):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.02)
            n = 0
            while not await ghost(editor, PROGRAM.replace("path", f"name_{n}")):  # one that is not known
                n += 1
        assert Engine(folder).pid not in (None, first)
    stop(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere one that hangs outlives it")
@pytest.mark.parametrize("when", ["it begins", "it hangs while it loads", "it hangs at rest"])
async def test_llama_cpp_does_not_outlive_an_engine_that_is_killed(
    gguf: Path, folder: Path, when: str
) -> None:
    """Whatever its process is at: while that loads, or is stopped, it reads of no end."""
    command = [*CLI, "engine", "--stay", "--model", str(gguf), "--runtime-dir", str(folder)]
    with subprocess.Popen(command) as engine, ExitStack() as ends:  # noqa: ASYNC220
        ends.callback(engine.kill)
        async with asyncio.timeout(SECONDS):
            while not (children := children_of(engine.pid)):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.001)
            if when == "it hangs at rest":
                while (  # noqa: ASYNC110 - another process
                    found := await find(folder)
                ) is None or found.health.status == "loading":
                    await asyncio.sleep(0.05)
            elif when == "it hangs while it loads":
                while "xllamacpp" not in maps(children[0]):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.001)
            if when != "it begins":
                os.kill(children[0], signal.SIGSTOP)
                ends.callback(end, children[0])  # where the test fails
            engine.kill()
            while not has_ended(children[0]):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)


def maps(pid: int) -> str:
    """The files that its memory maps."""
    return Path(f"/proc/{pid}/maps").read_text()


def end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


SOON = """
import sys
from midfill_model.process import main
from midfill_model.process.life import watchdog
watchdog.LONGEST_SECONDS = 10.0
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("when", ["it loads", "it rests", "it writes"])
async def test_a_process_of_llama_cpp_that_hangs_is_ended_and_said(
    gguf: Path, folder: Path, when: str
) -> None:
    """A stopped one: it does nothing, and no signal but one ends it."""
    options = ["--stay", "--model", str(gguf), "--runtime-dir", str(folder)]
    command = [sys.executable, "-I", "-c", SOON, *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as engine, ExitStack() as ends:  # noqa: ASYNC220
        ends.callback(engine.kill)  # where the test fails
        async with asyncio.timeout(SECONDS):
            while not (children := children_of(engine.pid)):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.005)
            if when != "it loads":
                while (  # noqa: ASYNC110 - another process
                    found := await find(folder)
                ) is None or found.health.status == "loading":
                    await asyncio.sleep(0.05)
                begun, order = asyncio.Event(), Order("def add(a, b):\n    return ", "\n", 8)
                if when == "it writes":
                    order = ENDLESS

                async def ask() -> None:
                    async for chunk in found.backend.stream(order, MIDFILL):
                        if chunk.text:
                            begun.set()

                if when == "it rests":
                    os.kill(children[0], signal.SIGSTOP)
                    begun.set()
                asked = asyncio.create_task(ask())
                await begun.wait()
                os.kill(children[0], signal.SIGSTOP)
                await asyncio.wait([asked])
                assert isinstance(asked.exception(), BackendError)
            else:
                os.kill(children[0], signal.SIGSTOP)
        _, errors = await asyncio.to_thread(engine.communicate, timeout=SECONDS)
        assert engine.returncode == 1
        what = b"the load of the model" if when == "it loads" else b"a completion"
        assert errors.splitlines()[-1].startswith(b"midfill: " + what + b" stood still for 10 s")
        async with asyncio.timeout(SECONDS):  # it was killed, which takes a moment
            while not has_ended(children[0]):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)


async def test_one_that_nobody_uses_ends(gguf: Path, folder: Path) -> None:
    options = ["--model", str(gguf), "--idle-minutes", "0.03", "--runtime-dir", str(folder)]
    done = await asyncio.to_thread(
        subprocess.run, [*CLI, "engine", *options], capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0 and done.stderr.startswith("Listening on ")
    assert [it.name for it in files_in(folder)] == ["engine.lock"]


async def test_one_that_is_paused_gives_its_memory_back_and_comes_back(gguf: Path, folder: Path) -> None:
    """llama.cpp's process ends meanwhile; ours stays, and its socket."""
    async with Editor(environment=environment(folder)) as editor:
        await editor.initialize({"model": str(gguf)})
        first = await ghost(editor, PROGRAM)
        pid = Engine(folder).pid
        assert pid is not None and first
        seam.pause(folder)
        async with asyncio.timeout(SECONDS):
            while children_of(pid):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.02)
        health = await Engine(folder).health()
        assert (health.status, health.asleep, health.model.id) == ("ready", True, gguf.name)
        seam.resume(folder)
        assert await ghost(editor, PROGRAM.replace("path", "name"))  # which is not known
        assert len(children_of(pid)) == 1 and Engine(folder).pid == pid
    stop(folder)


def broken(kind: str, gguf: Path, folder: Path) -> Path:
    path = folder / f"{kind.replace(' ', '-')}.gguf"
    content = gguf.read_bytes()
    if kind == "half a file":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "no model":
        path.write_bytes(b"<html>" * 1000)
    elif kind == "another architecture":
        path.write_bytes(content.replace(b"deepseek2", b"deepseekZ"))
    elif kind == "a model for chat":
        write_tiny(path, ["<s>", "a", "b"])
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("half a file", "is damaged, or only half of it is there; download it again"),
        ("no model", "is no GGUF file; give llama.cpp's kind of model"),
        ("another architecture", "does not know the architecture 'deepseekZ'"),
        ("a model for chat", "cannot fill in the middle"),
        ("missing", "There is no file"),
    ],
)
async def test_what_cannot_run_is_one_sentence(
    gguf: Path, folder: Path, tmp_path: Path, kind: str, message: str
) -> None:
    async with Editor(environment=environment(folder)) as editor:
        await editor.initialize({"model": str(broken(kind, gguf, tmp_path))})
        assert await ghost(editor, PROGRAM) == ""
        await editor.notified("midfill/statusChanged", lambda it: it["state"] == "failed")
        told = await editor.request("midfill/status")
    assert message in told["message"] and "\n" not in told["message"]


async def test_none_of_a_users_text_is_in_a_log(gguf: Path, folder: Path) -> None:
    async with Editor(environment=environment(folder)) as editor:
        await editor.initialize({"model": str(gguf), "logLevel": "debug"})
        await ghost(editor, 'zebra_secret = "zebra"\nprint(zebra_')
    stop(folder)
    texts = [await asyncio.to_thread(it.read_bytes) for it in files_in(folder)]
    assert texts and not any(b"zebra" in it for it in texts)


def options_of(model: str, device: str = "auto") -> Namespace:
    told = {"model": model, "device": device, "asked": ("--device", device)}
    return Namespace(**told, threads=1, cache_mb=64, slots=1, double_quant=False)


@pytest.mark.parametrize("device", ["auto", "cpu"])
async def test_auto_takes_lite_where_it_is_and_memory_is_enough(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(cpus, "memory", lambda: 12e9)
    assert engine_for(options_of("auto", device), tmp_path).name == "demo", "nothing is fetched unasked"
    snapshot = LITE.hub.storage / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / LITE.wanted).symlink_to(gguf)
    chosen = engine_for(options_of("auto", device), tmp_path)
    assert chosen.name == "lite-gguf"
    assert ("Lite runs in llama.cpp" in chosen.told().reason) is (device == "auto")
    monkeypatch.setattr(cpus, "memory", lambda: 11e9)
    assert engine_for(options_of("auto", device), tmp_path).name == "demo"
    assert engine_for(options_of("lite-gguf", device), tmp_path).name == "lite-gguf", "who asks gets it"


def sockets(folder: Path) -> list[Path]:
    return list(folder.glob(SOCKETS))


def llama_processes(folder: Path) -> int:
    card = seam.read_card(folder)
    return 0 if card is None else len(children_of(card.pid))


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(it) for it in listed.split()]


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def stop(folder: Path) -> str:
    """The engine, if one runs; what the command says."""
    done = subprocess.run(
        [*CLI, "stop"], env=os.environ | environment(folder), capture_output=True, text=True
    )
    return done.stdout


def files_in(folder: Path) -> list[Path]:
    return [it for it in folder.rglob("*") if it.is_file()]
