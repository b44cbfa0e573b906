"""Every sentence of README's section on privacy, and the tests that show it; some of them are here."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from midfill_model import seam
from midfill_server.editor.record.why import PREFIX, last_requests
from midfill_server.tools.lsp_client import Editor

from ...known_model import SAID
from ...scripted_engine import PATIENCE, ScriptedEngine
from ..conftest import ITEM, PROGRAM, TOKENS, Engine, end_of, environment
from .test_engine_life import complete

ROOT = Path(__file__).parents[3]

SHOWN_BY = {
    "Your text goes to the engine through a Unix socket that only your user can open, "
    "or to the `url` that you set.": (
        *("test_files_are_private", "test_the_engine_hangs_up_on_other_users_and_serves_its_own"),
        *("test_nothing_is_sent_to_another_users_socket", "test_a_card_that_leads_nowhere_is_none"),
        *("test_others_who_may_write_are_refused", "test_it_completes_without_an_engine_of_its_own"),
    ),
    "It goes nowhere else.": (
        *(
            "test_typed_text_is_on_its_way_to_the_engine_and_nowhere_else",
            "test_with_a_url_only_that_is_called",
        ),
        "test_a_fault_is_one_sentence_and_over_when_it_is",
    ),
    "There is no telemetry.": ("test_typed_text_is_on_its_way_to_the_engine_and_nowhere_else",),
    "With `context`, parts of other files in the workspace go to the same place, "
    "and of open documents that are no files of this machine (new ones, remote ones).": (
        *("test_other_files_are_sent_with_context_alone", "test_a_file_of_the_workspace_is_told"),
        "test_what_is_no_file_here_passes_the_same_gate",
    ),
    "Never sent: files that git ignores, large files, files outside the workspace, "
    "files that `exclude` names, and files that look like secrets by name (`.env`, `*.pem`, …) or content.": (
        *("test_git_decides", "test_nothing_large_binary_or_secret", "test_nothing_outside_the_workspace"),
        *(
            "test_what_the_setting_excludes_is_not_told",
            "test_an_excluded_file_is_not_sent_along_with_another_one",
        ),
        *("test_names_of_secrets", "test_texts_that_are_secrets"),
        *(
            "test_what_is_given_to_a_name_that_says_secret",
            "test_what_is_open_in_the_editor_passes_the_same_gate",
        ),
    ),
    "A file that is a secret itself, such as `.env` or a key, never goes to a `url`, "
    "and gets no completions while you type.": (
        "test_secrets_are_silent_and_never_go_to_a_url",
        "test_a_secret_is_silent_and_stays_on_this_machine",
    ),
    "Nor do settings, data and notes go to a `url` that hold a key or a password.": (
        "test_what_holds_a_secret_goes_to_no_url_and_is_written_in_all_the_same",
    ),
    "None of your text is written to disk or to a log.": (
        *("test_typed_text_is_on_its_way_to_the_engine_and_nowhere_else", "test_no_body_is_ever_logged"),
        *("test_errors_are_logged_without_their_text", "test_the_log_does_not_quote_what_an_exception_says"),
    ),
    "`midfill why` reads a private file with the names of files and places in them.": (
        "test_typed_text_is_on_its_way_to_the_engine_and_nowhere_else",
        "test_it_goes_when_the_window_closes",
    ),
    "The statistics are numbers in one file on your machine.": (
        "test_the_file_holds_numbers_alone",
        "test_windows_add_to_one_file_which_only_the_user_can_read",
    ),
    "`midfill status --stats` prints them, `midfill status --forget` deletes them.": (
        "test_a_command",
        "test_what_is_forgotten_does_not_come_back",
    ),
}

TYPED, BESIDE = "CANARY_THAT_WAS_TYPED", "CANARY_IN_A_FILE_BESIDE"
WATCHED = """
import os, sys
log = os.open(os.environ["SEEN_BY_AUDIT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
out = os.O_WRONLY | os.O_RDWR | os.O_CREAT
calls = "socket.connect", "socket.send", "socket.get", "urllib", "http", "ftplib", "smtplib"
def hook(event, args):
    if event.startswith(calls):
        told = f"{event}\\t{args[1] if len(args) > 1 else args}"
    elif event == "open" and args[2] and args[2] & out:
        told = f"open\\t{args[0]}"
    elif event in ("subprocess.Popen", "os.system", "os.exec"):
        told = f"start\\t{args[:2]}"
    else:
        return
    os.write(log, (told.replace("\\n", " ") + "\\n").encode("utf-8", "replace"))
sys.addaudithook(hook)
from midfill_server.__main__ import main
sys.exit(main())
"""
"""Midfill, and a line for whatever it calls, opens to write, or starts."""


def test_each_sentence_has_its_tests() -> None:
    section = (ROOT / "README.md").read_text("utf-8").partition("## Privacy\n")[2].partition("\n## ")[0]
    bullets = [" ".join(it.split()) for it in re.split(r"^- ", section, flags=re.MULTILINE)]
    sentences = [it for bullet in bullets if bullet for it in re.split(r"(?<=\.) (?=[A-Z`])", bullet)]
    assert sentences == list(SHOWN_BY)
    sources = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    known = {name for source in sources for name in re.findall(r"def (test_\w+)", source)}
    assert not {name for names in SHOWN_BY.values() for name in names} - known


def seen(audit: Path, *kinds: str) -> set[str]:
    lines = [line.partition("\t") for line in audit.read_text("utf-8").splitlines()]
    return {what for kind, _, what in lines if kind.startswith(kinds)}


def holds(path: Path) -> bool:
    """Whether typed text, or that of a file beside, is in it."""
    content = path.read_bytes() if path.is_file() else b""
    return TYPED.encode() in content or BESIDE.encode() in content


def holding(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if holds(path)]


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.skipif(sys.platform != "linux", reason="what a process was started with, by /proc")
async def test_typed_text_is_on_its_way_to_the_engine_and_nowhere_else(
    own_folder: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is called but the socket; no file, log, command line or environment holds it."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "beside.py").write_text(f"def {BESIDE}(price): ...\n" * 3)
    folders = {"MIDFILL_CACHE_DIR": str(own_folder / "cache"), "TMPDIR": str(own_folder)}
    own = environment(own_folder) | folders
    monkeypatch.setenv("MIDFILL_RUNTIME_DIR", str(own_folder))
    run = (sys.executable, "-I", "-c", WATCHED)
    audits = front, engine = tmp_path / "front", tmp_path / "engine"
    with (own_folder / "stderr").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - it is the test's own
            [*run, "engine", "--stay", "--model", model, "--threads", "1"],
            env=own | {"SEEN_BY_AUDIT": str(engine)},
            stderr=log,
        )
        async with asyncio.timeout(PATIENCE):
            while Engine(own_folder).pid is None:  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.01)
        watched = own | {"SEEN_BY_AUDIT": str(front)}
        async with Editor((*run, "serve"), environment=watched, log=log) as editor:
            await editor.initialize({"model": model, "logLevel": "debug"}, root=tmp_path / "work")
            uri, text = (tmp_path / "work" / "a.py").as_uri(), f"import beside\n{TYPED} = 1\n"
            for n in range(2):  # the second of a document has its context in any case
                editor.open(uri, text + "\n" * 20 * n, "python")
                async with asyncio.timeout(PATIENCE):
                    assert await editor.complete(uri, *end_of(text)).text() == SAID
            async with asyncio.timeout(PATIENCE):
                while not (asked := last_requests()):  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.05)
            assert "a.py:3:1 " in asked[0]
            assert [mode for name, mode in modes(own_folder).items() if name.startswith(PREFIX)] == [0o600]
            kept = holding(own_folder)
            told = [
                path
                for pid in (process.pid, editor.process.pid)
                for name in ("cmdline", "environ")
                if holds(path := Path(f"/proc/{pid}/{name}"))
            ]
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert seen(front, "socket") == {str(own_folder / seam.SOCKET)} and not seen(engine, "socket")
    assert not any(it in path.read_text("utf-8") for path in audits for it in (TYPED, BESIDE))
    written = [Path(name) for path in audits for name in seen(path, "open")]
    assert not (kept or told or holding(own_folder) or [path for path in written if holds(path)])


async def test_with_a_url_only_that_is_called(own_folder: Path, tmp_path: Path) -> None:
    audit = tmp_path / "front"
    with ScriptedEngine(own_folder, tcp=True) as server:
        server.says(*TOKENS, after=PROGRAM)
        own = environment(own_folder) | {
            "SEEN_BY_AUDIT": str(audit),
            "KEY": str(server.token),
            "NO_PROXY": "*",
        }
        async with Editor((sys.executable, "-I", "-c", WATCHED, "serve"), environment=own) as editor:
            await editor.initialize({"url": server.url, "apiKeyEnv": "KEY"})
            assert await complete(editor) == ITEM
        port = server.url.rpartition(":")[2]
    assert set(re.findall(r"[\w.]{2,}", " ".join(seen(audit, "socket")))) == {"127.0.0.1", port}


async def test_other_files_are_sent_with_context_alone(engine: ScriptedEngine, tmp_path: Path) -> None:
    (tmp_path / "util.py").write_text("def margin_ratio(price_list, cost_list):\n    return price_list\n")
    main = "from util import margin_ratio\n\n\ndef report(price_list):\n    ratio = margin_ratio("
    for context in (True, False):
        async with Editor(environment=environment(engine.folder)) as editor:
            await editor.initialize({"context": context}, root=tmp_path)
            editor.open("untitled:New", "def cost_list_of(price_list): ...\n", "python")
            uri = (tmp_path / "main.py").as_uri()
            for n in range(2):  # the second of a document has its context in any case
                text = "\n" * 20 * n + main
                editor.open(uri, text, "python")
                await editor.complete(uri, *end_of(text)).text()
        sent = str(engine.calls[-1].body)
        assert (("def margin_ratio" in sent), ("cost_list_of" in sent)) == (context, context)
