"""How an engine's process ends: idle, killed, out of reach, with a dead thread, or before it begins."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from midfill_model import seam
from midfill_model.process import server
from midfill_model.process.main import main

from ...full_disk import small_disk
from .test_api import PROMPT, client, end, health, start, wait_for_card


def test_an_engine_that_nobody_uses_gives_its_memory_back(tmp_path: Path, tiny_folder: Path) -> None:
    process = start(tmp_path, tiny_folder, "--idle-minutes", "0.01")
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["engine.lock"]


def test_an_engine_marks_in_the_log_what_becomes_of_it(tmp_path: Path, tiny_folder: Path) -> None:
    """Also one that was started by hand: words of one that has died before it are no news any more."""
    (tmp_path / seam.LOG).write_bytes(seam.mark("starts") + b"no memory\n")
    process = start(tmp_path, tiny_folder, "--idle-minutes", "0.01")
    assert process.communicate(timeout=60)[1] == ""
    marks = (seam.mark(f"{process.pid}{it}") for it in ("", " is ready", " has ended"))
    assert (tmp_path / seam.LOG).read_bytes() == seam.mark("starts") + b"no memory\n" + b"".join(marks)


@pytest.mark.parametrize("wanted", [False, True])
def test_what_an_heir_says_at_its_end_is_not_taken_for_the_words_of_others(
    tmp_path: Path, tiny_folder: Path, wanted: bool
) -> None:
    """Another may have begun meanwhile, and be killed later; and that nobody wants an heir is no fault."""
    model = tmp_path / "none" if wanted else tiny_folder
    (tmp_path / seam.LOG).write_bytes(seam.mark("starts"))
    with seam.engine_lock(tmp_path), seam.open_log(tmp_path) as log:
        if wanted:
            seam.write_card(tmp_path, seam.Card(os.getpid(), "http://localhost"))
        seam.note(tmp_path, "is ready")
        command = [sys.executable, "-m", "midfill_server", "engine", "--stay", "--succeed"]
        options = ["--model", str(model), "--runtime-dir", str(tmp_path)]
        with subprocess.Popen([*command, *options], stderr=log) as heir:
            assert heir.wait(60) == wanted
    said = seam.end_of_log(tmp_path).split(f"\n{seam.MARK}")
    assert [it.partition("\n")[0] for it in said[2:4]] == [f"{os.getpid()} is ready", f"{heir.pid} ends"]
    assert (said[2].count("\n"), said[3].count("midfill: ")) == (1, 1)
    assert [it.strip() for it in said[4:]] == ([] if wanted else [f"{heir.pid} has ended"])


def test_an_engine_that_ends_for_a_fault_marks_its_words(tmp_path: Path, tiny_folder: Path) -> None:
    """An heir may have begun since."""
    (tmp_path / seam.LOG).touch()
    process = start(tmp_path, tiny_folder)
    wait_for_card(tmp_path, process)
    with (tmp_path / seam.LOG).open("ab") as log:
        log.write(seam.mark("starts"))
    (tmp_path / "engine.json").unlink()
    assert "was removed" in process.communicate(timeout=60)[1]
    assert seam.end_of_log(tmp_path).endswith(seam.mark(f"{process.pid} ends").decode())


@pytest.mark.parametrize("name", ["engine.json", "engine.sock"])
def test_an_engine_that_nobody_can_find_ends(tmp_path: Path, tiny_folder: Path, name: str) -> None:
    """A cleaner of temporary files took its card or socket: it frees the lock for one that can be found."""
    process = start(tmp_path, tiny_folder)
    wait_for_card(tmp_path, process)
    (tmp_path / name).unlink()
    errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors.count("\n")) == (1, 1)
    assert f"{tmp_path / name} was removed" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["engine.lock"]


def test_an_engine_whose_folder_vanishes_ends(tmp_path: Path, tiny_folder: Path) -> None:
    process = start(folder := tmp_path / "run", tiny_folder)
    wait_for_card(folder, process)
    shutil.rmtree(folder)
    assert "was removed" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


async def test_an_engine_that_was_replaced_ends_and_leaves_the_other_alone(
    tmp_path: Path, tiny_folder: Path
) -> None:
    """The folder was emptied while the first one was frozen, and a second one has its place."""
    first = start(tmp_path, tiny_folder)
    wait_for_card(tmp_path, first)
    first.send_signal(signal.SIGSTOP)
    for name in os.listdir(tmp_path):
        os.remove(tmp_path / name)
    second = start(tmp_path, tiny_folder)
    card = wait_for_card(tmp_path, second)
    first.send_signal(signal.SIGCONT)
    assert "replaced" in first.communicate(timeout=60)[1]
    async with client(card) as http:
        assert (await http.get("/health")).json()["pid"] == second.pid
    end(second)


def test_an_engine_whose_thread_dies_ends_and_says_why(tmp_path: Path, tiny_folder: Path) -> None:
    """With its card and socket, so that the next completion starts another."""
    code = (
        "import sys\n"
        "from midfill_model.generation import engine\n"
        "from midfill_model.process.main import main\n"
        "def broken(*_): raise ZeroDivisionError\n"
        "engine.Slots = broken\nsys.exit(main(sys.argv[1:]))"
    )
    where = ("--runtime-dir", str(tmp_path), "--model", str(tiny_folder), "--threads", "1")
    process = subprocess.run(
        [sys.executable, "-I", "-c", code, *where], capture_output=True, text=True, timeout=60, check=False
    )
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert last.startswith("midfill: The generation thread failed (ZeroDivisionError); ")
    assert [path.name for path in tmp_path.iterdir()] == ["engine.lock"]


WITHOUT_ROOM = """
import resource, sys
from midfill_model.process.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
sys.exit(main(sys.argv[1:]))
"""


def test_an_engine_that_can_write_nothing_ends_with_one_sentence(tmp_path: Path, tiny_folder: Path) -> None:
    process = start(tmp_path, tiny_folder, code=WITHOUT_ROOM)
    errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors.count("\n")) == (1, 1)
    assert f"{tmp_path} cannot be used (engine.json: File too large); set MIDFILL_RUNTIME_DIR" in errors


def test_an_engine_whose_folder_takes_no_more_files_ends_with_one_sentence(
    tmp_path: Path, tiny_folder: Path
) -> None:
    with small_disk(tmp_path, "nr_inodes=1"):
        errors = start(tmp_path, tiny_folder).communicate(timeout=60)[1]
    assert errors.count("\n") == 1 and "engine.lock: No space left on device" in errors


WRITES = """
import os, sys, time
from midfill_model.generation.completion import Completion
from midfill_model.process.main import main
step, n_steps = Completion.step, 0
def waits_in_the_middle(completion):
    global n_steps
    n_steps += 1
    while n_steps == 4 and not os.path.exists("{}"):
        time.sleep(0.01)
    return step(completion)
