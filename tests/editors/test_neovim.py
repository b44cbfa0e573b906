"""Neovim in a terminal, with editors/neovim as it is: what is shown is what is inserted and saved."""

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..e2e.conftest import Engine
from ..scripted_engine import ScriptedEngine
from .conftest import DEBIAN, EDITORS, FONT, PROGRAM, SCREENSHOTS, environment
from .terminal import Terminal, wait_for

NVIM = DEBIAN / "usr/bin/nvim"
PLUGIN = EDITORS / "neovim"
ESCAPE, TAB, ENTER, CTRL_UP, CTRL_RIGHT, CTRL_DOWN = "\x1b", "\t", "\r", "\x1b[1;5A", "\x1b[1;5C", "\x1b[1;5B"

# For the embedded model, of which no more is asked here than that it says something.
SHOW_ALL = "lua vim.lsp.config('midfill', { init_options = { confidence = 0 } })"

GHOST = """(function()
  local ns = vim.api.nvim_get_namespaces()['nvim.lsp.inline_completion']
  local mark = ns and vim.api.nvim_buf_get_extmarks(0, ns, 0, -1, { details = true })[1]
  if not mark then return '' end
  local lines = { mark[4].virt_text[1][1] }
  for _, line in ipairs(mark[4].virt_lines or {}) do table.insert(lines, line[1][1]) end
  return table.concat(lines, '\\n')
end)()"""


class Neovim:
    """One window. Keys go through the terminal; its state is asked over its own socket."""

    def __init__(self, terminal: Terminal, socket: Path, env: dict[str, str]) -> None:
        self.terminal, self.socket, self._env = terminal, socket, env

    def lua(self, expression: str) -> Any:
        return json.loads(self._remote(f"luaeval('vim.json.encode(' .. {_vim_string(expression)} .. ')')"))

    def _remote(self, expression: str) -> str:
        argv: list[str | Path] = [NVIM, "--server", self.socket, "--remote-expr", expression]
        try:
            done = subprocess.run(argv, env=self._env, capture_output=True, text=True, timeout=5)
        except subprocess.TimeoutExpired:  # it waits for a key, and answers nothing else
            return "null"
        return done.stdout if done.returncode == 0 else "null"

    def attached(self) -> None:
        """Wait until the server is there. Neovim attaches a little later than it is initialized."""
        ready = "#vim.tbl_keys(vim.lsp.get_clients({ bufnr = 0 })[1].server_capabilities) > 0"
        wait_for("the server", lambda: self.lua("#vim.lsp.get_clients({ bufnr = 0 }) == 1 and " + ready))

    def type(self, *keys: str) -> None:
        self.terminal.type(*keys)

    def ghost(self) -> str:
        """The ghost text, once there is some; it stands on the screen, too."""
        shown: str = wait_for("ghost text", lambda: self.lua(GHOST))
        self.terminal.wait_for(shown.split("\n")[0].strip())
        return shown

    def idle(self) -> None:
        """Wait until every request is answered: until then the ghost text may be that of an earlier place."""
        waiting = "#vim.tbl_keys(vim.lsp.get_clients()[1].requests)"
        for _ in range(2):
            wait_for("all answers", lambda: self.lua(waiting) == 0)
            time.sleep(0.4)  # Neovim itself waits 0.2 s before it asks

    def lines(self) -> list[str]:
        """None of them while Neovim waits for something, and answers nothing."""
        found: list[str] | None = self.lua("vim.api.nvim_buf_get_lines(0, 0, -1, false)")
        return found or []

    def save(self, path: Path) -> bytes:
        self.type(ESCAPE, *f":w! {path}", ENTER)
        wait_for("a saved file", lambda: path.exists() and self.lua("not vim.bo.modified"))
        return path.read_bytes()

    def messages(self) -> str:
        return str(self.lua("vim.fn.execute('messages')"))


def _vim_string(text: str) -> str:
    return "'" + text.replace("'", "''").replace("\n", " ") + "'"


