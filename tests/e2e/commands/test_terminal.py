"""Commands in a terminal: what they show while they work, and how Ctrl-C and a closed pipe end them."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ...scripted_engine import PATIENCE, ScriptedEngine
from ..conftest import CLI, PROGRAM, end_of, ends, environment


class Terminal:
    """A command whose stderr is a terminal; its stdout is a pipe."""

    def __init__(self, folder: Path, *arguments: str, ignores: bool = False) -> None:
        self._end, other = os.openpty()
        self.said = ""
        self.process = subprocess.Popen(
            [*CLI, *arguments],
            stdout=subprocess.PIPE,
            stderr=other,
            text=True,
            env=environment(folder) | {"TMPDIR": str(folder)},
            preexec_fn=lambda: _as_from_a_terminal(ignores),
        )
        os.close(other)

    def until(self, text: str) -> None:
        """Read its stderr until it holds `text`."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.said:
            assert time.monotonic() < deadline, self.said
            try:
                self.said += os.read(self._end, 10_000).decode()
            except OSError:  # Linux' way to say that nobody holds the other end any more
                raise AssertionError(f"it ended, and said only {self.said!r}") from None

    def ends(self) -> tuple[int, str]:
        """Its exit code and stdout."""
        stdout, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, stdout

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._end)


def _as_from_a_terminal(ignores: bool) -> None:
    """`ignores`: SIGINT, as what a shell starts in the background. The tests may run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN if ignores else signal.default_int_handler)


@contextmanager
def terminal(folder: Path, *arguments: str, ignores: bool = False) -> Iterator[Terminal]:
    it = Terminal(folder, *arguments, ignores=ignores)
    try:
        yield it
    finally:
        it.close()


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "bank.py"
    path.write_text(PROGRAM)
    line, column = end_of(PROGRAM)
    return f"{path}:{line + 1}:{column + 1}"


def test_complete_shows_how_far_the_model_is(engine: ScriptedEngine, program: str) -> None:
    engine.loading(0.5)
    with terminal(engine.folder, "complete", program) as it:
        it.until("50 %")
        engine.ready()
        code, stdout = it.ends()
    assert code == 0
    assert stdout.startswith(PROGRAM.splitlines()[-7]) and "50 %" not in stdout


def test_control_c_ends_complete_quietly(engine: ScriptedEngine, program: str) -> None:
    engine.loading(0.5)
    with terminal(engine.folder, "complete", program) as it:
        it.until("50 %")
        it.process.send_signal(signal.SIGINT)
        assert it.ends() == (130, "")
    assert "Traceback" not in it.said
    assert engine.running


def test_the_engine_shows_that_it_is_ready_and_control_c_stops_it(own_folder: Path, model: str) -> None:
    with terminal(own_folder, "engine", "--model", model) as it:
        it.until("is ready; Ctrl-C stops the engine")
        it.process.send_signal(signal.SIGINT)
        assert it.ends() == (130, "")
    assert "Traceback" not in it.said
    assert not (own_folder / "engine.json").exists()


BENCH = ("bench", "--runs", "1"), "Measuring the engine"
EVAL = ("eval", "--repo", str(Path(__file__).parent)), " of 300"
REPLAY = ("replay", __file__), " of "


@pytest.mark.parametrize(
    ("command", "doing", "number"),
    [
        *((*BENCH, number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)),
        (*EVAL, signal.SIGINT),
        (*REPLAY, signal.SIGTERM),
    ],
)
def test_a_signal_ends_a_measurement_and_its_engine(
    own_folder: Path, model: str, command: tuple[str, ...], doing: str, number: signal.Signals
) -> None:
    """Also where SIGINT is ignored, as shells have it for what runs in the background."""
    ignores = number != signal.SIGINT and command[0] == "bench"
    with terminal(own_folder, *command, "--model", model, ignores=ignores) as it:
        it.until(doing)
        pids = [json.loads(card.read_text())["pid"] for card in own_folder.glob("midfill-*/engine.json")]
        it.process.send_signal(number)
        assert it.ends() == (128 + number, "")
    assert "Traceback" not in it.said and "Task" not in it.said
    assert not list(own_folder.glob("midfill-*"))
    assert pids and all(ends(pid) for pid in pids)


def test_control_c_ends_a_server(own_folder: Path) -> None:
    with subprocess.Popen(
        [*CLI, "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(own_folder),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as server:
        assert server.stdin and server.stdout and server.stderr
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"capabilities": {}}})
        server.stdin.write(f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        server.stdin.flush()
        assert server.stdout.readline()
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE) == 130
        assert server.stderr.read() == b""


def test_a_server_that_a_person_starts_says_what_it_is_for(own_folder: Path) -> None:
    end, stdin = os.openpty()
    command, pipe = [*CLI, "serve"], subprocess.PIPE
    with subprocess.Popen(
        command,
        env=environment(own_folder),
        stdin=stdin,
        stdout=pipe,
        stderr=pipe,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as server:
        assert server.stderr and b"with an editor" in server.stderr.readline()
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE) == 130
    os.close(end)
    os.close(stdin)


@pytest.mark.parametrize("command", [("--help",), ("status",), ("complete",), ("eval", "--help")])
def test_a_closed_pipe_ends_a_command_quietly(
    engine: ScriptedEngine, program: str, command: tuple[str, ...]
) -> None:
    arguments = (*command, program) if command == ("complete",) else command
    mine, its = os.pipe()
    os.close(mine)
    with os.fdopen(its, "wb") as stdout:
        done = subprocess.run(
            [*CLI, *arguments],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(engine.folder),
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, "")