Completion.step = waits_in_the_middle
sys.exit(main(sys.argv[1:]))
"""


def writes(folder: Path, model: Path) -> tuple[subprocess.Popen[str], Path]:
    """An engine that stands still in the middle of its first text, until the file of that path is there."""
    go_on = folder / "go on"
    return start(folder, model, code=WRITES.replace("{}", str(go_on))), go_on


async def nobody_listens(card: dict[str, Any]) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                async with client(card) as late:
                    await late.get("/health")
            except httpx.TransportError:
                return


@pytest.mark.parametrize("path", [seam.DRAIN, seam.STOP])
async def test_who_asked_before_the_engine_makes_way_gets_all_of_its_text(
    tmp_path: Path, tiny_folder: Path, path: str
) -> None:
    """A text that has begun cannot be asked for again. But `midfill stop` waits for none."""
    process, go_on = writes(tmp_path, tiny_folder)
    card = wait_for_card(tmp_path, process)
    async with (
        client(card) as http,
        http.stream("POST", "/v1/completions", json=PROMPT | {"stream": True}) as answer,
    ):
        lines = answer.aiter_lines()
        told = [await anext(lines)]
        async with client(card) as other:
            assert (await other.post(path)).status_code == 200
        await nobody_listens(card)
        go_on.touch()
        told += [line async for line in lines]
    events = [json.loads(it.removeprefix("data: ")) for it in told if it.startswith("data: {")]
    wanted = "length" if path == seam.DRAIN else "cancelled"
    assert events[-1]["choices"][0]["finish_reason"] == wanted
    assert process.communicate(timeout=60)[1] == "" and process.returncode == 0


async def test_an_engine_that_makes_way_ends_at_once_when_it_is_told_to(
    tmp_path: Path, tiny_folder: Path
) -> None:
    """Its text goes on for long, and somebody wants it to end now."""
    process, go_on = writes(tmp_path, tiny_folder)
    card = wait_for_card(tmp_path, process)
    async with client(card) as http:
        asked = asyncio.create_task(http.post("/v1/completions", json=PROMPT))
        await health(http, running=1)
        assert (await http.post(seam.DRAIN)).status_code == 200
        await nobody_listens(card)
        assert process.poll() is None
        process.terminate()
        async with asyncio.timeout(server.DRAIN_SECONDS - 1):
            lost = await asked
    assert lost.json()["choices"][0]["finish_reason"] == "cancelled"
    go_on.touch()
    assert process.communicate()[1] == "" and process.returncode == 0


async def test_an_engine_that_was_told_to_end_now_does_not_wait_for_who_wants_less(
    tmp_path: Path, tiny_folder: Path
) -> None:
    """`midfill stop`, while another version's engine wants its place."""
    process, go_on = writes(tmp_path, tiny_folder)
    card = wait_for_card(tmp_path, process)
    async with client(card) as http, client(card) as other:
        asked = asyncio.create_task(http.post("/v1/completions", json=PROMPT))
        await health(other, running=1)
        assert (await other.post(seam.STOP)).status_code == 200
        with suppress(httpx.TransportError):  # it listens no more
            await other.post(seam.DRAIN)
        async with asyncio.timeout(server.DRAIN_SECONDS - 1):
            lost = await asked
    assert lost.json()["choices"][0]["finish_reason"] == "cancelled"
    go_on.touch()
    assert "Traceback" not in process.communicate()[1]
    assert process.returncode == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_ends_in_a_long_step_cancels_what_it_was_asked(
    tmp_path: Path, tiny_folder: Path, stream: bool
) -> None:
    """The step may be a long prompt's on a slow machine: nobody waits for its end."""
    process, go_on = writes(tmp_path, tiny_folder)
    async with client(wait_for_card(tmp_path, process)) as http:
        asked = asyncio.create_task(http.post("/v1/completions", json=PROMPT | {"stream": stream}))
        await health(http, running=1)
        assert (await http.post(seam.STOP)).status_code == 200
        lost = await asked
    assert lost.status_code == 200 and '"finish_reason": "cancelled"' in lost.text
    go_on.touch()
    assert "Traceback" not in process.communicate()[1]
    assert process.returncode == 0