@contextlib.contextmanager
def neovim(
    engine: Engine | ScriptedEngine,
    home: Path,
    file: Path,
    before: str = "",
    init: Path = PLUGIN / "init.lua",
) -> Iterator[Neovim]:
    env = environment(engine, home)
    socket = home / "nvim.sock"
    options = ["--cmd", f"set runtimepath^={PLUGIN} noswapfile shadafile=NONE cmdheight=3"]
    options += ["--cmd", before] if before else []
    argv: list[str | Path] = [NVIM, "--listen", socket, *options, "-u", init, file]
    with Terminal(argv, env, home) as terminal:
        it = Neovim(terminal, socket, env)
        wait_for("Neovim", lambda: socket.exists() and it.lua("vim.v.vim_did_enter == 1"))
        try:
            yield it
        except AssertionError as error:
            raise AssertionError(f"{error}\nThe screen:\n{terminal.text()}") from error


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.py"
    path.write_text(PROGRAM)
    return path


def test_what_is_shown_is_what_is_saved(scripted_engine: ScriptedEngine, home: Path, file: Path) -> None:
    with neovim(scripted_engine, home, file) as vim:
        vim.attached()
        vim.type(*"Goif ")
        shown = vim.ghost()
        before = "\n".join(vim.lines())
        vim.terminal.screenshot(SCREENSHOTS / "neovim.png", FONT)
        vim.type(TAB)
        wait_for("the text", lambda: "\n".join(vim.lines()) == before + shown)
        assert vim.save(file) == (before + shown + "\n").encode()
        vim.type(*":Midfill status", ENTER)
        wait_for("the status", lambda: ", 1 accepted" in vim.messages())


def test_words_and_lines_can_be_accepted(scripted_engine: ScriptedEngine, home: Path, file: Path) -> None:
    with neovim(scripted_engine, home, file) as vim:
        vim.attached()
        vim.type(*"Goif ")
        shown, before = vim.ghost(), "\n".join(vim.lines())
        vim.type(CTRL_RIGHT)
        wait_for("a word", lambda: len("\n".join(vim.lines())) > len(before))
        word = "\n".join(vim.lines()).removeprefix(before)
        assert shown.startswith(word) and word.split() == [word.strip()] and word != shown
        wait_for("the rest", lambda: vim.lua(GHOST) == shown.removeprefix(word))
        vim.type(CTRL_DOWN)
        line = re.match(r"\s*[^\n]*", shown.removeprefix(word))[0]  # type: ignore[index]
        wait_for("a line", lambda: "\n".join(vim.lines()) == before + word + line)
        assert vim.save(file).decode() == before + word + line + "\n"


def test_another_text_can_be_chosen(scripted_engine: ScriptedEngine, home: Path, file: Path) -> None:
    """The real server, before an engine whose words are given; the key asks for the others, once."""
    texts, engine = ["amount > self.balance:", "not other:", "other is self:"], scripted_engine
    with neovim(engine, home, file) as vim:
        engine.says(texts[0], "\n", after="if ")
        engine.offers(*(f"{text}\n" for text in (texts[0], *texts[1:], texts[1])), after="if ")
        vim.attached()
        vim.type(*"Goif ")
        assert vim.ghost() == texts[0]
        before = "\n".join(vim.lines())
        for text in (texts[1], texts[2], texts[0], texts[1]):
            vim.type(CTRL_UP)
            wait_for(text, lambda: vim.lua(GHOST) == text)  # noqa: B023
        assert (len(engine.calls), len(engine.several)) == (1, 1)
        vim.type(TAB)
        wait_for("the text", lambda: "\n".join(vim.lines()) == before + texts[1])
        assert vim.save(file).decode() == before + texts[1] + "\n"
        vim.type(*":Midfill status", ENTER)
        wait_for("the status", lambda: ", 1 accepted" in vim.messages())


