"""What git ignores is never sent, however it is told so; and no program of a repository is run for it."""

import os
import subprocess
from pathlib import Path

import pytest

from midfill_server.context import git
from midfill_server.context.files import Files
from midfill_server.context.ignored import Ignored

pytestmark = pytest.mark.skipif(not git.program(), reason="git is not installed")
posix = pytest.mark.skipif(os.name != "posix", reason="pipes and devices have no names here")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of nobody, so that no settings of this machine count."""
    home = tmp_path / "home"
    home.mkdir()
    for name, value in {"HOME": home, "XDG_CONFIG_HOME": home / ".config"}.items():
        monkeypatch.setenv(name, str(value))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@b")
    return home


@pytest.fixture
def repository(tmp_path: Path, home: Path) -> Path:
    root = tmp_path / "repository"
    run("init", "-q", str(root), cwd=tmp_path)
    write(root / "main.py", "x")
    write(root / "app" / "other.py", "x")
    return root


def run(*words: str, cwd: Path) -> None:
    subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def sent(root: Path) -> set[str]:
    """The files that are found by themselves; those that are opened pass the same gate."""
    files = Files((root,))
    found = {path for paths in files.by_stem().values() for path in paths}
    opened = {path for path in root.rglob("*.py") if files.may_be_sent(path)}
    assert found == opened
    return {path.relative_to(root).as_posix() for path in found}


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        (".gitignore", "repository"),
        (".gitignore", "repository/app"),
        (".git/info/exclude", "repository"),
        ("../home/.config/git/ignore", "repository"),
        ("../home/excludes", "repository"),
    ],
)
def test_all_the_places_where_git_is_told(repository: Path, home: Path, rules: str, place: str) -> None:
    write(home / ".gitconfig", f"[core]\n excludesFile = {home}/excludes\n" if "excludes" in rules else "")
    write(repository / rules, "config.py\n")
    root = repository.parent / place
    write(root / "config.py", "x")
    assert "config.py" not in sent(root)
    assert {"main.py", "other.py"} & sent(root)


def test_a_worktree_has_the_rules_of_its_repository(repository: Path, tmp_path: Path) -> None:
    run("add", ".", cwd=repository)
    run("commit", "-qm", "x", cwd=repository)
    run("worktree", "add", "-q", str(tmp_path / "tree"), cwd=repository)
    write(repository / ".git" / "info" / "exclude", "config.py\n")
    write(tmp_path / "tree" / "config.py", "x")
    assert sent(tmp_path / "tree") == {"main.py", "app/other.py"}


def test_repositories_inside_have_rules_of_their_own(repository: Path) -> None:
    inner = repository / "inner"
    run("init", "-q", str(inner), cwd=repository)
    write(inner / ".gitignore", "config.py\n")
    write(inner / "config.py", "x")
    write(inner / "public.py", "x")
    assert sent(repository) == {"main.py", "app/other.py", "inner/public.py"}


def test_a_new_file_is_asked_for_by_itself(repository: Path) -> None:
    write(repository / ".gitignore", "config.py\n")
    files = Files((repository,))
    files.by_stem()
    assert files.may_be_sent(repository / "new.py")  # open in the editor, not yet on the disk
    assert not files.may_be_sent(repository / "config.py")


def test_another_repository_in_the_environment_does_not_count(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repository / ".gitignore", "config.py\n")
    write(repository / "config.py", "x")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    assert sent(repository) == {"main.py", "app/other.py"}


@posix
def test_no_program_of_the_repository_is_run(repository: Path) -> None:
    ran = repository.parent / "ran"
    program = write(repository.parent / "program", f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    run("config", "core.fsmonitor", str(program), cwd=repository)
    hook = write(repository / ".git" / "hooks" / "post-index-change", program.read_text())
    hook.chmod(0o755)
    assert sent(repository) == {"main.py", "app/other.py"}
    assert not ran.exists()


def test_where_git_cannot_be_asked_the_rules_above_count_too(
    repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "program", lambda: None)
    write(repository / ".gitignore", "config.py\n")
    write(home / ".config" / "git" / "ignore", "mine.py\n")
    for name in ("config.py", "mine.py"):
        write(repository / "app" / name, "x")
    assert sent(repository / "app") == {"other.py"}


@posix
def test_git_that_takes_too_long_is_stopped_and_nothing_is_sent(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(repository / ".gitignore")  # git reads it for ever
    monkeypatch.setattr(git, "SECONDS", 0.3)
    assert sent(repository) <= {"main.py", "app/other.py"}  # a git that does not read it lists these


@posix
@pytest.mark.parametrize("kind", ["link to a device", "fifo", "large"])
def test_rules_in_no_plain_file_are_not_read(tmp_path: Path, kind: str) -> None:
    rules = tmp_path / ".gitignore"
    if kind == "fifo":
        os.mkfifo(rules)
    elif kind == "large":
        rules.write_bytes(b"*.py\n" * 1_000_000)
    else:
        rules.symlink_to("/dev/zero")
    assert not Ignored(tmp_path).file(tmp_path / "a.py")


@pytest.mark.parametrize(
    "rule", ["*a" * 60 + "b", "**/a/" * 60 + "b", "[" * 500, "\\", "!" * 500, "a" * 5000]
)
def test_no_rule_takes_long(tmp_path: Path, rule: str) -> None:
    """A regular expression made of the first two would take longer than anybody lives."""
    write(tmp_path / ".gitignore", f"{rule}\nconfig.py\n")
    ignored = Ignored(tmp_path)
    assert ignored.file(tmp_path / "config.py")
    ignored.file(tmp_path.joinpath(*["a" * 200] * 8))


def test_a_slow_rule_ignores_rather_more(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "*a*b*c*.py\n")
    assert Ignored(tmp_path).file(tmp_path / "1a2b3c4.py")


@posix
def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    write(tmp_path / "plain.py", "def a(): ...\n")
    files = Files((tmp_path,))
    assert set(files.by_stem()) == {"plain"}
    assert files.outline(tmp_path / "pipe.py") is None
    assert files.outline(tmp_path / "zero.py") is None