HANGS = """
import sys, threading
from midfill_model.generation.completion import Completion
from midfill_model.process import main
from midfill_model.process.life import watchdog
def a_driver_hangs(_):
    watchdog.LONGEST_SECONDS = 1.0
    threading.Event().wait()
Completion.step = a_driver_hangs
sys.exit(main.main(sys.argv[1:]))
"""


async def test_an_engine_whose_generation_hangs_ends_and_says_where(
    tmp_path: Path, tiny_folder: Path
) -> None:
    """As if it were killed: with its card, and without an answer, so that fronts ask the next one."""
    process = start(tmp_path, tiny_folder, code=HANGS)
    async with client(card := wait_for_card(tmp_path, process)) as http:
        asked = asyncio.create_task(http.post("/v1/completions", json=PROMPT))
        told = await health(http, status="ready")
        while not told["stalled_seconds"]:
            assert not asked.done() and process.poll() is None
            told = (await http.get("/health")).json()
        assert told["status"] == "ready" and told["running"] == 1
        with pytest.raises(httpx.RemoteProtocolError):
            await asked
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and "in a_driver_hangs" in errors
    assert errors.splitlines()[-1].startswith("midfill: a completion stood still for 1 s")
    left = seam.read_card(tmp_path)
    assert left is not None and left.pid == card["pid"] and not seam.engine_lives(tmp_path)