def test_typing_on_leaves_no_stale_text(scripted_engine: ScriptedEngine, home: Path, file: Path) -> None:
    """Neovim cancels nothing while one types, and would show a late answer at its old place."""
    with neovim(scripted_engine, home, file) as vim:
        vim.attached()
        vim.type(*"Goif ")
        first = vim.ghost()
        vim.type(*"zebra(", TAB)  # at once, on what still is shown from before: it must not be inserted
        vim.type(*"mane, tail")
        vim.idle()
        shown, before = vim.ghost(), "\n".join(vim.lines())
        assert before.endswith("if zebra(mane, tail") and shown != first
        vim.type(TAB)
        wait_for("the text", lambda: "\n".join(vim.lines()) == before + shown)
        assert vim.save(file).decode() == before + shown + "\n"


def test_typing_what_is_shown_keeps_it(scripted_engine: ScriptedEngine, home: Path, file: Path) -> None:
    with neovim(scripted_engine, home, file) as vim:
        vim.attached()
        vim.type(*"Goif ")
        shown, before = vim.ghost(), "\n".join(vim.lines())
        vim.type(*shown[:3], TAB)
        wait_for("the rest", lambda: "\n".join(vim.lines()) == before + shown)
        assert vim.save(file).decode() == before + shown + "\n"


def test_the_rest_comes_as_one_types_past_the_cut(
    scripted_engine: ScriptedEngine, home: Path, file: Path
) -> None:
    tokens, sure = ("amount", " >", " self", ".balance", ":", "\n"), (0.95, 0.2, 0.95, 0.95, 0.95, 1)
    scripted_engine.says(*tokens, after="\n        if ", sure=sure)
    with neovim(scripted_engine, home, file) as vim:
        vim.attached()
        vim.type(*"Goif ")
        assert vim.ghost() == "amount"
        vim.type(TAB, *" >")
        wait_for("the rest", lambda: vim.lua(GHOST) == " self.balance:")
        vim.type(TAB)
        wait_for("the text", lambda: vim.lines()[-1].strip() == "if amount > self.balance:")
    places = [call.before.rpartition("\n")[2] for call in scripted_engine.calls]
    assert not any(place.rstrip().endswith(">") for place in places), "it was known"


def test_crlf_and_astral_characters(scripted_engine: ScriptedEngine, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "smile.py"
    text = PROGRAM.replace("Bank accounts", "Bank 😀 accounts é").replace("\n", "\r\n")
    file.write_bytes(text.encode())
    with neovim(scripted_engine, home, file) as vim:
        vim.attached()
        vim.type(*"Goraise ValueError(")
        vim.ghost()
        vim.type(TAB, ENTER, *"if 'é😀' != name", ENTER)
        vim.type(ESCAPE, *"oif ")
        shown, before = vim.ghost(), "\r\n".join(vim.lines())
        vim.type(TAB)
        after = before + shown.replace("\n", "\r\n")
        wait_for("the text", lambda: "\r\n".join(vim.lines()) == after)
        assert vim.save(file).decode() == after + "\r\n"


def test_a_new_file_that_is_not_saved(scripted_engine: ScriptedEngine, home: Path, tmp_path: Path) -> None:
    with neovim(scripted_engine, home, tmp_path / "new.py") as vim:
        vim.attached()
        vim.type(*"idef add(first, second):", ENTER, *"return ")
        shown, before = vim.ghost(), "\n".join(vim.lines())
        vim.type(TAB)
        wait_for("the text", lambda: "\n".join(vim.lines()) == before + shown)
        assert vim.save(tmp_path / "new.py").decode() == before + shown + "\n"


def test_an_engine_that_is_killed_while_one_types_comes_back(
    own_engine: Engine, home: Path, file: Path
) -> None:
    with neovim(own_engine, home, file, before=SHOW_ALL) as vim:
        vim.attached()
        vim.type(*"Goif ")
        vim.ghost()
        first = own_engine.pid
        assert first is not None
        vim.type(*"amo")
        os.kill(first, signal.SIGKILL)
        vim.type(*"eba == ")  # nothing that is known
        wait_for("another engine", lambda: own_engine.pid not in (None, first))
        vim.idle()
        shown, before = vim.ghost(), "\n".join(vim.lines())
        vim.type(TAB)
        wait_for("the text", lambda: "\n".join(vim.lines()) == before + shown)
        assert vim.save(file).decode() == before + shown + "\n"


def test_two_windows_share_one_engine(own_engine: Engine, tmp_path: Path, file: Path) -> None:
    """Both start before an engine runs: the first text comes when it is ready, without another key."""
    other = tmp_path / "other.py"
    other.write_text(PROGRAM)
    with (
        neovim(own_engine, tmp_path / "one", file, before=SHOW_ALL) as one,
        neovim(own_engine, tmp_path / "two", other, before=SHOW_ALL) as two,
    ):
        for vim in (one, two):
            vim.attached()
            vim.type(*"Goif ")
        assert one.ghost() == two.ghost()
        listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True)
        assert listed.stdout.count(f"--runtime-dir {own_engine.folder}") == 1


