"""Each command that `midfill --help` names, as a process of its own: good, bad and missing arguments.

The table below has a row of each kind for each command, or its test fails; options that take a value are read
from the help, so a new one is tried, too. A line on stderr is a sentence for people, whatever happens.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from midfill_server.tools.bench.command import TARGETS

from ...model.download.hub_server import serve
from ...scripted_engine import PATIENCE, ScriptedEngine
from ..conftest import CLI, ITEM, PROGRAM, TOKENS, end_of, environment, runtime_folder

AT_ONCE = 4  # processes
HUB = "someone/known"


@dataclass(frozen=True, slots=True)
class Row:
    """Arguments, the exit code, and patterns that stdout and stderr hold; "" for a stream that is empty.

    `{…}` in the arguments: what the fixture `world` makes. `until`: what stderr says before SIGTERM comes.
    """

    arguments: str
    code: int
    out: str = ""
    err: str = ""
    stdin: bytes = b""
    until: str = ""


def _lsp(*methods: str) -> bytes:
    bodies = [
        json.dumps({"jsonrpc": "2.0", "id": n, "method": method, "params": {"capabilities": {}}}).encode()
        for n, method in enumerate(methods[:-1])
    ] + [json.dumps({"jsonrpc": "2.0", "method": methods[-1]}).encode()]
    return b"".join(b"Content-Length: %d\r\n\r\n%b" % (len(body), body) for body in bodies)


WHOLE = "give a whole number"
STDIN = "give the path of a file, not -: standard input is not read"
ODD, SHOWN = "caf\udce9", r"caf\\xe9"  # a name with a byte that is no text, and as it is shown
MODEL = "give auto, demo, lite, lite-gguf, a folder, a hub id, a .gguf file"
EVERY_FIGURE = "".join(rf'(?=.*"{name}": {{"median": \d)' for name in TARGETS)
GOOD: dict[str, list[Row]] = {
    "serve": [
        Row("serve", 0, "capabilities", stdin=_lsp("initialize", "shutdown", "exit")),
        Row("serve --stdio", 0, "capabilities", stdin=_lsp("initialize", "shutdown", "exit")),
    ],
    "complete": [
        Row("complete {program}", 0, re.escape(ITEM)),
        Row("complete {program} --json", 0, re.escape(json.dumps(ITEM))),
        Row("complete {program} --set maxTokens=32", 0, re.escape(ITEM)),
        Row("complete {program} --set exclude=*.py", 2, err="exclude must be a list of globs"),
        Row('complete {program} --set exclude=["*.py"]', 0, "not wanted here: excluded"),
        Row("complete {program} --set enabled=false", 1, err="enabled is false"),
        Row("complete {program} --model lite", 0, re.escape(ITEM), "runs the model scripted, not lite"),
        Row("complete {program} --set model=lite", 0, re.escape(ITEM), "runs the model scripted, not lite"),
    ],
    "status": [
        Row("status", 0, "^ready: model scripted"),
        Row("status --json", 0, '"state": "ready"'),
        Row("status --stats", 0, "suggestions offered"),
        Row("status --stats --json", 0, '"offered": 0'),
        Row("status --forget", 0, "There are no statistics"),
    ],
    "doctor": [
        Row("doctor", 0, r"Completion\n  warn  Nothing was offered in an easy place"),
        Row("doctor --quick --json --fix", 0, '"well": true'),
        Row("doctor --quick --settings -", 0, "Midfill 0", stdin=b'{"maxTokens": 32}'),
        Row("doctor --quick --set url=http://localhost:1", 1, "FAIL  http://localhost:1: "),
    ],
    "why": [Row("why", 1, err="no open editor has asked"), Row("why --all", 1, err="no open editor")],
    "pause": [Row("pause", 0, "Midfill is paused in all windows; `midfill resume` goes on")],
    "resume": [Row("resume", 0, "Midfill is not paused")],
    "stop": [Row("stop", 0, "No engine is running")],
    "download": [Row(f"download {HUB}", 0, "models--someone--known", "download is complete")],
    "export": [
        Row("export hf {new} --model {model}", 0, "."),
        Row(
            "export gguf {new} --model {model} --type q8_0", 1, err="q8_0 .* --type f16|gguf is not installed"
        ),
    ],
    "engine": [
        Row("engine --model {model}", 0, err="Listening on .*engine.sock", until="is ready; Ctrl-C"),
        Row("engine --model {model} --port 0", 0, err="token .* is in .*engine.json", until="is ready"),
        Row("engine --model {model} --runtime-dir {runs}", 1, err="the engine already runs"),
        Row("engine --model {cut}", 1, err="config.json"),
        Row("engine --model nobody/nothing", 1, err="midfill download nobody/nothing"),
        Row("engine --model {model} --device cuda", 1, err="use --device cpu"),
    ],
    "bench": [
        Row("bench --runs 1 --json --model demo", 0, EVERY_FIGURE),
        Row("bench --runs 1 --model nobody/nothing", 1, err="midfill download nobody/nothing"),
    ],
    "eval": [
        Row("eval --repo {code} --holes 1 --model {model}", 0, "Quality"),
        Row("eval --repo {code} --holes 1 --model nobody/nothing", 1, err="midfill download nobody/nothing"),
    ],
    "replay": [
        Row("replay {code}/bank.py --lines 1 --speed 50 --model {model}", 0, "Typing"),
        Row(
            "replay {code}/bank.py --lines 1 --model nobody/nothing", 1, err="midfill download nobody/nothing"
        ),
    ],
    "load": [
        Row(
            "load --url http://localhost:1 --trace {code}/bank.py --developers 1 --seconds 6",
            1,
            "keys typed",
            "no request was answered",
        )
    ],
}
"""What makes sense, and what makes sense but cannot be."""

BAD: dict[str, list[Row]] = {
    "serve": [Row("serve now", 2, err="unrecognized arguments: now")],
    "complete": [
        Row("complete a.py", 2, err="'a.py' is not FILE:LINE:COL with numbers from 1; try app.py:10:5"),
        Row("complete -:1:1", 2, err=STDIN),
        Row("complete --json -:1:1", 2, err=STDIN),
        Row(f"complete /nowhere/{ODD}.py:1:1", 2, err=rf"cannot read /nowhere/{SHOWN}\.py: No such file"),
        Row(f"complete {ODD}.py", 2, err=rf"'{SHOWN}\.py' is not FILE:LINE:COL"),
        Row("complete a.py:1", 2, err="'a.py:1' is not FILE:LINE:COL"),
        Row("complete a.py:0:1", 2, err="'a.py:0:1' is not FILE:LINE:COL with numbers from 1"),
        Row(f"complete a.py:{'9' * 5000}:1", 2, err="is not FILE:LINE:COL"),
        Row("complete a.py:٣:1", 2, err="is not FILE:LINE:COL"),
        Row(
            "complete /nowhere/a.py:1:1",
            2,
            err="cannot read /nowhere/a.py: No such file or directory; check how it is spelt",
        ),
        Row("complete {code}:1:1", 2, err="cannot read .*: Is a directory; name a file"),
        Row("complete {code}/bank.py:100000:1", 2, err="line 100000 is outside"),
        Row("complete {code}/bank.py:1:1000", 2, err="ends at column .*; 1000 is outside"),
        Row("complete {program} --set maxTokens", 2, err="'maxTokens' is not KEY=VALUE"),
        Row("complete {program} --set =1", 2, err="'=1' is not KEY=VALUE"),
        Row("complete {program} --url http://a --set url=http://b", 2, err="--url alone, without --set url"),
        Row("complete {program} --model demo --set model=lite", 2, err="--model alone, without --set model"),
        Row(
            "complete {program} --set nosuch=1", 2, err="--set: nosuch is not a setting; README.md lists all"
        ),
        Row("complete {program} --set modle=demo", 2, err="--set: modle is not a setting; use model"),
        Row("complete {program} --set MaxToken=8", 2, err="MaxToken is not a setting; use maxTokens"),
        Row("complete {program} --set model=nosuch", 2, err=MODEL),
        Row("complete {program} --set url=nonsense", 2, err="--set: url must begin with http"),
        Row("complete {program} --url http://localhost:99999", 2, err="65535"),
        Row("complete {program} --url http://[::1", 2, err="--url must"),
        Row("complete {program} --url http://localhost:1", 1, err="nobody listens there"),
        Row("complete {program} --url http://localhost:1 --model any-name", 1, err="nobody listens there"),
    ],
    "status": [
        Row("status --yaml", 2, err="unrecognized arguments: --yaml"),
        Row("status --stats --forget", 2, err="not allowed with argument --stats"),
    ],
    "doctor": [
        Row("doctor now", 2, err="unrecognized arguments: now"),
        Row(
            "doctor --settings /nowhere.json",
            2,
            err="cannot read /nowhere.json: No such file or directory; check",
        ),
        Row("doctor --settings {code}/bank.py", 2, err="is not JSON"),
        Row("doctor --settings -", 2, err="is not a JSON object", stdin=b"[]"),
        Row(f"doctor --settings {ODD}", 2, err=f"cannot read {SHOWN}: "),
        Row("doctor --set nosuch=1", 2, err="--set: nosuch is not a setting"),
    ],
    "why": [Row("why now", 2, err="unrecognized arguments: now")],
    "pause": [Row("pause now", 2, err="unrecognized arguments: now")],
    "resume": [Row("resume now", 2, err="unrecognized arguments: now")],
    "stop": [Row("stop now", 2, err="unrecognized arguments: now")],
    "download": [
        Row("download a/b/c", 2, err="give lite, lite-gguf, owner/name, owner/name@revision"),
        Row("download demo", 2, err="'demo' is not a model on the hub"),
        Row("download a/b c/d", 2, err="unrecognized arguments: c/d"),
        Row("download someone/other", 1, err="someone/other"),
    ],
    "export": [
        Row("export onnx {new}", 2, err="'onnx'"),
        Row(
            "export hf {code}/bank.py --model {model}",
            1,
            err="cannot write .*bank.py: File exists; name another",
        ),
        Row("export hf {new} --type q4_0", 2, err="hf knows the types f32, f16, bf16"),
    ],
    "engine": [
        Row("engine --model ~no_such_user/x", 2, err=MODEL),
        Row("engine --model ./nosuch", 2, err=MODEL),
        Row("engine --port 65536", 2, err=f"{WHOLE} from 0 to 65535"),
        Row("engine --port {taken} --model {model}", 1, err="give another --port"),
        Row("engine --idle-minutes -1", 2, err="give a number above 0"),
        Row("engine --runtime-dir {code}/bank.py", 1, err="private folder of your own"),
    ],
    "bench": [Row("bench --runs 0", 2, err=WHOLE), Row("bench now", 2, err="unrecognized arguments")],
    "eval": [
        Row("eval a.jsonl --repo b", 2, err="give either DATA.jsonl or --repo DIR"),
        Row("eval a.jsonl --set model=lite", 2, err="give --model alone, without --set model"),
        Row("eval a.jsonl --set url=http://a", 2, err="leave out --set url: `midfill eval` measures"),
        Row("eval a.jsonl --context on --set context=false", 2, err="--context alone, without --set context"),
        Row("eval -", 2, err=STDIN, stdin=b"{}"),
        Row("eval --repo -", 2, err=STDIN),
        Row(f"eval {ODD}.jsonl", 2, err=rf"cannot read {SHOWN}\.jsonl: "),
        Row(f"eval --repo {ODD}", 2, err=f"{SHOWN} is not a folder"),
        Row("eval /nowhere.jsonl", 2, err="cannot read /nowhere.jsonl: No such file or directory; check"),
        Row("eval {code}/bank.py", 2, err="line 1 is not JSON"),
        Row("eval {code}", 2, err="Is a directory"),
        Row("eval {empty}", 2, err="holds no tasks"),
        Row("eval {other}", 2, err="lacks the text task_id"),
        Row("eval --repo /nowhere", 2, err="/nowhere is not a folder; give one that holds code"),
        Row("eval --repo {new}", 2, err="no holes found|is not a folder"),
        Row("eval --repo {code} --set maxTokens=0", 2, err="--set: maxTokens must be a whole number"),
    ],
    "replay": [
        Row("replay {code}", 2, err="is a folder; give files"),
        Row("replay -", 2, err=STDIN, stdin=b"x = 1"),
        Row("replay {code}/bank.py -", 2, err=STDIN),
        Row(f"replay {ODD}", 2, err=f"cannot read {SHOWN}: "),
        Row(f"replay {{code}}/bank.py --html {ODD}.svg", 2, err=rf"not '{SHOWN}\.svg'"),
        Row("replay /nowhere.py", 2, err="cannot read /nowhere.py: No such file or directory; check"),
        Row("replay /dev/null", 2, err="cannot be typed: use UTF-8 text"),
        Row("replay {code}/bank.py --lines 100000", 2, err="fewer --lines"),
    ],
    "load": [
        Row("load --url http://localhost:1 --trace {code}/bank.py now", 2, err="arguments: now"),
        Row("load --url http://localhost:1 --trace -", 2, err=STDIN),
        Row(f"load --url http://localhost:1 --trace {ODD}", 2, err=f"cannot read {SHOWN}: "),
    ],
}

MISSING: dict[str, list[Row]] = {
    "": [
        Row("", 2, err="the following arguments are required: COMMAND"),
        Row("fly", 2, err="invalid choice: 'fly'"),
    ],
    "serve": [Row("serve", 1)],  # an editor that is gone before its first word
    "complete": [Row("complete", 2, err="the following arguments are required: FILE:LINE:COL")],
    "status": [Row("status --stats --json --nothing", 2, err="--nothing; see `midfill status --help`")],
    "doctor": [
        Row("doctor --settings ''", 2, err="give a path"),
        Row("doctor nothing", 2, err="see `midfill doctor --help`"),
    ],
    "why": [Row("why --al=x", 2, err="--al")],
    "pause": [Row("pause --nothing", 2, err="--nothing; see `midfill pause --help`")],
    "resume": [Row("resume --nothing", 2, err="--nothing; see `midfill resume --help`")],
    "stop": [Row("stop --nothing", 2, err="--nothing; see `midfill stop --help`")],
    "download": [Row("download ''", 2, err="'' is not a model on the hub")],
    "export": [
        Row("export", 2, err="the following arguments are required: FORMAT, DIR"),
        Row("export gguf", 2, err="the following arguments are required: DIR"),
    ],
    "engine": [Row("engine --runtime-dir ''", 2, err="give a path")],
    "bench": [Row("bench --chart ''", 2, err="give a path")],
    "eval": [Row("eval", 2, err="give either DATA.jsonl or --repo DIR")],
    "replay": [Row("replay", 2, err="the following arguments are required: FILE")],
    "load": [Row("load", 2, err="the following arguments are required: --url, --trace")],
}

STARTED = {
    "complete": "{program}",
    "export": "hf {new}",
    "eval": "--repo {code}",
    "replay": "{code}/bank.py",
    "load": "--url http://localhost:1 --trace {code}/bank.py",
}
"""What a command needs before an option of it can be tried."""
WRONG = {
    "--model": ("''", "nosuch", "./no/such"),
    "--url": ("''", "nonsense", "ftp://here"),
    "--set": ("''", "confidence=7"),
    "--html": ("{code}", "/nowhere/page.html", "page.svg"),
    "--chart": ("{code}", "/nowhere/chart.svg", "chart.png"),
    "--runtime-dir": ("''",),
    "--repo": ("''", "/nowhere"),
    "--trace": ("''", "/nowhere"),
    "--settings": ("{code}", "/nowhere"),
    "--plot": ("{code}", "/nowhere/plot.svg", "plot.png"),
}
"""Values that an option must refuse; those that are not here take numbers or one of some words."""


def commands() -> list[str]:
    """Those that the help names."""
    done = subprocess.run([*CLI, "--help"], capture_output=True, text=True, check=True)
    return re.findall(r"^    (\w+)", done.stdout.partition("\ncommands:")[2], re.MULTILINE)


COMMANDS = tuple(GOOD)


def test_the_table_has_every_command_of_the_help() -> None:
    assert sorted(commands()) == sorted(COMMANDS) == sorted(BAD) == sorted({*MISSING} - {""})


def options_with_a_value(help_text: str) -> list[str]:
    return re.findall(r"^  (--[a-z-]+) (?:\{.*\}|[A-Z][\w=.-]*)(?:  |$)", help_text, re.MULTILINE)


def rows_of_options(command: str, help_text: str) -> Iterator[Row]:
    """Each option with a wrong value, and with none."""
    for option in options_with_a_value(help_text):
        start = f"{command} {STARTED.get(command, '') if option != '--repo' else ''}".strip()
        yield Row(f"{start} {option}", 2, err=f"{option}: expected one argument")
        for value in WRONG.get(option, ("nosuch",)):
            yield Row(f"{start} {option} {value}", 2, err="give |choose |must |cannot |is not |is empty")


@dataclass(frozen=True, slots=True)
class World:
    """What the rows name, and an environment that is theirs alone."""

    names: dict[str, str]
    environment: dict[str, str]
    scripted: Path
    root: Path

    def run(self, row: Row) -> subprocess.CompletedProcess[str]:
        folder = Path(
            tempfile.mkdtemp(dir=self.root)
        )  # for an engine of its own; one that is scripted for some
        arguments = [it.strip("'").format(**self.names, new=folder / "new") for it in _words(row)]
        mine = self.environment | {"MIDFILL_RUNTIME_DIR": str(folder), "MIDFILL_STATE_DIR": str(folder / "s")}
        if arguments[:1] in (["complete"], ["status"], ["doctor"]):
            mine["MIDFILL_RUNTIME_DIR"] = str(self.scripted)
        pipe = subprocess.PIPE
        process = subprocess.Popen([*CLI, *arguments], env=mine, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            said = _until(process, row.until) if row.until else ""
            out, err = process.communicate(row.stdin, timeout=10 * PATIENCE)
        finally:
            process.kill()
        return subprocess.CompletedProcess(arguments, process.returncode, out.decode(), said + err.decode())


def _words(row: Row) -> list[str]:
    return row.arguments.split(" ") if row.arguments else []


def _until(process: subprocess.Popen[bytes], text: str) -> str:
    """Its stderr up to the line with `text`; then SIGTERM ends it."""
    assert process.stderr is not None
    said = ""
    while not re.search(text, said) and (line := process.stderr.readline().decode()):
        said += line
    process.terminate()
    return said


@pytest.fixture(scope="module")
def world(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("shell")
    (root / "code").mkdir()
    (root / "code" / "bank.py").write_text((PROGRAM.rstrip() + "\n        return amount\n\n\n") * 3 + PROGRAM)
    (root / "cut").mkdir()  # a model's folder in which everything is missing
    program, (line, column) = root / "bank.py", end_of(PROGRAM)
    program.write_text(PROGRAM)
    with (
        runtime_folder() as short,
        ScriptedEngine(short) as engine,
        ScriptedEngine(root, tcp=True) as other,
        serve(HUB, Path(model)) as hub,
    ):
        engine.says(*TOKENS, after=PROGRAM)
        names = {"program": f"{program}:{line + 1}:{column + 1}", "code": str(root / "code"), "model": model}
        (root / "empty.jsonl").write_text("")
        (root / "other.jsonl").write_text('{"text": "x"}\n')
        names |= {it: str(root / f"{it}.jsonl") for it in ("empty", "other")}
        names |= {"cut": str(root / "cut"), "taken": other.url.rpartition(":")[2], "runs": str(short)}
        hub_cache = {"HF_ENDPOINT": hub.url, "HF_HOME": str(root / "hub"), "HF_HUB_CACHE": str(root / "hub")}
        own = environment(short) | hub_cache | {"MIDFILL_CACHE_DIR": str(root / "cache"), "NO_PROXY": "*"}
        (short / "rows").mkdir()
        yield World(names, own, short, short / "rows")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_a_command(world: World, command: str) -> None:
    help_text = subprocess.run(
        [*CLI, command, "--help"][: None if command else -1], capture_output=True, text=True
    ).stdout
    rows = [*GOOD.get(command, []), *BAD.get(command, []), *MISSING[command]]
    rows += rows_of_options(command, help_text) if command else []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(world.run, rows))
    assert [fault for row, it in zip(rows, done, strict=True) if (fault := fault_of(row, it))] == []


def fault_of(row: Row, done: subprocess.CompletedProcess[str]) -> str:
    """What is wrong with what a command did; "" for nothing."""
    found = [f"exit code {done.returncode}, not {row.code}"] if done.returncode != row.code else []
    for name, wanted, said in (("stdout", row.out, done.stdout), ("stderr", row.err, done.stderr)):
        if not (re.search(wanted, said, re.MULTILINE) if wanted else not said):
            found.append(f"{name} has no {wanted!r}")
        if re.search(UNFIT, said):
            found.append(f"{name} is not fit for people")
    found += [
        f"no sentence: {line!r}" for line in done.stderr.splitlines() if not re.fullmatch(SENTENCE, line)
    ]
    return f"midfill {row.arguments}: {'; '.join(found)}\n{done.stdout}{done.stderr}" if found else ""


UNFIT = r"Traceback|\[Errno|\bNone\b|\bnan\b|Error:|object at 0x|invalid _|_\w+ value|Namespace|<class"
SENTENCE = r"midfill: .{10,}|[A-Z].{10,}\.|(?:\d+ % of )?[\d.]+ GB(?: of weights)?"
"""Of a fault, of how an engine is; or how far a download is."""
