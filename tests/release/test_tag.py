"""When a tree is a release, what tagging makes of it, and that nothing is tagged otherwise."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path, version: str) -> Run:
    """Runs something in a repository of our own that holds what a release is made of."""
    for name in (".ci/release", "server/midfill_server/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    ignored = shutil.ignore_patterns("tags")  # Neovim makes them of the help
    shutil.copytree(ROOT / "editors/neovim", tmp_path / "editors/neovim", ignore=ignored)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## [{version}] - 2026-01-02\n")

    def run(*command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=check)

    run("git", "init", "--quiet", "--initial-branch", "main")
    run("git", "config", "user.name", "A")
    run("git", "config", "user.email", "a@example.org")
    run("git", "add", ".")
    run("git", "commit", "--quiet", "--message", "all")
    return run


def test_a_release_is_tagged_only_when_asked_and_neovims_branch_holds_the_plugin(
    run: Run, version: str
) -> None:
    assert "make release TAG=1" in run(".ci/release", "tag").stdout
    assert run("git", "tag").stdout == ""
    assert f"git push origin v{version} neovim" in run(".ci/release", "tag", "1").stdout
    assert run("git", "tag").stdout == f"v{version}\n"
    files = set(run("git", "ls-tree", "-r", "--name-only", "neovim").stdout.splitlines())
    plugin = ROOT / "editors" / "neovim"
    kept = {str(it.relative_to(plugin)) for it in plugin.rglob("*") if it.is_file() and it.name != "tags"}
    assert files == kept
    assert {"lsp/midfill.lua", "plugin/midfill.lua", "lua/midfill/init.lua", "doc/midfill.txt"} <= files


def test_the_branch_goes_on_from_the_last_release(run: Run) -> None:
    run(".ci/release", "neovim")
    first = run("git", "rev-parse", "neovim").stdout
    run(".ci/release", "neovim")
    assert run("git", "rev-parse", "neovim^").stdout == first


def test_neither_a_changed_tree_nor_one_without_its_changelog_is_tagged(run: Run, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text("new")
    refused = run(".ci/release", "tag", "1", check=False)
    assert (refused.returncode, "not committed" in refused.stderr) == (1, True)
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n")
    run("git", "add", ".")
    run("git", "commit", "--quiet", "--message", "no release")
    refused = run(".ci/release", "tag", "1", check=False)
    assert (refused.returncode, "CHANGELOG.md has no section" in refused.stderr) == (1, True)
    assert run(".ci/release", "tag").returncode == 0
    assert run("git", "tag").stdout == ""