def test_wrong_settings_are_one_message(scripted_engine: ScriptedEngine, home: Path, file: Path) -> None:
    wrong = "lua vim.lsp.config('midfill', { init_options = { debounceMs = 'soon', colour = 'red' } })"
    with neovim(scripted_engine, home, file, before=wrong) as vim:
        vim.attached()
        vim.type(*"Goif ")
        vim.ghost()
        vim.type(ESCAPE, ENTER)
        assert vim.messages().count("debounceMs must be") == vim.messages().count("colour is not") == 1


def test_a_missing_program_is_one_notice(scripted_engine: ScriptedEngine, home: Path, file: Path) -> None:
    missing = "lua vim.lsp.config('midfill', { cmd = { 'no-such-program', 'serve' } })"
    with neovim(scripted_engine, home, file, before=missing) as vim:
        vim.type(*"Goif ", ESCAPE, ENTER, *"oif ", ESCAPE, ENTER)
        wait_for("the notice", lambda: "no-such-program is not an executable program" in vim.messages())
        assert vim.messages().count("no-such-program") == 1
        vim.type(*":checkhealth midfill", ENTER)
        wait_for("what mends it", lambda: any("put its folder on PATH" in line for line in vim.lines()))


def test_its_health_and_its_help(scripted_engine: ScriptedEngine, home: Path, file: Path) -> None:
    scripted_engine.says("load(file)", after="json.")
    with neovim(scripted_engine, home, file) as vim:
        vim.attached()
        vim.type(*":checkhealth midfill", ENTER)
        wait_for("the doctor's completion", lambda: any("'load(file)'" in line for line in vim.lines()))
        assert any("ready: model scripted" in line for line in vim.lines())
        assert not [line for line in vim.lines() if "ERROR" in line or "WARNING" in line]
        vim.type(*":helptags ALL | help midfill", ENTER)
        wait_for("the help", lambda: vim.lines()[0].startswith("*midfill.txt*"))
        vim.type(*":Midfill", ENTER)
        wait_for("the status", lambda: "Midfill: ready" in vim.messages())


def test_undo_takes_back_what_was_accepted_alone(
    scripted_engine: ScriptedEngine, home: Path, file: Path
) -> None:
    with neovim(scripted_engine, home, file) as vim:
        vim.attached()
        vim.type(*"Goif ")
        shown, before = vim.ghost(), vim.lines()
        vim.type(TAB)
        accepted = ("\n".join(before) + shown).split("\n")
        wait_for("the text", lambda: vim.lines() == accepted)
        vim.type(ESCAPE, "u")
        wanted = [line.rstrip() for line in before]
        wait_for("the undo", lambda: [line.rstrip() for line in vim.lines()] == wanted)
        assert "\n".join(wanted).rstrip().endswith("if") and shown not in "\n".join(vim.lines())


