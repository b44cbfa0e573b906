"""Which editors are here, and which of their settings name Midfill. Of the files nothing else is told."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from midfill_server.tools.doctor.finding import Finding, ok

EDITORS = "Editors"
_LARGEST, _MOST = 1 << 20, 500  # bytes of a settings file; files of one editor


@dataclass(frozen=True, slots=True)
class Editor:
    """`settings` are files, or patterns of files, below the folder for settings; `plugins` below the home."""

    name: str
    programs: tuple[str, ...]
    settings: tuple[str, ...]
    plugins: tuple[str, ...] = ()


_CODE = ("Code", "Code - OSS", "VSCodium", "Cursor")
_SERVERS = ("vscode", "vscode-oss", "vscode-server", "vscode-remote", "cursor", "cursor-server")
EDITORS_KNOWN = (
    Editor(
        "VS Code",
        ("code", "codium", "code-server", "cursor"),
        tuple(f"{name}/User/settings.json" for name in _CODE),
        tuple(f".{name}/extensions/midfill.midfill-*" for name in _SERVERS),
    ),
    Editor(
        "Neovim",
        ("nvim",),
        ("nvim/init.lua", "nvim/init.vim", "nvim/lua/**/*.lua", "nvim/lsp/*.lua", "nvim/plugin/**/*.lua"),
        (".local/share/nvim/site/pack/*/*/midfill*",),
    ),
    Editor("Helix", ("hx", "helix"), ("helix/languages.toml",)),
    Editor("Emacs", ("emacs",), ("emacs/init.el", "../.emacs", "../.emacs.d/init.el")),
    Editor("Zed", ("zed", "zeditor"), ("zed/settings.json",)),
)


def editors(home: Path | None = None) -> list[Finding]:
    home = Path(os.path.expanduser("~")) if home is None else home
    settings = _settings_folder(home)
    found = [it for editor in EDITORS_KNOWN if (it := _looked_for(editor, home, settings)) is not None]
    return found or [ok(EDITORS, "No editor that is known; any that speaks LSP can start `midfill serve`.")]


def _settings_folder(home: Path) -> Path:
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")


def _looked_for(editor: Editor, home: Path, settings: Path) -> Finding | None:
    """None where there is neither the editor nor anything of it."""
    places = [path for pattern in editor.plugins for path in _matching(home, pattern)]
    folders = {settings, home / ".config"}  # on macOS Neovim and others keep to the second
    files = [path for it in folders for pattern in editor.settings for path in _matching(it, pattern)]
    places += [path for path in files[:_MOST] if _names_midfill(path)]
    if places:
        told = ", ".join(sorted(os.path.normpath(path) for path in places))
        return ok(EDITORS, f"{editor.name}: Midfill is in {told}")
    if any(shutil.which(it) for it in editor.programs):
        return ok(EDITORS, f"{editor.name} is here, and none of its settings names Midfill.")
    return None


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    if pattern.startswith("../"):
        folder, pattern = folder.parent, pattern[3:]
    with suppress(OSError):
        yield from sorted(folder.glob(pattern))


def _names_midfill(path: Path) -> bool:
    with suppress(OSError):
        if path.is_file() and path.stat().st_size <= _LARGEST:
            return b"midfill" in path.read_bytes().lower()
    return False
