"""Real editors in a terminal of our own, with the snippets of editors/ and the real `midfill serve` behind.

`make test-editors` unpacks the editors into .editors/ first.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from ..e2e.conftest import Engine, runtime_folder
from ..scripted_engine import ScriptedEngine
from .vscode.vscode import VSCode, Window

ROOT = Path(__file__).parents[2]
EDITORS = ROOT / "editors"
INSTALLED = ROOT / ".editors"
DEBIAN = INSTALLED / "forky"
FONT = DEBIAN / "usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"
SCREENSHOTS = INSTALLED / "screenshots"

# What stands before the cursor: enough for the embedded model to have something to say.
PROGRAM = '''"""Bank accounts."""


class Account:
    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError("the amount must be positive")
        self.balance += amount

    def transfer(self, amount, other):
'''

MAX_TOKENS = 400  # what grows must not be cut
# VS Code binds no key to accepting one line; the browser keeps the one for a new file to itself. The palette
# is no way to it: a click there may hit another command, as the list is sorted anew.
LINE_KEY, NEW_FILE_KEY = "Control+Alt+l", "Control+Alt+u"

Open = Callable[..., Window]


ITEM = """\
amount > self.balance:
            other.deposit(self.balance)
            raise ValueError("the balance is too small")
"""
"""What follows PROGRAM and `if `."""


@pytest.fixture
def scripted_engine() -> Iterator[ScriptedEngine]:
    """For tests of what an editor makes of a text; that it is the right one is known."""
    with tempfile.TemporaryDirectory(prefix="midfill-") as name, ScriptedEngine(Path(name)) as engine:
        engine.says("amount < 0:\n", after="if ")  # the text given last is the one that counts
        engine.says(*re.findall(r"\w+|\W", ITEM), after="\n        if ")
        engine.says("amount < 0:\n", "            return\n", after="\n        if  ")
        engine.says('"too small")\n', after="raise ValueError(")
        engine.says("first", " + second\n", after="second):\n    return ")
        engine.says(":\n", "            return\n", after="if zebra")
        engine.says("):\n", "            return\n", after="if zebra(mane, tail")
        yield engine


@pytest.fixture(scope="session")
def shared_engine() -> Iterator[Engine]:
    with runtime_folder() as folder:
        yield Engine(folder)


@pytest.fixture
def own_engine() -> Iterator[Engine]:
    """For tests in which engines die, or do not run yet."""
    with runtime_folder() as folder:
        yield Engine(folder)


def environment(engine: Engine | ScriptedEngine, home: Path) -> dict[str, str]:
    """A user with an empty home, and `midfill` in the PATH, but no other tool of the virtual environment."""
    programs = home / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    if not (programs / "midfill").exists():
        (programs / "midfill").symlink_to(Path(sys.executable).parent / "midfill")
    return {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": str(home),
        "MIDFILL_RUNTIME_DIR": str(engine.folder),
        "HF_HUB_OFFLINE": "1",
    }


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=INSTALLED / "chromium.sh", args=options)
        yield browser
        browser.close()


@contextmanager
def installed_vscode(folder: Path, environment: dict[str, str]) -> Iterator[VSCode]:
    vscode = VSCode(INSTALLED, folder, environment)
    vscode.configure(maxTokens=MAX_TOKENS, confidence=0)  # whatever the embedded model says is a text
    line, new_file = "editor.action.inlineSuggest.acceptNextLine", "workbench.action.files.newUntitledFile"
    vscode.bind({LINE_KEY: line, NEW_FILE_KEY: new_file})
    vscode.install(ROOT / "editors/vscode/midfill.vsix")
    with vscode.running():
        yield vscode


@pytest.fixture(scope="session")
def vscode(shared_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VSCode]:
    folder = tmp_path_factory.mktemp("vscode")
    with installed_vscode(folder, environment(shared_engine, folder)) as vscode:
        yield vscode


@pytest.fixture
def open_file(vscode: VSCode, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open a new file that holds some text, with the cursor at its end, once the engine is ready."""
    windows: list[Window] = []

    def open_file(
        name: str,
        text: str,
        in_folder: bool = True,
        settings: str = "",
        patch: Callable[[str], str] | None = None,
    ) -> Window:
        project = vscode.new_project()
        if settings:
            (project / ".vscode").mkdir()
            (project / ".vscode/settings.json").write_text(settings)
        path = project / name
        path.write_bytes(text.encode())
        windows.append(window := Window(vscode, browser, project if in_folder else None, path, patch))
        window.wait_status("ready")
        return window

    yield open_file
    for n, window in enumerate(windows):
        window.screenshot(SCREENSHOTS / f"{request.node.name}-{n}.png")
        window.close()