def test_a_pause_hides_everything(scripted_engine: ScriptedEngine, home: Path, file: Path) -> None:
    with neovim(scripted_engine, home, file) as vim:
        vim.attached()
        vim.type(*":Midfill pause", ENTER)
        vim.terminal.wait_for("midfill: paused")
        vim.type(*"Goif ", ESCAPE)
        vim.type(*":Midfill resume", ENTER)
        wait_for("the end of the pause", lambda: "paused" not in vim.lua("require('midfill').status()"))
        assert vim.lua(GHOST) == ""
        vim.type(*"A ")
        vim.ghost()
        completed = vim.lua("vim.fn.getcompletion('Midfill re', 'cmdline')")
        assert completed == ["restart", "resume"]


def test_a_snooze_hides_what_nobody_asked_for(shared_engine: Engine, home: Path, file: Path) -> None:
    shows_all = "lua vim.lsp.config('midfill', { init_options = { confidence = 0 } })"
    with neovim(shared_engine, home, file, before=shows_all) as vim:
        vim.attached()
        vim.type(*":Midfill snooze", ENTER)
        wait_for("what is missing", lambda: ":Midfill snooze 30" in vim.messages())
        vim.type(ENTER, *":Midfill snooze 30", ENTER)
        vim.terminal.wait_for("midfill: snoozed until ")
        vim.type(ENTER, *"Goif ")
        vim.idle()
        assert vim.lua(GHOST) == ""
        vim.type(ESCAPE, *":Midfill resume", ENTER)
        wait_for("the end of the snooze", lambda: "snoozed" not in vim.lua("require('midfill').status()"))
        vim.type(*"A ")
        assert vim.ghost()


def test_a_comment_is_silent_where_it_is_set_off(shared_engine: Engine, home: Path, file: Path) -> None:
    off = "lua vim.lsp.config('midfill', { init_options = { inComments = 'off', confidence = 0 } })"
    with neovim(shared_engine, home, file, before=off) as vim:
        vim.attached()
        vim.type(*"Goif ")
        assert vim.ghost()
        vim.type(ESCAPE, *"cc# if ")
        vim.idle()
        assert vim.lines()[-1].lstrip() == "# if " and vim.lua(GHOST) == ""
        vim.type(ESCAPE, *"ccif ")
        assert vim.ghost()


def test_a_configuration_for_copilots_server(
    scripted_engine: ScriptedEngine, home: Path, file: Path, tmp_path: Path
) -> None:
    """nvim-lspconfig's `copilot`, but for its command, and the mapping of Neovim's own manual."""
    init = tmp_path / "init.lua"
    init.write_text("""
        vim.lsp.config('copilot', {
          cmd = { 'midfill', 'serve', '--stdio' },
          root_markers = { '.git' },
          init_options = {
            editorInfo = { name = 'Neovim', version = tostring(vim.version()) },
            editorPluginInfo = { name = 'Neovim', version = tostring(vim.version()) },
          },
          settings = { telemetry = { telemetryLevel = 'all' } },
        })
        vim.lsp.enable('copilot')
        vim.lsp.inline_completion.enable()
        vim.keymap.set('i', '<Tab>', function()
          if not vim.lsp.inline_completion.get() then return '<Tab>' end
        end, { expr = true })
    """)
    with neovim(scripted_engine, home, file, init=init) as vim:
        vim.attached()
        vim.type(*"Goif ")
        shown, before = vim.ghost(), "\n".join(vim.lines())
        vim.type(TAB)
        wait_for("the text", lambda: "\n".join(vim.lines()) == before + shown)
        assert vim.save(file).decode() == before + shown + "\n"
        signed_in = "vim.lsp.get_clients()[1]:request_sync('signIn', vim.empty_dict(), 9000).result.status"
        assert vim.lua(signed_in) == "AlreadySignedIn"
        assert "Midfill" not in vim.messages()
