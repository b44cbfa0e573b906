"""VS Code with a scripted server in place of Midfill."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from ...e2e.conftest import Engine
from ..conftest import SCREENSHOTS, environment, installed_vscode
from .opened import START, Open, Opened
from .scripted_server import ScriptedServers
from .vscode import VSCode, Window


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[VSCode, ScriptedServers]]:
    folder = tmp_path_factory.mktemp("scripted")
    (folder / "bin").mkdir()
    servers = ScriptedServers(folder / "bin/midfill")
    with installed_vscode(folder, environment(Engine(folder), folder)) as vscode:
        yield vscode, servers
    servers.close()


@pytest.fixture
def opened(
    scripted: tuple[VSCode, ScriptedServers], browser: Browser, request: pytest.FixtureRequest
) -> Iterator[Open]:
    vscode, servers = scripted
    windows: list[Window] = []

    def opened(patch: Callable[[str], str] | None = None) -> Opened:
        project = vscode.new_project()
        (project / "box.py").write_text(START)
        windows.append(window := Window(vscode, browser, project, project / "box.py", patch))
        connection = servers.connection()
        window.wait_status("ready")
        return Opened(window, connection)

    yield opened
    for window in windows:
        window.screenshot(SCREENSHOTS / f"{request.node.name}.png")
        window.close()