READS = """
import os, sys, time
from midfill_model.checkpoint.weights import Checkpoint
from midfill_model.process import main
from midfill_model.process.life import watchdog
def a_disk_hangs(*_):
    watchdog.LONGEST_SECONDS = 2.0
    os.read(os.pipe()[0], 1)
def a_disk_is_slow(checkpoint, name, shape):
    watchdog.LONGEST_SECONDS = 120.0 if slow else 2.0
    with open(__import__("torch").__file__, "rb", buffering=0) as file:
        for _ in range(0 if slow else 20):
            slow.extend(file.read(1))
            time.sleep(0.25)
    watchdog.LONGEST_SECONDS = 120.0
    return read(checkpoint, name, shape)
slow, read = bytearray(), Checkpoint.read
Checkpoint.read = {}
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("options", [(), ("--succeed",)])
def test_an_engine_whose_load_hangs_ends_and_says_where(
    tmp_path: Path, tiny_folder: Path, options: tuple[str, ...]
) -> None:
    """So does one that loads to take another's place: it would wait for that for ever."""
    code = READS.replace("{}", "a_disk_hangs")
    with ExitStack() as other:
        if options:
            other.enter_context(seam.engine_lock(tmp_path))
            seam.write_card(tmp_path, seam.Card(os.getpid(), "http://localhost"))
        process = start(tmp_path, tiny_folder, *options, code=code)
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and "in a_disk_hangs" in errors
    assert errors.splitlines()[-1].startswith("midfill: the load of the model stood still for 2 s")


async def test_a_slow_disk_does_not_hang(tmp_path: Path, tiny_folder: Path) -> None:
    process = start(tmp_path, tiny_folder, code=READS.replace("{}", "a_disk_is_slow"))
    async with client(wait_for_card(tmp_path, process)) as http:
        await health(http, status="ready")
    assert end(process) == (0, "")


@pytest.mark.parametrize(
    "options",
    [
        ("--threads", "0"),
        ("--threads", "-3"),
        ("--threads", "two"),
        ("--cache-mb", "-1"),
        ("--port", "99999"),
        ("--device", "tpu"),
        ("--slots", "0"),
        ("--idle-minutes", "-1"),
        ("--idle-minutes", "nan"),
        ("--idle-minutes", "soon"),
        ("--no-such-option",),
    ],
)
def test_a_bad_option_is_one_sentence(capsys: pytest.CaptureFixture[str], options: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as end:
        main(list(options))
    errors = capsys.readouterr().err
    assert end.value.code == 2
    assert errors.startswith("midfill: ") and errors.count("\n") == 1
    assert options[0] in errors


async def test_a_dead_engines_socket_is_replaced(tmp_path: Path, tiny_folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "engine.sock"))
    killed = start(tmp_path, tiny_folder)
    wait_for_card(tmp_path, killed)
    killed.kill()
    killed.communicate(timeout=30)
    (tmp_path / "engine.json").unlink()
    process = start(tmp_path, tiny_folder)
    async with client(wait_for_card(tmp_path, process)) as http:
        assert (await http.post("/v1/completions", json=PROMPT)).status_code == 200
    assert end(process)[0] == 0
