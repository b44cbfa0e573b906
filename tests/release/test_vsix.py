"""The VSIX has all that Marketplace and Open VSX show, and what the licences of its parts ask for."""

import json
import struct
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from .conftest import ROOT, links, names, text

EXTENSION = ROOT / "editors" / "vscode"


@pytest.fixture
def manifest(vsix: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text(vsix, "extension/package.json"))
    return found


def test_it_holds_what_is_shown_and_what_runs_and_no_source(vsix: Path) -> None:
    inside = {it.removeprefix("extension/") for it in names(vsix) if it.startswith("extension/")}
    assert {"package.json", "readme.md", "changelog.md", "LICENSE.txt", "ThirdPartyNotices.txt"} <= inside
    assert {"dist/extension.js", "media/icon.png", "media/ghost-text.png"} <= inside
    assert [it for it in inside if it.endswith((".ts", ".map", ".svg")) or "node_modules" in it] == []
    assert text(vsix, "extension/LICENSE.txt") == (ROOT / "LICENSE").read_text("utf-8")


def test_the_manifest_says_what_a_marketplace_asks_for(manifest: dict[str, Any], version: str) -> None:
    assert manifest["version"] == version
    assert manifest["license"] == "Apache-2.0"
    assert "private" not in manifest
    for key in ("homepage", "displayName", "description", "publisher", "categories", "keywords"):
        assert manifest[key], key
    assert manifest["repository"]["directory"] == "editors/vscode"
    assert manifest["bugs"]["url"].startswith("https://")
    assert manifest["galleryBanner"]["theme"] in ("dark", "light")
    assert manifest["extensionKind"] == ["workspace"]


def test_the_icon_is_a_square_picture_that_is_large_enough(vsix: Path, manifest: dict[str, Any]) -> None:
    with ZipFile(vsix) as opened:
        picture = opened.read(f"extension/{manifest['icon']}")
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    assert width == height >= 128


def test_the_pages_links_lead_somewhere_without_the_repository(vsix: Path, version: str) -> None:
    for page in ("readme.md", "changelog.md"):
        shown = links(text(vsix, f"extension/{page}"))
        assert [it for it in shown if not it.startswith(("https://", "#"))] == []
        ours = {it.partition(f"/v{version}/")[2].partition("#")[0] for it in shown if f"/v{version}/" in it}
        assert [it for it in ours if not (ROOT / it).exists()] == []
        assert not any(".." in it for it in shown)


def test_the_notices_name_all_that_is_bundled_with_its_licence(vsix: Path) -> None:
    notices = text(vsix, "extension/ThirdPartyNotices.txt")
    lock = json.loads((EXTENSION / "package-lock.json").read_text("utf-8"))["packages"]
    wanted, left = set[str](), ["vscode-languageclient"]
    while left:  # what the client asks for is what is bundled with it
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += lock[f"node_modules/{name}"].get("dependencies", {})
    parts = [part.strip() for part in notices.split("-" * 80)[1:]]
    named = {part.split()[0]: part for part in parts}
    bundled = wanted & named.keys()
    assert {"vscode-languageclient", "vscode-languageserver-protocol", "vscode-jsonrpc"} <= bundled
    assert named.keys() <= wanted
    for name in bundled:
        assert named[name].startswith(f"{name} {lock[f'node_modules/{name}']['version']} (")
        assert "copyright" in named[name].lower()
        assert "permission" in named[name].lower()


def test_the_walkthroughs_steps_name_commands_settings_and_files_that_are_there(
    vsix: Path, manifest: dict[str, Any]
) -> None:
    known = {it["command"] for it in manifest["contributes"]["commands"]}
    settings = manifest["contributes"]["configuration"]["properties"]
    (walkthrough,) = manifest["contributes"]["walkthroughs"]
    for step in walkthrough["steps"]:
        (medium,) = (value for key, value in step["media"].items() if key in ("image", "markdown"))
        assert f"extension/{medium}" in names(vsix)
        for target in links(step["description"]):
            command = target.removeprefix("command:")
            assert command in known or not command.startswith("midfill."), command
        for event in step["completionEvents"]:
            kind, _, what = event.partition(":")
            if kind == "onSettingChanged":
                assert what in settings
            if kind == "onCommand" and what.startswith("midfill."):
                assert what in known
